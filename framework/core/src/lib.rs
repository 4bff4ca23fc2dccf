//! All that a plugin author depends on: models, the plugin traits and their registry.
//!
//! A plugin is one file: parameters, one trait, one registration line, its tests.
//!
//! - [`VariantGenerator`]: what a thief does to a stolen model.
//! - [`InputSelector`]: which images of the pool an owner asks.
//! - [`FingerprintMethod`]: how an owner enrols her model and judges a suspect.
//! - [`ImageSource`] and [`ModelCollection`]: where images and vanillas come from.
//!
//! `bertillon_measure` is re-exported: answers, statistics, streams and result types.

mod answering;
mod collection;
mod error;
pub mod guard;
mod images;
pub mod library;
mod method;
mod model;
mod owner;
pub mod registry;
mod selector;
mod service;
pub mod testkit;
mod variant;

/// Digest of this crate's source, for cache keys.
pub const SOURCE_DIGEST: &str = env!("BERTILLON_CORE_DIGEST");

pub use answering::{Batches, GpuTally, NEAR_TIE, answer, chunk, cpu_capability, labels};
pub use bertillon_measure::*;
pub use collection::{
    ImageRequest, ImageSource, LabelledImages, ModelCollection, Recorded, Split, Vanilla,
};
pub use error::{Error, Result};
pub use images::{ImageShape, Images};
#[doc(hidden)]
pub use inventory;
pub use method::{Fingerprint, FingerprintMethod, Knowledge, Needs, Oracle, Queries};
pub use model::{Mode, Model, Parameter, Role};
pub use owner::{Memory, Owner, Peer, Pool, Rehearsal, Rightly};
pub use registry::{Configure, Entry};
pub use selector::InputSelector;
pub use service::{Interpolation, MAX_SIDE, Preprocessing, Resize, Service};
pub use variant::{Changes, Cost, Derived, Group, VariantGenerator, Variation, Workbench};
