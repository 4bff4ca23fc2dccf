//! The zoo: small networks for 28 by 28 grey images, trained on Fashion-MNIST, that ship with bertillon.
//!
//! Seven architectures, each trained from two seeds. Siblings, which differ by their seed only, have one ancestry:
//! they are the hardest strangers to tell from a stolen model. The weights are compiled in; `path` reads others
//! (as `bertillon zoo train` writes them) in their stead, and `names` takes some of the networks only.
//! How each was trained, and how well it classifies, is on the zoo's card.

mod architectures;
mod card;
mod members;
mod network;
#[cfg(test)]
mod tests;
mod train;
mod weights;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use bertillon::{Configure, Error, Model, ModelCollection, Result, Vanilla, untrusted};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::Device;

pub use card::{Card, CardEntry};
use members::{Member, select};
use network::{CLASSES, INPUT};
pub use train::train;

/// Largest file of weights that is read, in bytes; those of the zoo have less than a hundredth of it.
const MAX_BYTES: u64 = 64 << 20;

const SHIPPED_CARD: &[u8] = include_bytes!("../data/zoo/card.json");

const SHIPPED: [(&str, &[u8]); 14] = [
    ("lenet-a", include_bytes!("../data/zoo/lenet-a.safetensors")),
    ("lenet-b", include_bytes!("../data/zoo/lenet-b.safetensors")),
    ("vgg-a", include_bytes!("../data/zoo/vgg-a.safetensors")),
    ("vgg-b", include_bytes!("../data/zoo/vgg-b.safetensors")),
    ("resnet-a", include_bytes!("../data/zoo/resnet-a.safetensors")),
    ("resnet-b", include_bytes!("../data/zoo/resnet-b.safetensors")),
    ("mobilenet-a", include_bytes!("../data/zoo/mobilenet-a.safetensors")),
    ("mobilenet-b", include_bytes!("../data/zoo/mobilenet-b.safetensors")),
    ("mlp-a", include_bytes!("../data/zoo/mlp-a.safetensors")),
    ("mlp-b", include_bytes!("../data/zoo/mlp-b.safetensors")),
    ("densenet-a", include_bytes!("../data/zoo/densenet-a.safetensors")),
    ("densenet-b", include_bytes!("../data/zoo/densenet-b.safetensors")),
    ("nin-a", include_bytes!("../data/zoo/nin-a.safetensors")),
    ("nin-b", include_bytes!("../data/zoo/nin-b.safetensors")),
];

/// Parameters of [`Zoo`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Names of the networks to take, such as `["lenet-a", "lenet-b"]`; all of them where it is left out. They
    /// come in the zoo's order, whatever the order here.
    pub names: Vec<String>,
    /// Folder with other weights, `NAME.safetensors` each; those that ship where it is left out.
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
}

/// The zoo of small networks.
#[derive(Debug)]
pub struct Zoo {
    vanillas: Vec<Vanilla>,
    files: Vec<WeightFile>,
}

#[derive(Debug)]
struct WeightFile {
    member: Member,
    path: PathBuf,
    bytes: Cow<'static, [u8]>,
}

impl Configure for Zoo {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        let read = |member| WeightFile::find(member, parameters.path.as_deref());
        let files: Vec<_> =
            select(&parameters.names)?.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { vanillas: files.iter().map(WeightFile::vanilla).collect(), files })
    }
}

impl ModelCollection for Zoo {
    fn vanillas(&self) -> &[Vanilla] {
        &self.vanillas
    }

    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>> {
        let file = self
            .files
            .get(index)
            .ok_or_else(|| Error::Refused(format!("no network {index} in this zoo")))?;
        let layers = (file.member.architecture.layers)();
        Ok(Box::new(weights::from_bytes(layers, &file.bytes, &file.path, device)?))
    }

    /// Its networks, exported or not, take `[0, 1]`.
    fn normalisation(&self, _: usize) -> Option<[Vec<f64>; 2]> {
        Some([vec![1.0], vec![0.0]])
    }
}

impl WeightFile {
    fn find(member: Member, folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else {
            let shipped = SHIPPED.iter().find(|(name, _)| *name == member.name());
            let (_, bytes) = shipped.expect("weights of every member ship: a test says so");
            return Ok(Self { path: member.file().into(), member, bytes: Cow::Borrowed(bytes) });
        };
        let path = folder.join(member.file());
        let unreadable = |error| {
            let problem = format!(
                "can't be read: {error}; put it there, leave `{}` out of `names`, or train it with \
                 `bertillon zoo train`",
                member.name()
            );
            Error::file(&path, problem)
        };
        let bytes = untrusted::read(&path, MAX_BYTES).map_err(unreadable)?;
        Ok(Self { member, path, bytes: Cow::Owned(bytes) })
    }

    fn vanilla(&self) -> Vanilla {
        Vanilla {
            name: self.member.name(),
            ancestry: self.member.architecture.name.to_owned(),
            digest: blake3::hash(&self.bytes).to_hex().to_string(),
            input: Some(INPUT),
            classes: CLASSES,
            preprocessing: None,
            accuracy: None,
        }
    }
}

/// The card of the networks that ship.
///
/// # Errors
/// When the card that was compiled in is no card.
pub fn card() -> Result<Card> {
    Card::from_json(SHIPPED_CARD, Path::new("card.json"))
}

bertillon::register_models!("zoo", Zoo);
