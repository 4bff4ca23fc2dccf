//! Distances between every two of many models.

use rayon::prelude::*;

use super::terms::{Terms, normalised};
use crate::{
    Access, AnswerTable, Answers, Error, Result,
    bits::{MODELS, Row, STEP, TruthBits, by_model, count},
    lanes::{Lanes, Work},
};

/// Mutual-information distances between every two of some models, on one set of queries.
///
/// Symbols are right and wrong, as the best label tells (see [`Statistic::MutualInformation`]). The matrix is symmetric
/// to the bit; a model is at distance 0 from itself, or `+inf` where it is always right or always wrong.
///
/// # Shapes
/// f64 `[models, models]`, row-major.
///
/// [`Statistic::MutualInformation`]: crate::Statistic::MutualInformation
#[derive(Debug, Clone, PartialEq)]
pub struct PairDistances {
    distances: Vec<f64>,
    models: usize,
}

impl PairDistances {
    /// Distances on all queries that the models answered.
    ///
    /// # Errors
    /// When there is no model or no query, or lengths disagree.
    pub fn of(models: &[Answers], truth: &[u16]) -> Result<Self> {
        let best: Vec<Answers> = models
            .iter()
            .map(|answers| answers.restricted_to(Access::Top1))
            .collect::<Result<_>>()?;
        let table = AnswerTable::with_truth(&best, truth)?;
        let queries: Vec<u32> = (0..).take(truth.len()).collect();
        Self::on(&table, &queries)
    }

    /// Distances on some of the queries of a table, which are rows of it.
    ///
    /// Threads of the current rayon pool share the work.
    ///
    /// # Errors
    /// When there is no query, or the table does not know the true labels.
    ///
    /// # Panics
    /// When a query is not a row of the table.
    pub fn on(table: &AnswerTable, queries: &[u32]) -> Result<Self> {
        let (truth, bits) = table.truth_bits().ok_or(Error::NoTruth)?;
        if queries.is_empty() {
            return Err(Error::Empty("distances between models need a query"));
        }
        assert!(queries.iter().all(|&row| (row as usize) < truth.len()), "row beyond the table");
        let models = table.models();
        let lanes = Lanes::widest();
        let shared = Shared::new(lanes, bits, queries, models);
        let mut distances = vec![0.0; models * models];
        distances.par_chunks_mut(models).enumerate().for_each_init(
            Vec::new,
            |rows, (model, out)| {
                lanes.run(PairRow { shared: &shared, model, rows, out });
            },
        );
        // A row starts at the tile of its model: what stands before is the mirror image of earlier rows.
        for i in MODELS..models {
            for j in 0..i / MODELS * MODELS {
                distances[i * models + j] = distances[j * models + i];
            }
        }
        Ok(Self { distances, models })
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Distance between two models.
    ///
    /// # Panics
    /// When a model is out of range.
    pub fn distance(&self, a: usize, b: usize) -> f64 {
        self.row(a)[b]
    }

    /// Distances of all models to one.
    ///
    /// # Panics
    /// When the model is out of range.
    pub fn row(&self, model: usize) -> &[f64] {
        assert!(model < self.models, "model {model} of {}", self.models);
        &self.distances[model * self.models..][..self.models]
    }
}

/// What all rows of the matrix need.
struct Shared<'a> {
    bits: &'a TruthBits,
    /// Rows of the queries, padded to a multiple of 64 by rows of zeros.
    queries: Vec<u32>,
    /// Row of zeros.
    zeros: u32,
    /// Number of queries.
    total: usize,
    /// Bits of the queries, model by model.
    words: Vec<u64>,
    /// Queries that each model answers rightly.
    hits: Vec<u32>,
    /// Entropy of each model, times the number of queries.
    entropies: Vec<f64>,
    /// Terms of all counts.
    terms: std::borrow::Cow<'static, [f64]>,
}

