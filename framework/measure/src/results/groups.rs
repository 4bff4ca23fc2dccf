//! Rates by group of variants, and differences to fingerprints that the suite names.

use serde::{Deserialize, Serialize};

use super::Rate;

/// Rates over a group of variants, without vanillas and variants that answer the whole pool as their vanilla does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupResult {
    /// `input`, `weights`, `training`, `output`, or `unseen`: all that are of no group that the owner rehearsed.
    pub group: String,
    /// Whether an owner rehearsed variants of it.
    pub rehearsed: bool,
    /// True pairs.
    pub positives: usize,
    /// Strict rate, at the overall threshold.
    pub tpr: Rate,
    /// Rate at exactly the target.
    pub tpr_randomised: Rate,
    /// `tpr_randomised` less that of the suite's baselines on the same group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Difference>,
}

impl GroupResult {
    /// Name of what is of no group that the owner rehearsed.
    pub const UNSEEN: &str = "unseen";
}

/// A difference of two rates at exactly the target, paired by families.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The fingerprint that is subtracted.
    pub baseline: String,
    /// This rate less the baseline's, mean over draws.
    pub difference: f64,
    /// Expanded percentile interval over families; none with fewer than six.
    pub ci95: Option<[f64; 2]>,
}
