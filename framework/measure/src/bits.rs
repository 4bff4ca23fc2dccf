//! Who is right on which query, one bit a model, and how such bits are added up.
//!
//! The bits of 512 models stand side by side in a row, one row for each query: whoever scores a fingerprint reads the
//! rows of its queries, and nothing else. Rows are added up in bit planes, that is, in counters whose digits lie in
//! different words: one instruction adds a digit of as many models as a register has bits.

use std::fmt;

use crate::{Answers, lanes::prefetch};

/// Models in a tile.
pub(crate) const MODELS: usize = 512;

/// Words of a row.
const WORDS: usize = MODELS / 64;

/// Queries whose bits are made together.
const BLOCK: usize = 256;

/// Rows added up before counters of eight digits are read.
const SEGMENT: usize = 248;

/// Rows that one step of the counters takes: lists of queries are padded to a multiple of it.
pub(crate) const STEP: usize = 8;

/// Bits of the models of a tile for one query and rank.
///
/// Model `i` has bit `i / 64` of byte `i % 64`, where bytes count from the lowest of the first word: the transpose
/// that reads the counters then leaves them in the order of the models.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Row([u64; WORDS]);

/// For every query and rank, a bit for each model whose label at that rank is the true one.
///
/// A label that comes twice among a model's ranks counts at the better one.
///
/// # Shapes
/// Rows `[tiles, ranks, queries + 1]`; the last one of each tile and rank is zero, for lists that are padded.
#[derive(Clone)]
pub(crate) struct TruthBits {
    rows: Vec<Row>,
    queries: usize,
    ranks: usize,
}

impl fmt::Debug for TruthBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TruthBits").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl TruthBits {
    /// Compares the answers of models, all of `ranks` ranks, with the true labels.
    pub(crate) fn new(columns: &[Answers], truth: &[u16], ranks: usize) -> Self {
        let queries = truth.len();
        let tiles = columns.len().div_ceil(MODELS);
        let mut rows = vec![Row([0; WORDS]); tiles * ranks * (queries + 1)];
        let labels: Vec<&[u16]> = columns.iter().map(Answers::as_slice).collect();
        for (labels, tile) in labels.chunks(MODELS).zip(rows.chunks_mut(ranks * (queries + 1))) {
            let mut planes: Vec<&mut [Row]> = tile.chunks_mut(queries + 1).collect();
            for start in (0..queries).step_by(BLOCK) {
                let end = queries.min(start + BLOCK);
                let mut planes: Vec<&mut [Row]> =
                    planes.iter_mut().map(|rows| &mut rows[start..end]).collect();
                fill(&mut planes, labels, start, &truth[start..end]);
            }
        }
        Self { rows, queries, ranks }
    }

    /// Rows of a tile at a rank, one for each query and a last one of zeros.
    pub(crate) fn rows(&self, tile: usize, rank: usize) -> &[Row] {
        let length = self.queries + 1;
        &self.rows[(tile * self.ranks + rank) * length..][..length]
    }

    /// Index of the row of zeros.
    pub(crate) fn zeros(&self) -> usize {
        self.queries
    }
}

/// Sets the bits of some queries in the rows of each rank.
fn fill(planes: &mut [&mut [Row]], labels: &[&[u16]], start: usize, truth: &[u16]) {
    let ranks = planes.len();
    let mut bytes = vec![[[0_u8; BLOCK]; 8]; ranks];
    for word in 0..WORDS {
        bytes.as_flattened_mut().as_flattened_mut().fill(0);
        for column in 0..8 {
            let models = labels.iter().skip(8 * word + column).step_by(64);
            for (bit, labels) in models.enumerate() {
                let labels = &labels[start * ranks..(start + truth.len()) * ranks];
                match ranks {
                    1 => mark(&mut bytes[0][column], labels, truth, 1 << bit),
                    _ => mark_ranks(&mut bytes, column, labels, truth, 1 << bit),
                }
            }
        }
        for (rows, bytes) in planes.iter_mut().zip(&bytes) {
            for (query, row) in rows.iter_mut().enumerate() {
                row.0[word] =
                    u64::from_le_bytes(std::array::from_fn(|column| bytes[column][query]));
            }
        }
    }
}

fn mark(bytes: &mut [u8; BLOCK], labels: &[u16], truth: &[u16], bit: u8) {
    for ((byte, label), truth) in bytes.iter_mut().zip(labels).zip(truth) {
        *byte |= if label == truth { bit } else { 0 };
    }
}

