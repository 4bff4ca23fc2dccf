//! Statistics that turn answers into distances; a method chooses one by a parameter.

use std::sync::LazyLock;

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
    /// Mutual information looks at as many ranks as the reference has, the other statistics at the best label
    /// only.
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
        let length = |what, expected, actual| match expected == actual {
            true => Ok(()),
            false => Err(Error::Length { what, expected, actual }),
        };
        length("reference answers", queries, reference.len())?;
        length("distances", suspects.len(), out.len())?;
        if let Some(truth) = truth {
            length("true labels", queries, truth.len())?;
        }
        let (wanted, available) = (reference.ranks(), suspects.ranks());
        match self {
            Self::LabelMatch => label_mismatches(reference, suspects, out),
            Self::CorrectnessMatch => {
                Correctness::of(reference, truth.ok_or(Error::NoTruth)?, suspects).mismatches(out);
            }
            Self::MutualInformation if wanted > available => {
                return Err(Error::Access { wanted, available });
            }
            Self::MutualInformation if wanted == 1 => {
                Correctness::of(reference, truth.ok_or(Error::NoTruth)?, suspects)
                    .mutual_information(out);
            }
            Self::MutualInformation => {
                rank_distances(reference, truth.ok_or(Error::NoTruth)?, suspects, out);
            }
        }
        Ok(())
    }
}

fn label_mismatches(reference: &Answers, suspects: &Suspects<'_>, out: &mut [f64]) {
    let queries = reference.len();
    let matches = agreements(suspects, (0..queries).map(|query| (query, reference.label(query))));
    for (distance, matches) in out.iter_mut().zip(matches) {
        *distance = (queries - matches as usize) as f64 / queries as f64;
    }
}

/// Who is right how often: the 2 by 2 table of every suspect against the reference.
struct Correctness {
    queries: u32,
    /// Queries that the reference answers rightly.
    reference: u32,
    /// For each suspect, queries that it and the reference answer rightly.
    both: Vec<u32>,
    /// For each suspect, queries that it alone answers rightly.
    alone: Vec<u32>,
}

impl Correctness {
    fn of(reference: &Answers, truth: &[u16], suspects: &Suspects<'_>) -> Self {
        let (right, wrong): (Vec<_>, Vec<_>) = truth
            .iter()
            .copied()
            .enumerate()
            .partition(|&(query, label)| reference.label(query) == label);
        let count = |n: usize| u32::try_from(n).expect("queries are counted in u32");
        Self {
            queries: count(truth.len()),
            reference: count(right.len()),
            both: agreements(suspects, right.into_iter()),
            alone: agreements(suspects, wrong.into_iter()),
        }
    }

    fn mismatches(&self, out: &mut [f64]) {
        for (distance, (both, alone)) in out.iter_mut().zip(self.both.iter().zip(&self.alone)) {
            *distance = f64::from(self.reference - both + alone) / f64::from(self.queries);
        }
    }

    /// As [`mutual_information_distance`] to the bit, without its loops.
    fn mutual_information(&self, out: &mut [f64]) {
        if self.reference == 0 || self.reference == self.queries {
            return out.fill(f64::INFINITY);
        }
        let whole = n_log_n(self.queries);
        let wrong = self.queries - self.reference;
        let row_entropy = whole - (n_log_n(self.reference) + n_log_n(wrong));
        for (distance, (&both, &alone)) in out.iter_mut().zip(self.both.iter().zip(&self.alone)) {
            let right = both + alone;
            if right == 0 || right == self.queries {
                *distance = f64::INFINITY;
                continue;
            }
            let column_entropy = whole - (n_log_n(right) + n_log_n(self.queries - right));
            let equal = n_log_n(both) + n_log_n(wrong - alone);
            let unequal = n_log_n(self.reference - both) + n_log_n(alone);
            *distance = normalised(row_entropy, column_entropy, whole - (equal + unequal));
        }
    }
}

