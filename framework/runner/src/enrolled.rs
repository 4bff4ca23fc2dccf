//! An enrolled fingerprint as one file: the queries themselves, the answers of the owner's model, the threshold, and
//! what stands behind it. Neither suite nor pool is needed to put it to a suspect.
//!
//! A file of safetensors, so that Python opens it: `queries` (u8 `[L, C, H, W]`, where there are images), `reference` (u16
//! `[L, ranks]`), `truth`, `pool` (indices of the benign queries, which come first), `state`; the rest is JSON under the one
//! key `bertillon` of its metadata. `blake3` seals all of it against damage; it is no signature.

use std::{collections::HashMap, path::Path};

use bertillon::{Fingerprint, ImageShape, Images, Preprocessing, untrusted};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::{
    RunError,
    files::write_whole,
    tensors::{self, Named, Notes},
};

/// Version of the format; a change of meaning raises it.
pub(crate) const FORMAT: u32 = 1;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 << 30;

/// Key of the metadata.
const CARD: &str = "bertillon";

/// Name of the tensor that seals the others.
const SEAL: &str = "blake3";

/// A fingerprint at work: what to ask a suspect, and how to judge its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    /// What is known of it.
    pub card: Card,
    /// Queries, the answers of the owner's model, and what else judging needs.
    pub fingerprint: Fingerprint,
    /// Every query in the order in which it is asked; none where only answers were recorded.
    pub queries: Option<Images>,
}

/// What is known of an enrolled fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of the format, [`FORMAT`] when it is written.
    pub(crate) format: u32,
    /// Version of bertillon that wrote it.
    pub bertillon: String,
    /// Version of libtorch that answered.
    pub libtorch: String,
    /// Class of the device and of its vectors: on another one, an answer in many thousands may differ.
    pub device: String,
    /// The suite it comes from.
    pub suite: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Which draw of the queries.
    pub draw: usize,
    /// Digest of the images, or of their labels.
    pub data: String,
    /// Images in the pool.
    pub pool: usize,
    /// Number of classes.
    pub classes: usize,
    /// Name of the fingerprint in the suite.
    pub fingerprint: String,
    /// Queries that may be spent on a suspect.
    pub budget: usize,
    /// Labels that a suspect must reveal for a query, best first.
    pub ranks: usize,
    /// How answers become a distance.
    pub method: MethodCard,
    /// Whose model it is.
    pub owner: OwnerCard,
    /// What is accepted.
    pub threshold: ThresholdCard,
    /// The owner's variants that were kept and not rehearsed.
    pub own: Vec<Judged>,
}

/// A method with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodCard {
    /// Its plugin.
    pub plugin: String,
    /// Digest of the plugin's source, and of what it is made of.
    pub source: String,
    /// Its parameters, as JSON.
    pub parameters: String,
}

/// An owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerCard {
    /// Name of her vanilla.
    pub name: String,
    /// Its ancestry group.
    pub ancestry: String,
    /// Digest of its weights.
    pub digest: String,
    /// Channels, height and width that its network takes; none where only answers were recorded.
    pub input: Option<[usize; 3]>,
    /// What its service does to images of another size.
    pub preprocessing: Option<Preprocessing>,
    /// What its network takes in place of samples in `[0, 1]`: factors and summands, channel by channel; none where that is
    /// not known.
    pub normalisation: Option<[Vec<f64>; 2]>,
}

/// A threshold, and the strangers behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdCard {
    /// What is nearer is accepted; null: any finite distance.
    #[serde(with = "infinite")]
    pub distance: f64,
    /// Whether it was stated for p-values instead of found among strangers.
    pub nominal: bool,
    /// Share of strangers that it may let pass.
    pub false_positive_rate: f64,
    /// Distances of the models of other families that were kept, ascending; null: can't be told.
    #[serde(with = "infinite_list")]
    pub strangers: Vec<f64>,
    /// Strangers that it accepts.
    pub accepted: usize,
    /// Strangers accepted when those of their own ancestry had no part in the threshold.
    pub accepted_left_out: Option<usize>,
    /// Names of the families that the strangers come from.
    pub families: Vec<String>,
    /// What to know before trusting it.
    pub warnings: Vec<String>,
}

