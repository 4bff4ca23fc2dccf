//! Networks of your own: TorchScript files that PyTorch exported, with a manifest that says how each is used.
//!
//! A `.pt` file says neither which images its network takes nor how they are prepared; a manifest in TOML does:
//!
//! ```toml
//! [[model]]
//! name = "efficientnet-lite0"
//! file = "efficientnet_lite0.pt"
//! input = [3, 224, 224]
//! classes = 1000
//! resize = 256
//! mean = [0.485, 0.456, 0.406]
//! std = [0.229, 0.224, 0.225]
//! ```
//!
//! Every key is in docs/MODELS.md, with the way to export a model of PyTorch, torchvision or timm. `[defaults]` holds
//! keys for all models that don't have them. An image of the pool goes through `resize`, a cut of its centre, 8 bits, the
//! transforms of a variant, and the affine map of `mean` and `std` or `scale` and `offset`, to the network.

mod manifest;
mod preparation;
mod reading;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use bertillon::{Configure, Error, Model, ModelCollection, Result, Vanilla, suite, untrusted};
use bertillon_torchscript::{ColourOrder, Interface, Outputs, TorchScriptModel};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tch::Device;

use manifest::{Manifest, ManifestModel};

/// Parameters of [`TorchScript`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// File in TOML that says what each model is and takes. It must be given.
    #[schemars(extend("format" = "path"))]
    pub manifest: PathBuf,
    /// Folder of the `.pt` files. Default: the `path` of `[data]` where it has one, else the manifest's folder.
    #[schemars(extend("format" = "path", "inherits" = "data"))]
    pub path: Option<PathBuf>,
    /// Names of the models to take, in the manifest's order; all of them where it is left out.
    pub names: Vec<String>,
}

/// Largest file of a network that is read, in bytes.
const LARGEST: u64 = 64 << 30;

/// TorchScript files with their manifest.
#[derive(Debug)]
pub struct TorchScript {
    vanillas: Vec<Vanilla>,
    networks: Vec<Network>,
}

/// A file, and how it is used.
#[derive(Debug)]
struct Network {
    path: PathBuf,
    /// Of the bytes of the file when the collection was made.
    digest: blake3::Hash,
    interface: Interface,
}

impl Configure for TorchScript {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        let Parameters { manifest: path, path: folder, names } = parameters;
        if path.as_os_str().is_empty() {
            let problem = "name the manifest, a file in TOML (docs/MODELS.md)";
            return Err(Error::parameter("manifest", "\"\"", problem));
        }
        let Manifest { models } = Manifest::read(&path)?;
        let models = chosen(models, &names)?;
        let folder = folder.unwrap_or_else(|| path.parent().unwrap_or(Path::new("")).to_owned());
        let read = |model| Network::find(model, &folder);
        let found: Vec<Result<_, Failure>> = models.into_par_iter().map(read).collect();
        let mut failures = Vec::new();
        let mut collection = Self { vanillas: Vec::new(), networks: Vec::new() };
        for found in found {
            match found {
                Ok((vanilla, network)) => {
                    collection.vanillas.push(vanilla);
                    collection.networks.push(network);
                }
                Err(failure) => failures.push(failure),
            }
        }
        match failures.is_empty() {
            true => Ok(collection),
            false => Err(Failure::all(failures)),
        }
    }
}

