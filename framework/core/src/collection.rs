//! Where images and vanillas come from.

use std::{path::Path, sync::Arc};

use tch::Device;

use crate::{Answers, Error, ImageShape, Images, Model, Pool, Preprocessing, Result, Variation};

/// Images with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    /// The images.
    pub images: Images,
    /// One label an image.
    pub labels: Arc<[u16]>,
}

impl LabelledImages {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The images of a run: what owners ask, and what thieves fine-tune with; disjoint.
#[derive(Debug, Clone)]
pub struct Split {
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// The pool of benign queries.
    pub pool: Pool,
    /// The thief's images; none where only answers were recorded.
    pub thief: Option<LabelledImages>,
    /// Digest of the files that all of it was read from, and of the rule of the split.
    pub digest: String,
    /// What was left out, and why; each a sentence.
    pub left_out: Vec<String>,
}

/// What a run asks of a source of images.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageRequest<'a> {
    /// Images that owners may ask; none: the source's own number.
    pub pool: Option<usize>,
    /// A folder in which a faster copy may be kept from run to run; none: nowhere.
    pub scratch: Option<&'a Path>,
    /// Whether files that can't be decoded are left out, and named in [`Split::left_out`]; else they are an error.
    pub skip_bad_images: bool,
}

impl ImageRequest<'_> {
    /// Asks for `pool` images, and for nothing else.
    pub fn of(pool: Option<usize>) -> Self {
        Self { pool, ..Self::default() }
    }
}

/// A source of labelled images.
pub trait ImageSource: Send + Sync {
    /// Reads the images and splits them by a fixed rule.
    ///
    /// # Errors
    /// When files are missing or broken, or more are asked than there are.
    fn load(&self, request: &ImageRequest<'_>) -> Result<Split>;
}

/// What is known of a vanilla before it is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Vanilla {
    /// Unique name.
    pub name: String,
    /// Ancestry group: siblings by seed, or by shared weights, have the same.
    pub ancestry: String,
    /// Digest of its weights.
    pub digest: String,
    /// Images its network takes; none where only its answers were recorded.
    pub input: Option<ImageShape>,
    /// Number of classes.
    pub classes: usize,
    /// What its service does to images of another size; none: it takes those of its network only.
    pub preprocessing: Option<Preprocessing>,
    /// Accuracy that whoever provides it claims, in `[0, 1]`; a run checks it before anything else.
    pub accuracy: Option<f64>,
}

/// Answers that a model gave once, kept in place of the model.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its vanilla: an index into [`ModelCollection::vanillas`].
    pub family: usize,
    /// How it was derived; none for the vanilla itself.
    pub variation: Option<Variation>,
    /// Its answers on the images, as many ranks for every model of the collection.
    pub answers: Answers,
}

/// A collection of vanillas.
pub trait ModelCollection: Send + Sync {
    /// All of them, in a fixed order.
    fn vanillas(&self) -> &[Vanilla];

    /// Loads one by its index in [`vanillas`](Self::vanillas), its weights on `device`.
    ///
    /// # Errors
    /// When its file is missing, truncated or not what the collection says, or only answers were recorded.
    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>>;

    /// A vanilla with its images prepared in other ways that people take for the right one, each with what it is called:
    /// a run compares them where it doubts that the model is used rightly.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn mistaken(&self, index: usize, device: Device) -> Result<Vec<(String, Box<dyn Model>)>> {
        let _ = (index, device);
        Ok(Vec::new())
    }

    /// What the network of a vanilla takes in place of an image's samples in `[0, 1]`: `scale x + offset`, a number for all
    /// channels or one each, for networks that are exported like it. None where that is not known.
    fn normalisation(&self, index: usize) -> Option<[Vec<f64>; 2]> {
        let _ = index;
        None
    }

    /// Recipes of what its models compute with beside its own source, for cache keys; none for one that does all itself.
    fn ingredients(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads what was recorded in place of models: each vanilla once, then its variants, in a fixed order; none for a
    /// collection whose models can be asked. `scratch` is a folder in which a faster copy may be kept from run to run.
    ///
    /// # Errors
    /// When a file is missing, broken or at odds with the others.
    fn recorded(&self, scratch: &Path) -> Result<Option<Vec<Recorded>>> {
        let _ = scratch;
        Ok(None)
    }
}

impl dyn ModelCollection + '_ {
    /// Index of the vanilla `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.vanillas()
            .iter()
            .position(|vanilla| vanilla.name == name)
            .ok_or_else(|| Error::Refused(format!("no model `{name}` in this collection")))
    }
}
