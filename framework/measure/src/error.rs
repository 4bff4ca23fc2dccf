//! What can go wrong while measuring.

/// An error of answers, statistics or their files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two lists that describe the same queries or models differ in length.
    #[error("{what}: expected {expected}, got {actual}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// A statistic compares answers with the truth, and the fingerprint carries none.
    #[error("the statistic compares answers with true labels, and this fingerprint carries none")]
    NoTruth,
    /// More ranks are asked for than the answers reveal.
    #[error("top-{wanted} answers are needed, only top-{available} were revealed")]
    Access {
        /// Ranks needed.
        wanted: usize,
        /// Ranks there are.
        available: usize,
    },
    /// Nothing to measure.
    #[error("{0}")]
    Empty(&'static str),
    /// A distance is NaN, which can be neither accepted nor refused.
    #[error("a distance is NaN; what can't be told must be +inf")]
    NanDistance,
    /// A nominal threshold is asked of distances that are no p-values.
    #[error("a nominal threshold needs p-values in [0, 1] (or +inf) for distances, and one is {0}")]
    NotPValue(f64),
}

impl Error {
    /// Refuses lists that should be as long as others and are not.
    pub(crate) fn require_length(
        what: &'static str,
        expected: usize,
        actual: usize,
    ) -> crate::Result<()> {
        match expected == actual {
            true => Ok(()),
            false => Err(Self::Length { what, expected, actual }),
        }
    }
}