/// For each suspect, how many of the queries it answers with the label expected.
fn agreements(
    suspects: &Suspects<'_>,
    expected: impl ExactSizeIterator<Item = (usize, u16)>,
) -> Vec<u32> {
    let mut totals = vec![0_u32; suspects.len()];
    // As wide as the labels, so that one vector instruction compares and the next one counts.
    let mut counts = vec![0_u16; suspects.len()];
    let last = expected.len().saturating_sub(1);
    for (i, (query, label)) in expected.enumerate() {
        for (count, &answer) in counts.iter_mut().zip(suspects.labels(query)) {
            *count = count.wrapping_add(u16::from(answer == label));
        }
        if i == last || i % usize::from(u16::MAX) == usize::from(u16::MAX) - 1 {
            for (total, count) in totals.iter_mut().zip(&mut counts) {
                *total += u32::from(std::mem::take(count));
            }
        }
    }
    totals
}

/// Cells of joint tables counted at a time: what fits in a cache.
const CELLS: usize = 1 << 18;

fn rank_distances(reference: &Answers, truth: &[u16], suspects: &Suspects<'_>, out: &mut [f64]) {
    let ranks = reference.ranks();
    let side = ranks + 1;
    let cells = side * side;
    let block = (CELLS / cells).max(1);
    let mut joint = vec![0_u32; block.min(suspects.len()) * cells];
    let mut symbols = vec![0_usize; block.min(suspects.len())];
    for (number, out) in out.chunks_mut(block).enumerate() {
        let range = number * block..number * block + out.len();
        joint.fill(0);
        for (query, &label) in truth.iter().enumerate() {
            symbols.fill(ranks);
            // Backwards, so that the better rank stays should a label ever repeat.
            for rank in (0..ranks).rev() {
                let answers = &suspects.labels_at(query, rank)[range.clone()];
                for (symbol, &answer) in symbols.iter_mut().zip(answers) {
                    *symbol = if answer == label { rank } else { *symbol };
                }
            }
            let row = symbol(reference.ranked(query), label) * side;
            for (counts, &symbol) in joint.chunks_exact_mut(cells).zip(&symbols[..out.len()]) {
                counts[row + symbol] += 1;
            }
        }
        for (distance, counts) in out.iter_mut().zip(joint.chunks_exact(cells)) {
            *distance = mutual_information_distance(counts, side);
        }
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
/// must not pass for mine. Exactly symmetric, and exactly 0 for a diagonal table that is not constant.
///
/// # Panics
/// When `counts` is not `side * side` long.
pub fn mutual_information_distance(counts: &[u32], side: usize) -> f64 {
    assert_eq!(counts.len(), side * side, "a square table of counts");
    let cell = |row: usize, column: usize| counts[row * side + column];
    let total: u32 = counts.iter().sum();
    let whole = n_log_n(total);
    // L * H = L log2 L - sum n log2 n, so one term a bin and no division by L.
    let (mut rows, mut columns, mut joint) = (0.0, 0.0, 0.0);
    for bin in 0..side {
        let row: u32 = (0..side).map(|other| cell(bin, other)).sum();
        let column: u32 = (0..side).map(|other| cell(other, bin)).sum();
        if row == total || column == total {
            return f64::INFINITY;
        }
        rows += n_log_n(row);
        columns += n_log_n(column);
        joint += n_log_n(cell(bin, bin));
    }
    // The diagonal first, then cells with their mirror images: the sum of the transposed table is the same.
    for row in 0..side {
        for column in row + 1..side {
            joint += n_log_n(cell(row, column)) + n_log_n(cell(column, row));
        }
    }
    normalised(whole - rows, whole - columns, whole - joint)
}

fn normalised(row_entropy: f64, column_entropy: f64, joint_entropy: f64) -> f64 {
    let information = row_entropy + column_entropy - joint_entropy;
    1.0 - (information / row_entropy.min(column_entropy)).clamp(0.0, 1.0)
}

/// `n log2 n`, 0 for 0.
fn n_log_n(n: u32) -> f64 {
    static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| (0..4096).map(computed).collect());
    fn computed(n: u32) -> f64 {
        if n == 0 { 0.0 } else { f64::from(n) * f64::from(n).log2() }
    }
    TABLE.get(n as usize).copied().unwrap_or_else(|| computed(n))
}

#[cfg(test)]
mod tests;
