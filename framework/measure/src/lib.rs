//! Measuring fingerprints without any model at hand: answers, distances, evaluation, results.
//!
//! Nothing here links libtorch, so that reports, comparisons and scoring of recorded answers build in
//! seconds and run anywhere. `bertillon` (the plugin crate) re-exports all of it.

mod answers;
pub mod audit;
mod bits;
mod embedding;
mod entropy;
mod error;
pub mod evaluation;
mod histogram;
mod lanes;
pub mod manifest;
pub mod npy;
mod null;
mod provenance;
mod published;
pub mod results;
mod separation;
mod statistic;
mod stream;
pub mod suite;
mod suspects;
mod table;
pub mod tracking;
pub mod untrusted;

pub use answers::{Access, Answers};
pub use embedding::{Embedding, embed};
pub use entropy::{entropy_ranking, label_entropies};
pub use error::Error;
pub use histogram::{BINS, Histogram, PairClass, histograms};
pub use null::{ExactNull, exact_p_value, permutation_p_value};
pub use provenance::{CellDigest, OnGpu, Provenance};
pub use published::Published;
pub use separation::{neighbour_purity, silhouette};
pub use statistic::{
    PairDistances, Statistic, Weights, mutual_information_distance, weighted_matches,
};
pub use stream::Stream;
pub use suspects::Suspects;
pub use table::AnswerTable;

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