fn mark_ranks(
    bytes: &mut [[[u8; BLOCK]; 8]],
    column: usize,
    labels: &[u16],
    truth: &[u16],
    bit: u8,
) {
    for (query, (ranked, truth)) in labels.chunks_exact(bytes.len()).zip(truth).enumerate() {
        if let Some(rank) = ranked.iter().position(|label| label == truth) {
            bytes[rank][column][query] |= bit;
        }
    }
}

/// For each model of a tile, in how many of the rows named its bit is set.
///
/// The number of queries is a multiple of [`STEP`]; rows of zeros may pad them.
#[inline(always)]
pub(crate) fn count<const LANE: usize>(rows: &[Row], queries: &[u32], totals: &mut [u32; MODELS]) {
    let mut counts = [0_u8; MODELS];
    let (first, others) = queries.split_at(queries.len().min(SEGMENT));
    count_segment::<LANE>(rows, first, &mut counts);
    for (total, &count) in totals.iter_mut().zip(&counts) {
        *total = u32::from(count);
    }
    for queries in others.chunks(SEGMENT) {
        count_segment::<LANE>(rows, queries, &mut counts);
        for (total, &count) in totals.iter_mut().zip(&counts) {
            *total = total.wrapping_add(u32::from(count));
        }
    }
}

#[inline(always)]
fn count_segment<const LANE: usize>(rows: &[Row], queries: &[u32], counts: &mut [u8; MODELS]) {
    // Rows lie scattered, and the additions are too long for a processor to look ahead past them.
    for &query in queries {
        prefetch(&rows[query as usize]);
    }
    for lane in 0..WORDS / LANE {
        count_lane::<LANE>(rows, queries, lane, counts);
    }
}

/// Counts of the models in words `lane * LANE..(lane + 1) * LANE` of the rows.
///
/// Eight rows pass through a tree of full adders (Harley and Seal's), which leaves one carry of weight eight.
#[inline(always)]
fn count_lane<const LANE: usize>(
    rows: &[Row],
    queries: &[u32],
    lane: usize,
    counts: &mut [u8; MODELS],
) {
    let mut planes = [[0_u64; LANE]; 8];
    for step in queries.as_chunks::<STEP>().0 {
        let row = |i: usize| rows[step[i] as usize].0.as_chunks::<LANE>().0[lane];
        let [ones, twos, fours, higher @ ..] = &mut planes;
        let (twos_a, sum) = add(*ones, row(0), row(1));
        let (twos_b, sum) = add(sum, row(2), row(3));
        let (fours_a, sum_of_twos) = add(*twos, twos_a, twos_b);
        let (twos_a, sum) = add(sum, row(4), row(5));
        let (twos_b, sum) = add(sum, row(6), row(7));
        let (fours_b, sum_of_twos) = add(sum_of_twos, twos_a, twos_b);
        let (mut carry, sum_of_fours) = add(*fours, fours_a, fours_b);
        (*ones, *twos, *fours) = (sum, sum_of_twos, sum_of_fours);
        for plane in higher {
            for (digit, carry) in plane.iter_mut().zip(&mut carry) {
                let both = *digit & *carry;
                *digit ^= *carry;
                *carry = both;
            }
        }
    }
    transpose(&mut planes);
    let first = 8 * LANE * lane;
    for (bit, words) in planes.iter().enumerate() {
        for (word, value) in words.iter().enumerate() {
            counts[64 * bit + first + 8 * word..][..8].copy_from_slice(&value.to_le_bytes());
        }
    }
}

/// The two digits, upper first, of the sum of three bits in every place.
#[inline(always)]
fn add<const LANE: usize>(
    a: [u64; LANE],
    b: [u64; LANE],
    c: [u64; LANE],
) -> ([u64; LANE], [u64; LANE]) {
    let (mut upper, mut lower) = ([0; LANE], [0; LANE]);
    for i in 0..LANE {
        let half = a[i] ^ b[i];
        lower[i] = half ^ c[i];
        upper[i] = (a[i] & b[i]) | (half & c[i]);
    }
    (upper, lower)
}

/// Transposes squares of `SIDE` by `SIDE` bits: bit `j` of row `i` becomes bit `i` of row `j`, in each run of `SIDE`
/// bits of a word by itself. `SIDE` is a power of two, at most 64.
#[inline(always)]
fn transpose<const SIDE: usize, const LANE: usize>(rows: &mut [[u64; LANE]; SIDE]) {
    let mut half = SIDE / 2;
    while half > 0 {
        // `half` ones, `half` zeros, and so on.
        let mask = u64::MAX / ((1 << half) + 1);
        for pair in rows.chunks_exact_mut(2 * half) {
            let (upper, lower) = pair.split_at_mut(half);
            for (a, b) in upper.iter_mut().zip(lower) {
                for (a, b) in a.iter_mut().zip(b) {
                    let swapped = ((*a >> half) ^ *b) & mask;
                    *b ^= swapped;
                    *a ^= swapped << half;
                }
            }
        }
        half /= 2;
    }
}