impl ModelCollection for TorchScript {
    fn vanillas(&self) -> &[Vanilla] {
        &self.vanillas
    }

    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.network(index)?.open(device)?))
    }

    fn mistaken(&self, index: usize, device: Device) -> Result<Vec<(String, Box<dyn Model>)>> {
        let network = self.network(index)?;
        let model = network.open(device)?;
        preparation::mistaken(&network.interface)
            .into_iter()
            .map(|(way, normalisation, colours)| {
                Ok((way, Box::new(model.prepared(normalisation, colours)?) as Box<dyn Model>))
            })
            .collect()
    }

    fn normalisation(&self, index: usize) -> Option<[Vec<f64>; 2]> {
        let Interface { normalisation, colours, outputs, .. } =
            &self.networks.get(index)?.interface;
        // Only where it is all that there is to know of how such a network is used.
        let usual = *colours == ColourOrder::Rgb && *outputs == Outputs::Logits;
        usual.then(|| [normalisation.scale.clone(), normalisation.offset.clone()])
    }

    fn ingredients(&self) -> Vec<String> {
        vec![bertillon_torchscript::SOURCE_DIGEST.to_owned()]
    }
}

bertillon::register_models!("torchscript", TorchScript);

impl TorchScript {
    fn network(&self, index: usize) -> Result<&Network> {
        let refused = || Error::Refused(format!("no model {index} in this manifest"));
        self.networks.get(index).ok_or_else(refused)
    }
}

/// A file that can't be used, with the reason.
struct Failure(PathBuf, String);

impl Failure {
    /// All of them as one error, under the first one's file.
    fn all(failures: Vec<Self>) -> Error {
        let mut failures = failures.into_iter();
        let Self(path, mut problem) =
            failures.next().unwrap_or(Self(PathBuf::new(), String::new()));
        for Self(path, other) in failures {
            problem.push_str(&format!("\n{}: {other}", path.display()));
        }
        Error::file(path, problem)
    }
}

impl Network {
    /// Finds the file of a model and checks it against its digest.
    fn find(model: ManifestModel, folder: &Path) -> Result<(Vanilla, Self), Failure> {
        let path = folder.join(&model.file);
        let bytes = untrusted::read(&path, LARGEST).map_err(|error| {
            let problem = format!(
                "the file of `{}` can't be read: {error}; put it there, set `path` in [models] to its folder, or leave \
                 the model out by `names`",
                model.name
            );
            Failure(path.clone(), problem)
        })?;
        let digest = blake3::hash(&bytes);
        if let Some(expected) = &model.digest {
            let sha256 = format!("{:x}", Sha256::digest(&bytes));
            if *expected != sha256 && *expected != digest.to_hex().as_str() {
                let problem = format!(
                    "it is not what the manifest's `digest` of `{}` names: its SHA-256 is {sha256}, its BLAKE3 {digest}; \
                     fetch the right file, or correct the digest if this is the right one",
                    model.name
                );
                return Err(Failure(path, problem));
            }
        }
        let interface = model.interface;
        let vanilla = Vanilla {
            name: model.name,
            ancestry: model.ancestry,
            digest: preparation::digest(&digest, &interface, &model.preprocessing),
            input: Some(interface.input),
            classes: interface.classes,
            preprocessing: Some(model.preprocessing),
            accuracy: model.accuracy,
        };
        Ok((vanilla, Self { path, digest, interface }))
    }

    fn open(&self, device: Device) -> Result<TorchScriptModel> {
        let bytes = untrusted::read(&self.path, LARGEST)
            .map_err(|error| Error::file(&self.path, format!("can't be read: {error}")))?;
        if blake3::hash(&bytes) != self.digest {
            let problem =
                "it changed since the run started; wait until it is written, and run again";
            return Err(Error::file(&self.path, problem));
        }
        TorchScriptModel::from_bytes(&bytes, &self.path, self.interface.clone(), device)
    }
}

/// The models called `names`, in the manifest's order; all of them where there is no name.
fn chosen(models: Vec<ManifestModel>, names: &[String]) -> Result<Vec<ManifestModel>> {
    let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            let advice = suite::suggestion(name, &known).unwrap_or_default();
            let problem = format!("no model of the manifest; {advice}");
            return Err(Error::parameter("names", name, problem));
        }
    }
    let wanted = |model: &ManifestModel| names.is_empty() || names.contains(&model.name);
    Ok(models.into_iter().filter(wanted).collect())
}
