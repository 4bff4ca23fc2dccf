//! Statistics that turn answers into distances; a method chooses one by a parameter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answers, Error, Result, Suspects};

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
}

impl Statistic {
    /// Whether true labels are needed.
    pub fn needs_truth(self) -> bool {
        !matches!(self, Self::LabelMatch)
    }

    /// Distances of all suspects to the reference, each in `[0, 1]` or `+inf`.
    ///
    /// # Errors
    /// When lengths disagree, the truth is needed and absent, or no query was asked.
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
        let length = |what, expected, actual| match expected == actual {
            true => Ok(()),
            false => Err(Error::Length { what, expected, actual }),
        };
        length("reference answers", queries, reference.len())?;
        length("distances", suspects.len(), out.len())?;
        if let Some(truth) = truth {
            length("true labels", queries, truth.len())?;
        }
        match self {
            Self::LabelMatch => {
                let mismatches = count(suspects, |query, label| label != reference.label(query));
                out.iter_mut()
                    .zip(mismatches)
                    .for_each(|(d, n)| *d = f64::from(n) / queries as f64);
            }
            Self::CorrectnessMatch => {
                let truth = truth.ok_or(Error::NoTruth)?;
                let differ = |query: usize, label| {
                    (label == truth[query]) != (reference.label(query) == truth[query])
                };
                let mismatches = count(suspects, differ);
                out.iter_mut()
                    .zip(mismatches)
                    .for_each(|(d, n)| *d = f64::from(n) / queries as f64);
            }
            Self::MutualInformation => {
                let truth = truth.ok_or(Error::NoTruth)?;
                mutual_information_distances(reference, truth, suspects, out);
            }
        }
        Ok(())
    }
}

/// For each suspect, on how many queries its best label satisfies `holds(query, label)`.
fn count(suspects: &Suspects<'_>, holds: impl Fn(usize, u16) -> bool) -> Vec<u32> {
    let mut counts = vec![0_u32; suspects.len()];
    for query in 0..suspects.queries() {
        for (count, &label) in counts.iter_mut().zip(suspects.labels(query)) {
            *count += u32::from(holds(query, label));
        }
    }
    counts
}

/// Symbol of an answer: the 0-based rank of the true label, or `ranks` when it is not among them.
fn symbol(ranked: impl Iterator<Item = u16>, truth: u16, ranks: usize) -> usize {
    ranked.take(ranks).position(|label| label == truth).unwrap_or(ranks)
}

fn mutual_information_distances(
    reference: &Answers,
    truth: &[u16],
    suspects: &Suspects<'_>,
    out: &mut [f64],
) {
    let ranks = suspects.ranks().min(reference.ranks());
    let side = ranks + 1;
    let mut joint = vec![0_u32; suspects.len() * side * side];
    for (query, &true_label) in truth.iter().enumerate() {
        let row = symbol(reference.ranked(query).iter().copied(), true_label, ranks) * side;
        for (suspect, cells) in joint.chunks_exact_mut(side * side).enumerate() {
            let ranked = (0..ranks).map(|rank| suspects.labels_at(query, rank)[suspect]);
            cells[row + symbol(ranked, true_label, ranks)] += 1;
        }
    }
    for (distance, counts) in out.iter_mut().zip(joint.chunks_exact(side * side)) {
        *distance = mutual_information_distance(counts, side);
    }
}

/// `1 - I / min(H_row, H_column)` of a square table of joint counts, clamped to `[0, 1]`.
///
/// ```text
/// D = 1 - (H(Y) + H(Z) - H(Y, Z)) / min(H(Y), H(Z))
/// ```
/// `+inf` when either marginal has a single non-empty bin: eq. 8 leaves it undefined, and a constant answer
/// must not pass for mine. Equal entropies are recognised from integer sums, so that D(u, u) is exactly 0.
///
/// # Panics
/// When `counts` is not `side * side` long.
pub fn mutual_information_distance(counts: &[u32], side: usize) -> f64 {
    assert_eq!(counts.len(), side * side, "a square table of counts");
    let total: u32 = counts.iter().sum();
    let rows = (0..side).map(|r| counts[r * side..(r + 1) * side].iter().sum::<u32>());
    let columns = (0..side).map(|c| counts.iter().skip(c).step_by(side).sum::<u32>());
    if rows.clone().any(|n| n == total) || columns.clone().any(|n| n == total) {
        return f64::INFINITY;
    }
    // L * H = L log2 L - sum n log2 n, so one term a bin and no division by L.
    let scaled_entropy =
        |bins: &mut dyn Iterator<Item = u32>| n_log_n(total) - bins.map(n_log_n).sum::<f64>();
    let row_entropy = scaled_entropy(&mut rows.clone());
    let column_entropy = scaled_entropy(&mut columns.clone());
    let joint_entropy = scaled_entropy(&mut counts.iter().copied());
    let information = row_entropy + column_entropy - joint_entropy;
    let smaller = row_entropy.min(column_entropy);
    1.0 - (information / smaller).clamp(0.0, 1.0)
}

fn n_log_n(n: u32) -> f64 {
    if n == 0 { 0.0 } else { f64::from(n) * f64::from(n).log2() }
}