/// The bits of some queries (rows of a tile), model by model.
///
/// # Shapes
/// `out`: `[models, queries / 64]`, row-major, where `queries` is padded to a multiple of 64 by rows of zeros;
/// query `i` is bit `i % 64` of word `i / 64`.
#[inline(always)]
pub(crate) fn by_model<const LANE: usize>(rows: &[Row], queries: &[u32], out: &mut [u64]) {
    let length = queries.len() / 64;
    for (block, queries) in queries.as_chunks::<64>().0.iter().enumerate() {
        for lane in 0..WORDS / LANE {
            let mut square: [[u64; LANE]; 64] =
                queries.map(|query| rows[query as usize].0.as_chunks::<LANE>().0[lane]);
            transpose(&mut square);
            for (place, words) in square.iter().enumerate() {
                for (word, &value) in words.iter().enumerate() {
                    let (byte, bit) = (8 * (LANE * lane + word) + place / 8, place % 8);
                    if let Some(out) = out.get_mut((64 * bit + byte) * length + block) {
                        *out = value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Stream,
        lanes::{Lanes, Work},
    };

    /// Random ranked answers of `models` models, and true labels.
    fn answers(models: usize, queries: usize, ranks: usize) -> (Vec<Answers>, Vec<u16>) {
        let mut stream = Stream::named(5, ["bits"]);
        let labels: Vec<u16> = (0..6).collect();
        let columns = (0..models)
            .map(|_| {
                let ranked = (0..queries).flat_map(|_| stream.sample(&labels, ranks));
                Answers::new(ranked.collect::<Vec<_>>(), ranks).unwrap()
            })
            .collect();
        let truth = (0..queries).map(|_| u16::try_from(stream.below(6)).unwrap()).collect();
        (columns, truth)
    }

    struct Counting<'a>(&'a [Row], &'a [u32]);

    impl Work for Counting<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run<const WORDS: usize>(self) -> Vec<u32> {
            let mut totals = [0; MODELS];
            count::<WORDS>(self.0, self.1, &mut totals);
            totals.to_vec()
        }
    }

    struct ByModel<'a>(&'a [Row], &'a [u32], usize);

    impl Work for ByModel<'_> {
        type Output = Vec<u64>;

        #[inline(always)]
        fn run<const WORDS: usize>(self) -> Vec<u64> {
            let mut out = vec![0; self.2 * self.1.len() / 64];
            by_model::<WORDS>(self.0, self.1, &mut out);
            out
        }
    }

    #[test]
    fn all_lanes_count_as_one_counts_by_hand() {
        let (columns, truth) = answers(515, 700, 2);
        let bits = TruthBits::new(&columns, &truth, 2);
        let mut queries: Vec<u32> = (0..700).rev().chain(0..300).collect();
        queries.resize(queries.len().next_multiple_of(STEP), 700);
        for lanes in Lanes::available() {
            for (tile, rank) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let counts = lanes.run(Counting(bits.rows(tile, rank), &queries));
                for (i, &count) in counts.iter().enumerate() {
                    let right = |answers: &Answers, query: &u32| {
                        let query = *query as usize;
                        query < 700 && answers.ranked(query)[rank] == truth[query]
                    };
                    let expected = columns.get(tile * MODELS + i).map_or(0, |answers| {
                        queries.iter().filter(|query| right(answers, query)).count()
                    });
                    assert_eq!(count as usize, expected, "{lanes:?}, tile {tile}, model {i}");
                }
            }
        }
    }

    #[test]
    fn bits_by_model_are_those_of_the_answers() {
        let (columns, truth) = answers(70, 200, 1);
        let bits = TruthBits::new(&columns, &truth, 1);
        let mut queries: Vec<u32> = (0..200).rev().collect();
        queries.resize(256, 200);
        for lanes in Lanes::available() {
            let words = lanes.run(ByModel(bits.rows(0, 0), &queries, 70));
            for (answers, words) in columns.iter().zip(words.chunks_exact(4)) {
                for (i, &query) in queries.iter().enumerate() {
                    let query = query as usize;
                    let expected = query < 200 && answers.label(query) == truth[query];
                    assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, expected, "{lanes:?}");
                }
            }
        }
    }

    #[test]
    fn a_label_that_comes_twice_counts_at_the_better_rank() {
        let twice = Answers::new(vec![4, 4], 2).unwrap();
        let bits = TruthBits::new(&[twice], &[4], 2);
        assert_eq!((bits.rows(0, 0)[0].0[0], bits.rows(0, 1)[0].0[0]), (1, 0));
    }
}