/// A model and its distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// Its distance; null: can't be told.
    #[serde(with = "infinite")]
    pub distance: f64,
}

impl ThresholdCard {
    /// Share of the strangers that it accepts.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.strangers.len().max(1) as f64
    }

    /// Whether a distance is accepted.
    pub fn accepts(&self, distance: f64) -> bool {
        distance < self.distance
    }
}

impl Card {
    /// The owner's variants that the threshold accepts.
    pub fn own_accepted(&self) -> usize {
        self.own.iter().filter(|model| self.threshold.accepts(model.distance)).count()
    }
}

impl Enrolled {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, is no such file or of another version, or was damaged.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let problem = |problem: String| RunError::File { path: path.to_owned(), problem };
        let bytes = untrusted::read(path, LARGEST)
            .map_err(|error| problem(format!("can't be read ({error})")))?;
        Self::from_bytes(&bytes).map_err(problem)
    }

    /// Writes a file that is whole or not there.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), RunError> {
        write_whole(path, &self.to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let card = serde_json::to_string(&Stored {
            card: self.card.clone(),
            notes: Notes::of(&self.fingerprint),
        })
        .expect("plain data serialises");
        let mut named: Vec<Named> = tensors::of(&self.fingerprint).into();
        if let Some(images) = &self.queries {
            // The crafted ones are among them.
            named.retain(|tensor| tensor.name != "crafted");
            named.push(tensors::images("queries", images));
        }
        write_sealed(&card, named)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let damaged = |problem: String| {
            format!(
                "it is damaged, cut short, or no enrolled fingerprint ({problem}); copy it again"
            )
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let card = header.metadata().as_ref().and_then(|metadata| metadata.get(CARD));
        let card = card.ok_or(
            "it holds tensors, but no enrolled fingerprint; `bertillon enroll` writes those",
        )?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_str(card).map_err(|e| damaged(e.to_string()))?;
        if version.format != FORMAT {
            return Err(format!(
                "it has version {} of the format, this bertillon reads {FORMAT}; enrol again, or use the other bertillon",
                version.format
            ));
        }
        check_seal(card, &file, bytes).map_err(damaged)?;
        let stored: Stored = serde_json::from_str(card).map_err(|e| damaged(e.to_string()))?;
        let enrolled = Self::assemble(stored, &file).map_err(damaged)?;
        enrolled.check().map_err(damaged)?;
        Ok(enrolled)
    }

    fn assemble(stored: Stored, file: &SafeTensors<'_>) -> Result<Self, String> {
        let Stored { card, notes } = stored;
        let Ok(queries) = file.tensor("queries") else {
            let fingerprint = tensors::fingerprint(file, notes, |_| None)?;
            return Ok(Self { card, fingerprint, queries: None });
        };
        let &[count, channels, height, width] = queries.shape() else {
            return Err("its queries are no images".to_owned());
        };
        let shape = ImageShape { channels, height, width };
        let images =
            Images::new(queries.data().to_vec(), shape).map_err(|error| error.to_string())?;
        if queries.dtype() != Dtype::U8 || images.len() != count {
            return Err("its queries are no 8-bit images".to_owned());
        }
        let fingerprint = tensors::fingerprint(file, notes, |benign| {
            queries.data().get(benign.checked_mul(shape.samples())?..).map(<[u8]>::to_vec)
        })?;
        Ok(Self { card, fingerprint, queries: Some(images) })
    }

    /// Whether its parts fit: a seal says that they are as they were written, not who wrote them.
    fn check(&self) -> Result<(), String> {
        let Fingerprint { queries, reference, truth, .. } = &self.fingerprint;
        let count = queries.len();
        let is_class = |&label: &u16| usize::from(label) < self.card.classes;
        let fits = count > 0
            && count <= self.card.budget
            && reference.len() == count
            && reference.ranks() == self.card.ranks
            && truth.as_ref().is_none_or(|truth| truth.len() == count)
            && self.queries.as_ref().is_none_or(|images| images.len() == count)
            && queries.crafted.as_ref().is_none_or(|crafted| {
                self.queries.as_ref().is_some_and(|images| images.shape() == crafted.shape())
            })
            && reference.as_slice().iter().all(is_class)
            && truth.iter().flatten().all(is_class)
            && queries.pool.iter().all(|&index| (index as usize) < self.card.pool);
        if fits { Ok(()) } else { Err("its parts don't fit together".to_owned()) }
    }
}

