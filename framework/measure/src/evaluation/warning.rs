//! What a reader should know before trusting a rate.

use super::{
    evaluate::Settings,
    observe::{Observed, mean},
    population::Population,
    rows::WITHOUT_VANILLAS,
    threshold::allowed,
};
use crate::suite::Protocol;

/// A rate below this share of its target is coarse: ties keep the strict test from using what it may.
pub(super) const FAR_BELOW: f64 = 0.8;

/// False pairs, and ordered pairs of families, that should stand behind a threshold.
pub(super) const FEW: u64 = 10;

/// What a reader should know before trusting a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warning {
    /// The threshold lets so few false pairs pass that the target can hardly be measured.
    FewNegatives {
        /// False pairs that may be accepted.
        accepted: u64,
        /// False pairs in all.
        negatives: usize,
    },
    /// Ordered pairs of families behind the threshold, mean over draws.
    FewFamilyPairs(f64),
    /// Ties keep the strict test far below the target.
    Ties {
        /// False-positive rate of the strict test.
        reached: f64,
    },
    /// Replicates of the bootstrap that had no pairs of one sort and were drawn again.
    Redrawn(u64),
    /// There is no true pair but vanillas with themselves.
    VanillasOnly,
}

impl Warning {
    /// What is the matter, without the figure.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::FewNegatives { accepted: 0, .. } => {
                "so few false pairs can't measure the target: not one of them may lie below the threshold, so the rate \
                 says nothing about it (more families, or a larger false-positive rate)"
            }
            Self::FewNegatives { .. } => {
                "fewer than 10 false pairs may lie below the threshold, so the rate can't be trusted"
            }
            Self::FewFamilyPairs(_) => {
                "the false pairs below the threshold come from fewer than 10 ordered pairs of families, so it may \
                 not hold for other families"
            }
            Self::Ties { .. } => {
                "ties keep the strict test far below the target (compare by the rate at exactly the target); \
                 false-positive rate reached, in %"
            }
            Self::Redrawn(_) => {
                "replicates of the bootstrap that had no pairs to judge by and were drawn again"
            }
            Self::VanillasOnly => "there are vanillas only, no rate without them",
        }
    }

    /// The figure behind it, where there is one.
    pub fn figure(&self) -> Option<String> {
        match self {
            Self::FewNegatives { accepted, negatives } => {
                Some(format!("{accepted} of {negatives}"))
            }
            Self::FewFamilyPairs(pairs) => Some(format!("{pairs:.1}")),
            Self::Ties { reached } => Some(format!("{:.2}", 100.0 * reached)),
            Self::Redrawn(count) => Some(count.to_string()),
            Self::VanillasOnly => None,
        }
    }
}

/// What to know about a case.
pub(super) fn warnings(
    population: &Population,
    settings: &Settings,
    observed: &Observed,
    redrawn: usize,
) -> Vec<Warning> {
    let alpha = settings.false_positive_rate;
    // A stated threshold owes nothing to the false pairs, few or tied.
    let found = settings.protocol != Protocol::Nominal;
    let mut warnings = Vec::new();
    let negatives = population.negatives;
    let behind = allowed(alpha, negatives as u64);
    if behind < FEW {
        warnings.push(Warning::FewNegatives { accepted: behind, negatives });
    }
    let family_pairs = mean(&observed.family_pairs);
    if found && family_pairs < FEW as f64 {
        warnings.push(Warning::FewFamilyPairs(family_pairs));
    }
    let reached = mean(&observed.fpr);
    if found && reached < FAR_BELOW * alpha {
        warnings.push(Warning::Ties { reached });
    }
    if redrawn > 0 {
        warnings.push(Warning::Redrawn(redrawn as u64));
    }
    if population.rows[WITHOUT_VANILLAS].positives == 0 {
        warnings.push(Warning::VanillasOnly);
    }
    warnings
}
