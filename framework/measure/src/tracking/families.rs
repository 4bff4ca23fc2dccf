//! What new families may bring: an interval of the difference that resamples families.

use serde::{Deserialize, Serialize};

use crate::{Stream, evaluation::interval};

/// Replicates of the bootstrap.
const REPLICATES: usize = 2000;

/// One family of both runs: its true pairs of a draw, and how many are accepted in the mean of the draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pairs {
    /// True pairs, BASE and NEW.
    pub(super) positives: [f64; 2],
    /// Accepted, BASE and NEW.
    pub(super) accepted: [f64; 2],
}

/// How far a difference spreads over families.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Families with true pairs in both runs.
    pub families: usize,
    /// 95 % interval of the difference of rates; none with fewer than six families.
    pub ci95: Option<[f64; 2]>,
}

/// Difference of two rates over families drawn with replacement, alike for both runs: a paired bootstrap with
/// expanded percentiles. The thresholds stay as each run found them.
pub(super) fn spread(families: &[Pairs], stream: &mut Stream) -> Spread {
    let count = u32::try_from(families.len()).unwrap_or(u32::MAX);
    let mut replicates = Vec::with_capacity(REPLICATES);
    while replicates.len() < REPLICATES && !families.is_empty() {
        let mut sum = Pairs { positives: [0.0; 2], accepted: [0.0; 2] };
        for _ in 0..count {
            let drawn = families[stream.below(count) as usize];
            for run in 0..2 {
                sum.positives[run] += drawn.positives[run];
                sum.accepted[run] += drawn.accepted[run];
            }
        }
        let rate = |run: usize| sum.accepted[run] / sum.positives[run];
        replicates.push(rate(1) - rate(0));
    }
    Spread { families: families.len(), ci95: interval(&replicates, families.len()) }
}
