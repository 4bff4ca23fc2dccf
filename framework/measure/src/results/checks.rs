//! What a run found when it checked itself.

use serde::{Deserialize, Serialize};

/// What a run found when it checked itself; what fails stands among the warnings too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Owners' fingerprints given to other families: one entry a fingerprint, at the primary budget.
    pub exchanged: Vec<ExchangeCheck>,
    /// Whether an identical copy is nearest to its owner: one entry a fingerprint and budget.
    pub copies: Vec<CopyCheck>,
    /// Thresholds with too little behind them: one entry a fingerprint and budget.
    pub thin: Vec<ThinThreshold>,
}

/// The rate that remains when every owner takes the suspects of another family for hers.
///
/// Her true pairs are left out, and all else is as in the run, so what is accepted is alpha, but for what families differ in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExchangeCheck {
    /// Name of the fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Families that take part.
    pub families: usize,
    /// Share of the other family's suspects accepted at exactly alpha, mean over the first four draws; none where it was not checked.
    pub rate: Option<f64>,
    /// What other ways to exchange the families give: all but a share `level` of them.
    pub expected: Option<[f64; 2]>,
    /// Chance that a sound run is flagged here.
    pub level: f64,
    /// Why it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
}

impl ExchangeCheck {
    /// Whether the rate is none that chance explains.
    pub fn fails(&self) -> bool {
        matches!((self.rate, self.expected), (Some(rate), Some([low, high])) if rate < low || rate > high)
    }
}

/// Whether a vanilla, which is an identical copy of itself, is at least as near to its owner as any other suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyCheck {
    /// Name of the fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Owners, in all draws together.
    pub compared: usize,
    /// Of these, those to whom another suspect is nearer.
    pub farther: usize,
    /// The one where it is farthest behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<FartherCopy>,
    /// Why it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
}

/// An owner to whom another suspect is nearer than a copy of her model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FartherCopy {
    /// Her vanilla.
    pub owner: String,
    /// The draw, from 0.
    pub draw: usize,
    /// Distance of the copy; none where it is infinite.
    pub copy: Option<f64>,
    /// The nearest other suspect.
    pub suspect: String,
    /// Its distance.
    pub distance: f64,
}

/// A threshold with so few false pairs, or pairs of families, behind it that the rates say little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThinThreshold {
    /// Name of the fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// False pairs in all.
    pub negatives: usize,
    /// False pairs that the target lets pass, where they are fewer than 10; of 0 the target can't be measured at all.
    pub accepted: Option<u64>,
    /// Ordered pairs of families that the false pairs below the threshold come from, mean over draws, where they are fewer
    /// than 10.
    pub family_pairs: Option<f64>,
}