impl<'a> Shared<'a> {
    fn new(lanes: Lanes, bits: &'a TruthBits, queries: &[u32], models: usize) -> Self {
        let total = queries.len();
        let zeros = u32::try_from(bits.zeros()).expect("rows are counted in u32");
        let mut queries = queries.to_vec();
        queries.resize(total.next_multiple_of(64), zeros);
        let length = queries.len() / 64;
        let mut words = vec![0; models * length];
        words.par_chunks_mut(MODELS * length).enumerate().for_each(|(tile, out)| {
            lanes.run(Transposed { rows: bits.rows(tile, 0), queries: &queries, out });
        });
        let hits: Vec<u32> = words
            .chunks_exact(length)
            .map(|words| words.iter().map(|word| word.count_ones()).sum())
            .collect();
        let terms = Terms::of(total as u64).all();
        let entropy =
            |&hits: &u32| terms[total] - (terms[hits as usize] + terms[total - hits as usize]);
        let entropies = hits.iter().map(entropy).collect();
        Self { bits, queries, zeros, total, words, hits, entropies, terms }
    }
}

struct Transposed<'a> {
    rows: &'a [Row],
    queries: &'a [u32],
    out: &'a mut [u64],
}

impl Work for Transposed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WORDS: usize>(self) {
        by_model::<WORDS>(self.rows, self.queries, self.out);
    }
}

/// Distances of one model to those of its own tile and of later ones.
struct PairRow<'a> {
    shared: &'a Shared<'a>,
    model: usize,
    /// Scratch.
    rows: &'a mut Vec<u32>,
    out: &'a mut [f64],
}

impl Work for PairRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WORDS: usize>(self) {
        let Self { shared, model, rows, out } = self;
        let right = shared.hits[model] as usize;
        let wrong = shared.total - right;
        // Whom the fewer queries tell apart: how many of the others a suspect answers rightly follows from its hits.
        let few_right = right <= wrong;
        let flip = if few_right { 0 } else { u64::MAX };
        let length = shared.queries.len() / 64;
        let words = &shared.words[model * length..][..length];
        let rows = select(words, flip, shared, rows);
        let terms = &*shared.terms;
        let row = shared.entropies[model];
        let given = row - terms[shared.total];
        let mut counts = [0; MODELS];
        let mut informations = [0.0; MODELS];
        let first = model / MODELS;
        for (tile, out) in out.chunks_mut(MODELS).enumerate().skip(first) {
            count::<WORDS>(shared.bits.rows(tile, 0), rows, &mut counts);
            let hits = &shared.hits[tile * MODELS..][..out.len()];
            let columns = &shared.entropies[tile * MODELS..][..out.len()];
            let looked_up = informations.iter_mut().zip(&counts).zip(hits).zip(columns);
            for (((information, &counted), &hits), column) in looked_up {
                let rest = hits.wrapping_sub(counted) as usize;
                let counted = counted as usize;
                let (both, alone) = if few_right { (counted, rest) } else { (rest, counted) };
                let joint = (terms[both] + terms[right.wrapping_sub(both)])
                    + (terms[alone] + terms[wrong.wrapping_sub(alone)]);
                *information = (given + joint) + column;
            }
            for ((out, &column), &information) in out.iter_mut().zip(columns).zip(&informations) {
                *out = normalised(row, column, information);
            }
        }
    }
}

/// Writes the rows of the queries whose bit, flipped or not, is set, padded by rows of zeros, and returns them.
#[inline(always)]
fn select<'a>(words: &[u64], flip: u64, shared: &Shared<'_>, out: &'a mut Vec<u32>) -> &'a [u32] {
    // Room for a step beyond the last row.
    out.resize(shared.queries.len() + 2 * STEP, shared.zeros);
    let mut end = 0;
    for (&word, queries) in words.iter().zip(shared.queries.as_chunks::<64>().0) {
        let mut word = word ^ flip;
        let mut place = end;
        end += word.count_ones() as usize;
        // A whole step at a time, more often than not too much: cheaper than to ask after each bit.
        while place < end {
            for out in &mut out[place..place + STEP] {
                *out = queries[word.trailing_zeros() as usize & 63];
                word &= word.wrapping_sub(1);
            }
            place += STEP;
        }
    }
    let padded = end.next_multiple_of(STEP);
    out[end..padded].fill(shared.zeros);
    &out[..padded]
}
