//! Statistics on the bits of a table of answers that knows the truth.

use super::{
    Statistic,
    binary::Binary,
    symbol,
    terms::{Terms, normalised},
};
use crate::{
    Answers, Suspects,
    bits::{MODELS, STEP, TruthBits, count},
    lanes::{Lanes, Work},
};

/// A reference that all suspects of a table are compared with.
///
/// The cost in queries and suspects is their product, times the number of ranks that are looked at.
pub(super) struct Scoring<'a> {
    bits: &'a TruthBits,
    groups: Groups,
    statistic: Statistic,
}

impl<'a> Scoring<'a> {
    /// None where the table has no truth, or another one than the fingerprint.
    pub(super) fn new(
        statistic: Statistic,
        reference: &Answers,
        truth: &[u16],
        suspects: &Suspects<'a>,
    ) -> Option<Self> {
        let (known, bits) = suspects.table().truth_bits()?;
        let ranks = match statistic {
            Statistic::MutualInformation => reference.ranks(),
            _ => 1,
        };
        let rows = suspects.rows();
        let differs = |(&row, &label): (&u32, &u16)| known[row as usize] ^ label;
        if rows.iter().zip(truth).map(differs).fold(0, |all, one| all | one) != 0 {
            return None;
        }
        let groups = Groups::new(reference, ranks, truth, rows, bits.zeros());
        Some(Self { bits, groups, statistic })
    }

    /// Distances of all suspects.
    pub(super) fn distances(self, out: &mut [f64]) {
        self.distances_in(Lanes::widest(), out);
    }

    pub(super) fn distances_in(self, lanes: Lanes, out: &mut [f64]) {
        let [right, wrong] = *self.groups.sizes else {
            return match self.groups.sizes.iter().filter(|&&size| size > 0).count() {
                1 => out.fill(f64::INFINITY),
                _ => lanes.run(Ranked { bits: self.bits, groups: &self.groups, out }),
            };
        };
        let binary = Binary::new(self.statistic, right, wrong, out.len());
        if binary.is_infinite() {
            return out.fill(f64::INFINITY);
        }
        lanes.run(RightWrong { bits: self.bits, groups: &self.groups, binary, out });
    }
}

/// Rows of the queries, grouped by the symbol of the reference.
struct Groups {
    /// Queries of each symbol.
    sizes: Vec<usize>,
    /// Rows of each symbol, padded to a multiple of [`STEP`] by rows of zeros.
    rows: Vec<Vec<u32>>,
}

impl Groups {
    fn new(reference: &Answers, ranks: usize, truth: &[u16], rows: &[u32], zeros: usize) -> Self {
        let labels = reference.as_slice();
        let mut rows = match reference.ranks() {
            1 => right_and_wrong(labels, truth, rows),
            all => {
                let mut groups = vec![Vec::new(); ranks + 1];
                for ((ranked, &label), &row) in labels.chunks_exact(all).zip(truth).zip(rows) {
                    groups[symbol(&ranked[..ranks], label)].push(row);
                }
                groups
            }
        };
        let zeros = u32::try_from(zeros).expect("rows are counted in u32");
        let sizes = rows.iter().map(Vec::len).collect();
        for rows in &mut rows {
            rows.resize(rows.len().next_multiple_of(STEP), zeros);
        }
        Self { sizes, rows }
    }
}

fn right_and_wrong(labels: &[u16], truth: &[u16], rows: &[u32]) -> Vec<Vec<u32>> {
    let [mut right, mut wrong] = [0, 0].map(|zero| vec![zero; rows.len()]);
    let (mut rights, mut wrongs) = (0, 0);
    // Written to both and kept in one: nobody can foresee in which.
    for ((&row, label), truth) in rows.iter().zip(labels).zip(truth) {
        let is_right = usize::from(label == truth);
        right[rights] = row;
        wrong[wrongs] = row;
        rights += is_right;
        wrongs += 1 - is_right;
    }
    right.truncate(rights);
    wrong.truncate(wrongs);
    vec![right, wrong]
}

/// Statistics of two symbols.
struct RightWrong<'a> {
    bits: &'a TruthBits,
    groups: &'a Groups,
    binary: Binary,
    out: &'a mut [f64],
}

impl Work for RightWrong<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WORDS: usize>(self) {
        let [right, wrong] = &*self.groups.rows else { unreachable!("two symbols") };
        let (mut both, mut alone) = ([0; MODELS], [0; MODELS]);
        for (tile, out) in self.out.chunks_mut(MODELS).enumerate() {
            let rows = self.bits.rows(tile, 0);
            count::<WORDS>(rows, right, &mut both);
            count::<WORDS>(rows, wrong, &mut alone);
            self.binary.distances(&both, &alone, out);
        }
    }
}

/// Mutual information of more than two symbols.
struct Ranked<'a> {
    bits: &'a TruthBits,
    groups: &'a Groups,
    out: &'a mut [f64],
}

impl Work for Ranked<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WORDS: usize>(self) {
        let ranks = self.groups.sizes.len() - 1;
        let total: usize = self.groups.sizes.iter().sum();
        let terms = Terms::of(total as u64).all();
        let whole = terms[total];
        let row = whole - self.groups.sizes.iter().map(|&size| terms[size]).sum::<f64>();
        let mut counts = [0_u32; MODELS];
        let mut symbols = vec![[0_u32; MODELS]; ranks + 1];
        for (tile, out) in self.out.chunks_mut(MODELS).enumerate() {
            // Terms of the joint counts, and of the suspects' own.
            let (mut joint, mut own) = ([0.0; MODELS], [0.0; MODELS]);
            symbols.as_flattened_mut().fill(0);
            for (&size, rows) in self.groups.sizes.iter().zip(&self.groups.rows) {
                if size == 0 {
                    continue;
                }
                #[expect(clippy::cast_possible_truncation, reason = "rows are counted in u32")]
                let mut rest = [size as u32; MODELS];
                for (rank, symbols) in symbols[..ranks].iter_mut().enumerate() {
                    count::<WORDS>(self.bits.rows(tile, rank), rows, &mut counts);
                    for ((rest, symbols), &count) in rest.iter_mut().zip(symbols).zip(&counts) {
                        *rest = rest.wrapping_sub(count);
                        *symbols = symbols.wrapping_add(count);
                    }
                    add_terms(&terms, &counts, &mut joint[..out.len()]);
                }
                add_terms(&terms, &rest, &mut joint[..out.len()]);
                for (symbols, rest) in symbols[ranks].iter_mut().zip(rest) {
                    *symbols = symbols.wrapping_add(rest);
                }
            }
            for symbols in &symbols {
                add_terms(&terms, symbols, &mut own[..out.len()]);
            }
            for ((out, joint), own) in out.iter_mut().zip(joint).zip(own) {
                let column = whole - own;
                *out = normalised(row, column, ((row - whole) + joint) + column);
            }
        }
    }
}

#[inline(always)]
fn add_terms(terms: &[f64], counts: &[u32; MODELS], sums: &mut [f64]) {
    for (sum, &count) in sums.iter_mut().zip(counts) {
        *sum += terms[count as usize];
    }
}
