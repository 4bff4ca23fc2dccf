//! What must hold for any bytes that a reader is given.
//!
//! A module a target, and in it one function that panics when something does not hold, and says whether the bytes were
//! understood. The stable compiler runs them over their corpora and mutations of them (`tests/corpora.rs`), libFuzzer over
//! whatever it finds (`fuzz_targets/`).

pub mod history;
pub mod library;
pub mod manifest;
pub mod npy;
pub mod pairs;
pub mod published;
pub mod results;
mod scratch;
pub mod suite;

#[cfg(feature = "libtorch")]
pub mod enrolled;
#[cfg(feature = "libtorch")]
pub mod idx;
#[cfg(feature = "libtorch")]
pub mod images;
#[cfg(feature = "libtorch")]
pub mod messages;
#[cfg(feature = "libtorch")]
pub mod torchscript;
