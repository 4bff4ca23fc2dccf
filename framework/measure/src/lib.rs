//! Measuring fingerprints without any model at hand: answers, distances, evaluation, results.
//!
//! Nothing here links libtorch, so that reports, comparisons and scoring of recorded answers build in
//! seconds and run anywhere. `bertillon` (the plugin crate) re-exports all of it.

mod answers;
mod entropy;
mod error;
pub mod evaluation;
pub mod manifest;
pub mod npy;
pub mod results;
mod statistic;
mod stream;
pub mod suite;
mod suspects;

pub use answers::{Access, AnswerTable, Answers};
pub use entropy::{entropy_ranking, label_entropies};
pub use error::Error;
pub use statistic::{Statistic, mutual_information_distance};
pub use stream::Stream;
pub use suspects::Suspects;

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
