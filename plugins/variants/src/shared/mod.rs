//! What several generators need.

pub(crate) mod classifier;
pub(crate) mod input_transform;
pub(crate) mod training;
