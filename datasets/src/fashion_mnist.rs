//! Fashion-MNIST's test split: 10,000 grey images of clothes, 28 by 28, in ten classes.
//!
//! Xiao, Rasul and Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms*,
//! 2017, <https://arxiv.org/abs/1708.07747>. The files are compiled in; `path` reads others in their stead.
//!
//! A fixed shuffle, the same whatever a suite's seed, halves the images: the first half holds the candidates of the
//! pool, the second is the thief's. A pool of `n` is the first `n` candidates, so a smaller one is a prefix.

use std::path::{Path, PathBuf};

use bertillon::{
    Configure, Error, ImageRequest, ImageSource, Images, LabelledImages, Pool, Result, Split,
    Stream,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::idx::{Idx, labelled};

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

const SHIPPED_IMAGES: &[u8] = include_bytes!("../data/fashion-mnist/t10k-images-idx3-ubyte.gz");
const SHIPPED_LABELS: &[u8] = include_bytes!("../data/fashion-mnist/t10k-labels-idx1-ubyte.gz");

/// Names of the classes, in the order of the labels.
const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Images in the pool unless a suite says otherwise.
const POOL: usize = 2_000;

/// Seed and name of the shuffle that splits; a change of the rule changes the name, and so every digest.
const RULE: (u64, &str) = (1708, "fashion-mnist split 1: halves");

/// Parameters of [`FashionMnist`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Folder with `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, as they are or with `.gz`; the files
    /// that ship with bertillon where it is left out.
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
}

/// Fashion-MNIST's test split.
#[derive(Debug)]
pub struct FashionMnist {
    parameters: Parameters,
}

impl Configure for FashionMnist {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        Ok(Self { parameters })
    }
}

impl ImageSource for FashionMnist {
    fn load(&self, request: &ImageRequest<'_>) -> Result<Split> {
        let (images, labels) = match &self.parameters.path {
            None => shipped_files()?,
            Some(folder) => {
                (Idx::read(&find(folder, IMAGES)?)?, Idx::read(&find(folder, LABELS)?)?)
            }
        };
        let digest = digest(&images, &labels);
        split(&labelled(images, labels, CLASSES.len())?, request.pool, digest)
    }
}

/// All images of the split that ships, in the order of its files.
pub(crate) fn shipped() -> Result<LabelledImages> {
    let (images, labels) = shipped_files()?;
    labelled(images, labels, CLASSES.len())
}

/// The file `stem` of a folder, as it is or compressed.
pub(crate) fn find(folder: &Path, stem: &str) -> Result<PathBuf> {
    let candidates = [folder.join(stem), folder.join(format!("{stem}.gz"))];
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::file(folder, format!("neither `{stem}` nor `{stem}.gz` is in it; put one there"))
    })
}

fn shipped_files() -> Result<(Idx, Idx)> {
    let name = |stem| PathBuf::from(format!("{stem}.gz"));
    Ok((
        Idx::from_bytes(SHIPPED_IMAGES, &name(IMAGES))?,
        Idx::from_bytes(SHIPPED_LABELS, &name(LABELS))?,
    ))
}

