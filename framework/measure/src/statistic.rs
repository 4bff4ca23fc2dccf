//! Statistics that turn answers into distances; a method chooses one by a parameter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::terms::{Terms, normalised};
use crate::{Answers, Error, Result, Suspects};

mod binary;
mod bits;
mod labels;
mod pairs;
mod permutation;
mod terms;
mod weighted;

pub use pairs::PairDistances;
pub use weighted::{Weights, weighted_matches};

/// How a suspect's answers are compared with a fingerprint's reference.
///
/// Any query set can be scored by any of them, so that the choice of queries and the choice of the statistic
/// can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// 1 - I(Z; Y) / min(H(Z), H(Y)) on the ranks of the true label (Maho, Furon, Le Merrer 2022, eq. 8).
    MutualInformation,
    /// Share of queries whose best label differs from the reference's.
    LabelMatch,
    /// Share of queries on which one is right and the other wrong.
    CorrectnessMatch,
    /// The p-value of independence: how often the suspect's answers, permuted, would lie as near by mutual
    /// information. 1 where that is infinite.
    Permutation,
}

impl Statistic {
    /// Whether true labels are needed.
    pub fn needs_truth(self) -> bool {
        !matches!(self, Self::LabelMatch)
    }

    /// Whether it looks at as many ranks as the reference has, and not at the best label only.
    pub fn uses_ranks(self) -> bool {
        matches!(self, Self::MutualInformation | Self::Permutation)
    }

    /// Whether its distances are p-values, which need no threshold from other models.
    pub fn is_p_value(self) -> bool {
        self == Self::Permutation
    }

    /// Distances of all suspects to the reference, each in `[0, 1]` or `+inf`.
    ///
    ///
    /// # Errors
    /// When lengths disagree, the truth is needed and absent, suspects reveal fewer ranks than are looked at, or no
    /// query was asked.
    pub fn distances(
        self,
        reference: &Answers,
        truth: Option<&[u16]>,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let queries = suspects.queries();
        if queries == 0 {
            return Err(Error::Empty("a fingerprint without queries measures nothing"));
        }
        Error::require_length("reference answers", queries, reference.len())?;
        Error::require_length("distances", suspects.len(), out.len())?;
        if let Some(truth) = truth {
            Error::require_length("true labels", queries, truth.len())?;
        }
        let (wanted, available) = (reference.ranks(), suspects.ranks());
        if self.uses_ranks() && wanted > available {
            return Err(Error::Access { wanted, available });
        }
        if self == Self::LabelMatch {
            labels::label_mismatches(reference, suspects, out);
            return Ok(());
        }
        let truth = truth.ok_or(Error::NoTruth)?;
        if self == Self::Permutation {
            return permutation::p_values(reference, truth, suspects, out);
        }
        if let Some(scoring) = bits::Scoring::new(self, reference, truth, suspects) {
            scoring.distances(out);
        } else if self == Self::CorrectnessMatch || wanted == 1 {
            labels::correctness_distances(self, reference, truth, suspects, out);
        } else {
            labels::rank_distances(reference, truth, suspects, out);
        }
        Ok(())
    }
}

/// Symbol of an answer: the 0-based rank of the true label, or the number of ranks when it is not among them.
fn symbol(ranked: &[u16], truth: u16) -> usize {
    ranked.iter().position(|&label| label == truth).unwrap_or(ranked.len())
}

/// `1 - I / min(H_row, H_column)` of a square table of joint counts, clamped to `[0, 1]`.
///
/// ```text
/// D = 1 - (H(Y) + H(Z) - H(Y, Z)) / min(H(Y), H(Z))
/// ```
/// `+inf` when either marginal has a single non-empty bin: eq. 8 leaves it undefined, and a constant answer
/// must not pass for mine. Exactly symmetric, and exactly 0 for a diagonal table that is not constant: entropies are
/// whole numbers of 2^-40 bit (of a coarser unit above a total of 842), whose sums are exact in any order, and a single
/// division follows.
///
/// # Panics
/// When `counts` is not `side * side` long.
pub fn mutual_information_distance(counts: &[u32], side: usize) -> f64 {
    assert_eq!(counts.len(), side * side, "a square table of counts");
    let total: u64 = counts.iter().map(|&n| u64::from(n)).sum();
    let terms = Terms::of(total);
    // L * H = L log2 L - sum n log2 n, so one term a bin and no division by L.
    let (mut rows, mut columns) = (0.0, 0.0);
    for bin in 0..side {
        let row = counts[bin * side..][..side].iter().map(|&n| u64::from(n)).sum();
        let column = counts[bin..].iter().step_by(side).map(|&n| u64::from(n)).sum();
        if row == total || column == total {
            return f64::INFINITY;
        }
        rows += terms.term(row);
        columns += terms.term(column);
    }
    let joint: f64 = counts.iter().map(|&n| terms.term(u64::from(n))).sum();
    let whole = terms.term(total);
    let (row, column) = (whole - rows, whole - columns);
    normalised(row, column, (joint - rows) + column)
}

#[cfg(test)]
mod tests;
