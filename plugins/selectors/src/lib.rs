//! Input selectors: which images of the pool an owner asks.
//!
//! One file a selector; what they share is in `pool`.

pub mod correctness;
pub mod entropy;
pub mod entropy_lexicographic;
mod pool;
pub mod random;