/// The JSON of a file.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    card: Card,
    /// What belongs to the tensors.
    notes: Notes,
}

fn write_sealed(card: &str, mut named: Vec<Named>) -> Vec<u8> {
    named.sort_by_key(|tensor| tensor.name);
    let parts = named.iter().map(|t| (t.name, format!("{:?}", t.dtype), &*t.shape, &*t.data));
    let seal = seal(card, parts).as_bytes().to_vec();
    named.push(Named { name: SEAL, dtype: Dtype::U8, shape: vec![seal.len()], data: seal });
    let metadata = HashMap::from([(CARD.to_owned(), card.to_owned())]);
    safetensors::serialize(named.iter().map(Named::view), Some(metadata))
        .expect("writing to memory")
}

/// Refuses a file of which any bit is another than was written.
fn check_seal(card: &str, file: &SafeTensors<'_>, bytes: &[u8]) -> Result<(), String> {
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let parts = tensors.iter().filter(|(name, _)| name != SEAL);
    let parts = parts.map(|(name, t)| (&**name, format!("{:?}", t.dtype()), t.shape(), t.data()));
    let stored = file.tensor(SEAL).map_err(|error| error.to_string())?;
    if stored.data() != seal(card, parts).as_bytes() {
        return Err("its digest differs".to_owned());
    }
    // What the seal does not cover is how the header is written, and there is one way to write it.
    let metadata = HashMap::from([(CARD.to_owned(), card.to_owned())]);
    let again = safetensors::serialize(tensors, Some(metadata)).map_err(|e| e.to_string())?;
    if again == bytes { Ok(()) } else { Err("its header differs".to_owned()) }
}

fn seal<'a>(
    card: &str,
    tensors: impl Iterator<Item = (&'a str, String, &'a [usize], &'a [u8])>,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("bertillon 2026 enrolled fingerprint");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(card.as_bytes());
    for (name, dtype, shape, data) in tensors {
        part(name.as_bytes());
        part(dtype.as_bytes());
        part(&shape.iter().flat_map(|&size| (size as u64).to_le_bytes()).collect::<Vec<u8>>());
        part(data);
    }
    hasher.finalize()
}

/// JSON knows no infinity: null stands for it.
mod infinite {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        Some(value).filter(|value| value.is_finite()).serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
    }
}

