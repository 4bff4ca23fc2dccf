//! Where images and vanillas come from.

use std::sync::Arc;

use tch::Device;

use crate::{Error, ImageShape, Images, Model, Result};

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
    pub pool: LabelledImages,
    /// The thief's images.
    pub thief: LabelledImages,
    /// Digest of the files that all of it was read from, and of the rule of the split.
    pub digest: String,
}

/// A source of labelled images.
pub trait ImageSource: Send + Sync {
    /// Reads the images and splits them by a fixed rule; `pool` is how many owners may ask (none: the source's
    /// own number).
    ///
    /// # Errors
    /// When files are missing or broken, or `pool` exceeds what there is.
    fn load(&self, pool: Option<usize>) -> Result<Split>;
}

/// What is known of a vanilla before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vanilla {
    /// Unique name.
    pub name: String,
    /// Ancestry group: siblings by seed, or by shared weights, have the same.
    pub ancestry: String,
    /// Digest of its weights.
    pub digest: String,
    /// Images it takes.
    pub input: ImageShape,
    /// Number of classes.
    pub classes: usize,
}

/// A collection of vanillas.
pub trait ModelCollection: Send + Sync {
    /// All of them, in a fixed order.
    fn vanillas(&self) -> &[Vanilla];

    /// Loads one by its index in [`vanillas`](Self::vanillas), its weights on `device`.
    ///
    /// # Errors
    /// When its file is missing, truncated or not what the collection says.
    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>>;
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
