//! Variant generators: what a thief does to a stolen model.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{LabelledImages, Model, Result, Stream};

/// What a kind of variant acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The image before the network.
    Input,
    /// The weights, without training.
    Weights,
    /// The weights, by training.
    Training,
    /// The answer after the network.
    Output,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Weights => "weights",
            Self::Training => "training",
            Self::Output => "output",
        })
    }
}

/// A kind of variant with its detail and parameter: `prune/conv/0.2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variation {
    /// `prune`.
    pub kind: String,
    /// `conv`, where a kind has several forms that reports keep apart.
    pub detail: Option<String>,
    /// `0.2`, where it has a strength.
    pub parameter: Option<String>,
    /// What it acts on.
    pub group: Group,
}

impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for part in [&self.detail, &self.parameter].into_iter().flatten() {
            write!(f, "/{part}")?;
        }
        Ok(())
    }
}

/// What a thief has beside the stolen model.
#[derive(Debug)]
pub struct Workbench {
    /// Labelled images of his own, disjoint from the pool.
    pub images: LabelledImages,
    /// Where to compute.
    pub device: Device,
    /// The randomness of this variant: the same for the same suite, seed and variation.
    pub stream: Stream,
}

/// A variant and what was done to make it.
pub struct Derived {
    /// The variant, as a white box of its own.
    pub model: Box<dyn Model>,
    /// What was done.
    pub changes: Changes,
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// What a generator did, for the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Names of the tensors changed.
    pub tensors: Vec<String>,
    /// Share of all weights that are zero where they were not.
    pub zeroed: Option<f64>,
    /// In words: `zeroed 20.0 % of 3 convolutions`.
    pub summary: String,
    /// Set when nothing was changed (no convolution to prune): such a model must not pass for a variant.
    pub unchanged: bool,
}

/// Rough cost of a variant, for the order of work and the estimate of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Forward passes of the vanilla that one answer takes.
    pub forwards_per_answer: f64,
    /// Forward passes of the vanilla that deriving takes (a training step counts as three).
    pub forwards_to_derive: f64,
}

impl Default for Cost {
    fn default() -> Self {
        Self { forwards_per_answer: 1.0, forwards_to_derive: 0.0 }
    }
}

/// One point of a grid of variants; its parameters are its fields.
///
/// The model handed to [`derive`](Self::derive) is a copy of its own, so it may be edited in place.
pub trait VariantGenerator: Send + Sync {
    /// Kind, detail, parameter and group, from the parameters alone.
    fn variation(&self) -> Variation;

    /// Rough cost with `images` images to fine-tune with.
    fn cost(&self, images: usize) -> Cost {
        let _ = images;
        Cost::default()
    }

    /// Recipes of what it is made of beside its own source, for cache keys; none for one that does all itself.
    fn ingredients(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes the variant.
    ///
    /// # Errors
    /// When the model can't be treated so; a model on which there is nothing to do is no error but
    /// [`Changes::unchanged`].
    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived>;
}