/// Digest of the elements, so that compressing a file changes nothing, and of the rule.
fn digest(images: &Idx, labels: &Idx) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in [images, labels] {
        hasher.update(format!("{:?} {:?}", file.kind, file.shape).as_bytes());
        hasher.update(&file.data);
    }
    hasher.update(RULE.1.as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn split(all: &LabelledImages, pool: Option<usize>, digest: String) -> Result<Split> {
    let order = Stream::named(RULE.0, [RULE.1]).sample_indices(all.len(), all.len());
    let (candidates, thief) = order.split_at(order.len() / 2);
    let wanted = pool.unwrap_or(POOL.min(candidates.len()));
    if wanted == 0 || wanted > candidates.len() {
        let problem = format!(
            "a pool of this source has 1 to {} images; the other {} are the thief's",
            candidates.len(),
            thief.len()
        );
        return Err(Error::parameter("pool", wanted, problem));
    }
    let pool = gather(all, &candidates[..wanted]);
    Ok(Split {
        classes: CLASSES.map(str::to_owned).to_vec(),
        pool: Pool { images: Some(pool.images), truth: pool.labels, classes: CLASSES.len() },
        thief: Some(gather(all, thief)),
        digest,
        left_out: Vec::new(),
    })
}

fn gather(all: &LabelledImages, indices: &[u32]) -> LabelledImages {
    let images: Images = all.images.gather(indices);
    let labels = indices.iter().map(|&i| all.labels[i as usize]).collect();
    LabelledImages { images, labels }
}

bertillon::register_images!("fashion-mnist", FashionMnist);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(pool: Option<usize>) -> Result<Split> {
        FashionMnist { parameters: Parameters::default() }.load(&ImageRequest::of(pool))
    }

    #[test]
    fn the_shipped_files_are_the_published_ones() {
        let all = shipped().unwrap();
        assert_eq!((all.len(), all.images.len()), (10_000, 10_000));
        // The test split's first labels, as its authors published them, and its balance.
        assert_eq!(all.labels[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
        for class in 0..10 {
            assert_eq!(all.labels.iter().filter(|&&label| label == class).count(), 1000);
        }
    }

    #[test]
    fn pool_and_thief_share_no_image_and_leave_none_out() {
        let split = load(Some(5_000)).unwrap();
        let all = shipped().unwrap();
        let items = |images: &Images, labels: &[u16]| -> Vec<(Vec<u8>, u16)> {
            labels.iter().enumerate().map(|(i, &label)| (images.image(i).to_vec(), label)).collect()
        };
        let (pool, thief) = (split.pool, split.thief.unwrap());
        let mut halves = items(&pool.images.unwrap(), &pool.truth);
        halves.extend(items(&thief.images, &thief.labels));
        let mut expected = items(&all.images, &all.labels);
        halves.sort();
        expected.sort();
        assert!(halves == expected);
        assert_eq!((pool.truth.len(), thief.len()), (5_000, 5_000));
    }

    #[test]
    fn a_smaller_pool_is_a_prefix_and_two_thousand_the_default() {
        let (small, large) = (load(Some(300)).unwrap(), load(None).unwrap());
        assert_eq!(large.pool.len(), 2_000);
        assert_eq!(small.pool.truth[..], large.pool.truth[..300]);
        assert_eq!(small.thief, large.thief);
        assert_eq!(small.digest, large.digest);
    }

    #[test]
    fn the_rule_of_the_split_stays_what_it_was() {
        let labels = load(Some(8)).unwrap().pool.truth;
        assert_eq!(labels[..], [5, 8, 0, 2, 7, 9, 5, 9]);
    }

    #[test]
    fn a_pool_beyond_the_candidates_is_refused_with_the_maximum() {
        for pool in [0, 5_001] {
            let error = load(Some(pool)).unwrap_err().to_string();
            assert!(error.contains("1 to 5000 images"), "{error}");
        }
    }

    #[test]
    fn other_files_are_read_and_missing_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let parameters = Parameters { path: Some(folder.path().to_owned()) };
        let source = FashionMnist::configure(parameters).unwrap();
        let error = source.load(&ImageRequest::default()).unwrap_err().to_string();
        assert!(error.contains("neither `t10k-images-idx3-ubyte` nor"), "{error}");
        fs::write(folder.path().join(format!("{IMAGES}.gz")), SHIPPED_IMAGES).unwrap();
        fs::write(folder.path().join(format!("{LABELS}.gz")), &SHIPPED_LABELS[..900]).unwrap();
        let error = source.load(&ImageRequest::default()).unwrap_err().to_string();
        assert!(error.contains("t10k-labels-idx1-ubyte.gz"), "{error}");
        fs::write(folder.path().join(format!("{LABELS}.gz")), SHIPPED_LABELS).unwrap();
        assert_eq!(
            source.load(&ImageRequest::default()).unwrap().digest,
            load(None).unwrap().digest
        );
    }
}
