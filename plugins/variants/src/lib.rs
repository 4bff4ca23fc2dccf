//! Variant generators: what a thief may do to a stolen classifier.
//!
//! One file a generator; what several need lies in `shared/`. A program that should know them says
//! `use bertillon_variants as _;`.

pub mod adversarial_finetune;
pub mod blur;
pub mod chain;
pub mod finetune;
pub mod half;
pub mod histogram;
pub mod jpeg;
pub mod posterize;
pub mod prune;
pub mod randomized_smoothing;
mod shared;
