//! The threshold: the largest that keeps the false-positive rate, for weighted pairs.

/// False pairs of one draw, smallest distance first.
#[derive(Debug)]
pub(super) struct Negatives {
    distances: Vec<f64>,
    /// Owner and the suspect's family, as one index of a [`PairWeights`].
    pairs: Vec<u32>,
}

/// A weight for each ordered pair of families.
#[derive(Debug, Default)]
pub(super) struct PairWeights {
    /// By owner times number of families plus the suspect's family.
    pub(super) table: Vec<u32>,
    /// Sum over all false pairs.
    pub(super) total: u64,
}

/// Where to cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// tau: accept what is smaller.
    pub(super) threshold: f64,
    /// Share of what equals tau that a test at exactly the target accepts as well.
    pub(super) lambda: f64,
}

/// Number of accepted false pairs that `alpha` allows, of `total`.
///
/// 0.05 * 20 is a little less than 1 in binary; the guard is far below any share that counts.
pub(super) fn allowed(alpha: f64, total: u64) -> u64 {
    let exact = alpha * total as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most `total`, which is an integer")]
    #[expect(clippy::cast_sign_loss, reason = "alpha is in (0, 1)")]
    let floor = (exact + 1e-9).floor() as u64;
    floor
}

impl Negatives {
    /// Sorts false pairs by distance; each has the index of its pair of families.
    pub(super) fn new(mut pairs: Vec<(f64, u32)>) -> Self {
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (distances, pairs) = pairs.into_iter().unzip();
        Self { distances, pairs }
    }

    /// Distances, ascending.
    pub(super) fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// Distance and pair of families, ascending by distance.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, usize)> + '_ {
        self.distances.iter().zip(&self.pairs).map(|(&distance, &pair)| (distance, pair as usize))
    }

    /// The largest threshold whose weighted false-positive rate is at most `alpha`; none without weight.
    pub(super) fn cut(&self, weights: &PairWeights, alpha: f64) -> Option<Cut> {
        if weights.total == 0 {
            return None;
        }
        let weight = |position: usize| u64::from(weights.table[self.pairs[position] as usize]);
        let allowed = allowed(alpha, weights.total).min(weights.total - 1);
        let (mut position, mut seen) = (0, weight(0));
        while seen <= allowed {
            position += 1;
            seen += weight(position);
        }
        let threshold = self.distances[position];
        let tied = |&other: &usize| self.distances[other] == threshold;
        let before: u64 = (0..=position).rev().take_while(tied).map(weight).sum();
        let after: u64 = (position + 1..self.pairs.len()).take_while(tied).map(weight).sum();
        let below = (seen - before) as f64;
        let lambda = (alpha * weights.total as f64 - below) / (before + after) as f64;
        Some(Cut { threshold, lambda: lambda.clamp(0.0, 1.0) })
    }
}