/// The same for lists.
mod infinite_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        let values: Vec<Option<f64>> =
            values.iter().map(|&value| Some(value).filter(|value| value.is_finite())).collect();
        values.serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(from)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::INFINITY)).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bertillon::{Answers, ImageShape, Queries};

    use super::*;

    /// Two benign queries and a crafted one.
    pub(crate) fn enrolled() -> Enrolled {
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        let crafted = Images::new(vec![9, 10, 11, 12], shape).unwrap();
        Enrolled {
            card: Card {
                format: FORMAT,
                bertillon: "0.1.0".into(),
                libtorch: "2.11.0".into(),
                device: "cpu avx2".into(),
                suite: "demo".into(),
                seed: 7,
                draw: 0,
                data: "digest".into(),
                pool: 9,
                classes: 10,
                fingerprint: "FBI".into(),
                budget: 3,
                ranks: 1,
                method: MethodCard {
                    plugin: "fbi".into(),
                    source: "source".into(),
                    parameters: "{}".into(),
                },
                owner: OwnerCard {
                    name: "lenet-a".into(),
                    ancestry: "lenet".into(),
                    digest: "weights".into(),
                    input: Some([1, 2, 2]),
                    preprocessing: Some(Preprocessing::stretched(shape)),
                    normalisation: Some([vec![0.1 + 0.2], vec![-1.0 / 3.0]]),
                },
                threshold: ThresholdCard {
                    distance: 0.1 + 0.2,
                    nominal: false,
                    false_positive_rate: 0.05,
                    strangers: vec![0.30000000000000004, f64::INFINITY],
                    accepted: 0,
                    accepted_left_out: Some(1),
                    families: vec!["mlp-a".into()],
                    warnings: Vec::new(),
                },
                own: vec![Judged { name: "half of lenet-a".into(), distance: f64::INFINITY }],
            },
            fingerprint: Fingerprint {
                queries: Queries { pool: vec![3, 8], crafted: Some(crafted) },
                reference: Answers::top1(vec![1, 2, 3]),
                truth: Some(vec![7, 8, 9]),
                state: vec![0.1, f64::INFINITY],
                notes: vec![("converged".into(), 0.99)],
            },
            queries: Some(Images::new((1..=12).collect::<Vec<u8>>(), shape).unwrap()),
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was_and_is_always_the_same() {
        let enrolled = enrolled();
        let bytes = enrolled.to_bytes();
        assert_eq!(Enrolled::from_bytes(&bytes).unwrap(), enrolled);
        assert!((0..8).all(|_| enrolled.to_bytes() == bytes));
        let mut recorded = enrolled;
        recorded.queries = None;
        recorded.fingerprint.queries = Queries::benign(vec![3, 8, 0]);
        assert_eq!(Enrolled::from_bytes(&recorded.to_bytes()).unwrap(), recorded);
    }

    #[test]
    fn any_flipped_bit_or_cut_is_noticed() {
        let bytes = enrolled().to_bytes();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                assert!(Enrolled::from_bytes(&damaged).is_err(), "bit {bit} of byte {position}");
            }
            assert!(Enrolled::from_bytes(&bytes[..position]).is_err(), "cut at {position}");
        }
        assert!(Enrolled::from_bytes(&[&bytes[..], b"more"].concat()).is_err());
    }

    #[test]
    fn another_file_and_another_version_are_told_from_damage() {
        let error = |bytes: &[u8]| Enrolled::from_bytes(bytes).unwrap_err();
        assert!(error(b"PK\x03\x04 a zip of weights").contains("no enrolled fingerprint"));
        let weights = Named { name: "w", dtype: Dtype::U8, shape: vec![1], data: vec![0] };
        let weights = safetensors::serialize([weights.view()], None).unwrap();
        assert!(error(&weights).contains("`bertillon enroll` writes those"));
        let mut later = enrolled();
        later.card.format = 2;
        assert!(error(&later.to_bytes()).contains("version 2 of the format"));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_whatever_the_seal_says() {
        let changes: [fn(&mut Enrolled); 7] = [
            |e| e.fingerprint.queries.pool[0] = 9,
            |e| e.fingerprint.reference = Answers::top1(vec![1, 2, 10]),
            |e| e.fingerprint.reference = Answers::top1(vec![1, 2]),
            |e| e.fingerprint.truth = Some(vec![1]),
            |e| e.card.budget = 2,
            |e| e.card.ranks = 2,
            |e| e.queries = e.queries.as_ref().map(|images| images.gather(&[0, 1])),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut forged = enrolled();
            change(&mut forged);
            assert!(Enrolled::from_bytes(&forged.to_bytes()).is_err(), "change {index}");
        }
    }
}
