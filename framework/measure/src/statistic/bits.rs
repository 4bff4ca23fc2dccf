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
        let Self { bits, groups, statistic } = self;
        let [(_, right), (_, wrong)] = *groups.places else {
            return match groups.places.iter().filter(|(_, size)| *size > 0).count() {
                1 => out.fill(f64::INFINITY),
                _ => lanes.run(Ranked { bits, groups: &groups, out }),
            };
        };
        let binary = Binary::new(statistic, right, wrong, out.len());
        if binary.is_infinite() {
            return out.fill(f64::INFINITY);
        }
        lanes.run(RightWrong { bits, groups: &groups, binary, out });
    }
}

/// Rows of the queries, grouped by the symbol of the reference.
struct Groups {
    /// Where the rows of each symbol start, and how many they are.
    places: Vec<(usize, usize)>,
    /// Rows of all groups, each padded to a multiple of [`STEP`] by rows of zeros.
    rows: Vec<u32>,
}

impl Groups {
    fn new(reference: &Answers, ranks: usize, truth: &[u16], rows: &[u32], zeros: usize) -> Self {
        let labels = reference.as_slice();
        let zeros = u32::try_from(zeros).expect("rows are counted in u32");
        if reference.ranks() == 1 {
            return Self::of_two(labels, truth, rows, zeros);
        }
        let ranked = labels.chunks_exact(reference.ranks()).map(|labels| &labels[..ranks]);
        let symbols: Vec<usize> =
            ranked.zip(truth).map(|(ranked, &label)| symbol(ranked, label)).collect();
        let mut places = vec![(0, 0_usize); ranks + 1];
        for &symbol in &symbols {
            places[symbol].1 += 1;
        }
        let mut end = 0;
        for (start, size) in &mut places {
            *start = end;
            end += size.next_multiple_of(STEP);
        }
        let mut grouped = vec![zeros; end];
        let mut next: Vec<usize> = places.iter().map(|(start, _)| *start).collect();
        for (&row, symbol) in rows.iter().zip(symbols) {
            grouped[next[symbol]] = row;
            next[symbol] += 1;
        }
        Self { places, rows: grouped }
    }

    /// Groups of a top-1 reference: right, wrong.
    fn of_two(labels: &[u16], truth: &[u16], rows: &[u32], zeros: u32) -> Self {
        let half = rows.len().next_multiple_of(STEP) + STEP;
        let mut grouped = vec![zeros; 2 * half];
        let (right, wrong) = grouped.split_at_mut(half);
        let (mut rights, mut wrongs) = (0, 0);
        // Written to both and kept in one: nobody can foresee in which.
        for ((&row, label), truth) in rows.iter().zip(labels).zip(truth) {
            let is_right = usize::from(label == truth);
            right[rights] = row;
            wrong[wrongs] = row;
            rights += is_right;
            wrongs += 1 - is_right;
        }
        (right[rights], wrong[wrongs]) = (zeros, zeros);
        Self { places: vec![(0, rights), (half, wrongs)], rows: grouped }
    }

    /// Padded rows of a symbol.
    fn rows(&self, symbol: usize) -> &[u32] {
        let (start, size) = self.places[symbol];
        &self.rows[start..start + size.next_multiple_of(STEP)]
    }
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
        let (right, wrong) = (self.groups.rows(0), self.groups.rows(1));
        let (mut both, mut alone) = ([0; MODELS], [0; MODELS]);
        for (tile, out) in self.out.chunks_mut(MODELS).enumerate() {
            let rows = self.bits.rows(tile, 0);
            count::<WORDS>(rows, right, &mut both);
            count::<WORDS>(rows, wrong, &mut alone);
            self.binary.distances(&both, &mut alone, out);
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
        let sizes = || self.groups.places.iter().map(|(_, size)| *size);
        let ranks = sizes().len() - 1;
        let total: usize = sizes().sum();
        let terms = Terms::of(total as u64).all();
        let whole = terms[total];
        let row = whole - sizes().map(|size| terms[size]).sum::<f64>();
        // Suspects by symbol: within a group, and in all.
        let mut counts = vec![[0_u32; MODELS]; ranks + 1];
        let mut symbols = vec![[0_u32; MODELS]; ranks + 1];
        for (tile, out) in self.out.chunks_mut(MODELS).enumerate() {
            // Terms of the joint counts, and of the suspects' own.
            let (mut joint, mut own) = ([0.0; MODELS], [0.0; MODELS]);
            symbols.as_flattened_mut().fill(0);
            for (group, size) in sizes().enumerate().filter(|(_, size)| *size > 0) {
                let (rest, counts_by_rank) = counts.split_last_mut().expect("one symbol at least");
                #[expect(clippy::cast_possible_truncation, reason = "rows are counted in u32")]
                rest.fill(size as u32);
                for (rank, counts) in counts_by_rank.iter_mut().enumerate() {
                    count::<WORDS>(self.bits.rows(tile, rank), self.groups.rows(group), counts);
                    for (rest, count) in rest.iter_mut().zip(&*counts) {
                        *rest = rest.wrapping_sub(*count);
                    }
                }
                let all = symbols.as_flattened_mut().iter_mut().zip(counts.as_flattened());
                all.for_each(|(symbols, count)| *symbols = symbols.wrapping_add(*count));
                // The terms of 0 and 1 are zero.
                if size > 1 {
                    add_terms(&terms, &counts, &mut joint[..out.len()]);
                }
            }
            add_terms(&terms, &symbols, &mut own[..out.len()]);
            for ((out, joint), own) in out.iter_mut().zip(joint).zip(own) {
                let column = whole - own;
                *out = normalised(row, column, ((row - whole) + joint) + column);
            }
        }
    }
}

/// Adds the terms of all counts of a model to its sum.
fn add_terms(terms: &[f64], counts: &[[u32; MODELS]], sums: &mut [f64]) {
    for counts in counts.chunks(4) {
        match counts {
            [a, b, c, d] => look_up(terms, [a, b, c, d], sums),
            [a, b, c] => look_up(terms, [a, b, c], sums),
            [a, b] => look_up(terms, [a, b], sums),
            others => others.iter().for_each(|counts| look_up(terms, [counts], sums)),
        }
    }
}

fn look_up<const N: usize>(terms: &[f64], counts: [&[u32; MODELS]; N], sums: &mut [f64]) {
    for (model, sum) in sums.iter_mut().enumerate().take(MODELS) {
        let mut added = 0.0;
        for counts in counts {
            added += terms[counts[model] as usize];
        }
        *sum += added;
    }
}
