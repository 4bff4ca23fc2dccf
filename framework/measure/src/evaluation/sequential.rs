//! Tests that choose each query by what the answers so far leave open, when every model is known.
//!
//! All models, variants included, are known with their answers to every image, and a black box is one of them and
//! answers without noise. `R` is what remains of them. Greedy, as in Maho, Furon and Le Merrer 2022; a score is the
//! smaller the better, with `n_f(l)` members of the hypothesis `f` and `n_o(l)` others in `R` that answer `l`:
//!
//! ```text
//! detection        mean   sum over l of n_f(l) / |f in R| * n_o(l)      expected others left
//!                  worst  max over l of n_f(l) / |f in R| * n_o(l)
//!                  best   #others whose answer some member of f gives   most others surely excluded
//! identification   mean   sum over l of n(l) / |R| * #groups(l)         expected groups left
//!                  worst  max over l of #groups(l)
//! ```
//! A detection ends when all of `R` is in `f` (positive), none is (negative), or what remains is as good as identical:
//! every adjacent pair of `R`, in the order of the models, differs on at most one image (unknown). An identification
//! ends when one group remains (named) or no image splits `R` (unknown).
//!
//! Only images that split `R` are asked. For `mean` and `worst` of a detection that is no restriction; elsewhere an image
//! that splits nothing can tie with one that does, and the authors' loop would ask it for ever or give up. Among equal
//! scores the first image is asked (the authors draw one at random when they identify). The number of queries then
//! depends on the answers alone: models that answer alike share their path, so that a tree gives every couple
//! (hypothesis, model) instead of a sample of them.

use std::collections::BTreeMap;

use crate::{
    Error, Result,
    results::{Quantile, QueriesToDecision},
};

mod detection;
mod identification;
mod observations;

pub use detection::{Couple, Decision, DetectedKnown, detect_known};
pub use identification::{IdentifiedKnown, Named, identify_known};
pub use observations::Observations;

/// Shares of cases decided by a number of queries that is reported; 1 for the largest.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// A share this little above a sum of weights is rounding.
const ROUNDING: f64 = 1e-9;

/// By what the next query is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// What is expected to remain.
    Mean,
    /// What remains after the worst answer.
    Worst,
    /// What remains after the best answer; detection only.
    Best,
}

impl Score {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Worst => "worst",
            Self::Best => "best",
        }
    }
}

/// How cases ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Cases counted.
    pub cases: usize,
    /// Weighted share decided rightly.
    pub correct: f64,
    /// Weighted share decided wrongly: 0 as long as the black box is a known model.
    pub wrong: f64,
    /// Weighted share left undecided.
    pub abstained: f64,
    /// Queries until the end, undecided cases included.
    pub queries: QueriesToDecision,
}

/// What a decision was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Correct,
    Wrong,
    Abstained,
}

/// Adds up weighted cases.
#[derive(Debug, Default)]
struct Counter {
    cases: usize,
    by_verdict: [f64; 3],
    by_queries: BTreeMap<u32, f64>,
}

impl Counter {
    fn add(&mut self, verdict: Verdict, queries: u32, weight: f64) {
        self.cases += 1;
        self.by_verdict[verdict as usize] += weight;
        *self.by_queries.entry(queries).or_default() += weight;
    }

    /// Shares and quantiles; none without cases.
    fn tally(&self) -> Option<Tally> {
        let total: f64 = self.by_queries.values().sum();
        let (&most, _) = self.by_queries.last_key_value()?;
        let quantile = |share: f64| {
            let mut seen = 0.0;
            let reached = self.by_queries.iter().find(|&(_, weight)| {
                seen += weight;
                seen >= share * total * (1.0 - ROUNDING)
            });
            Quantile { share, queries: reached.map_or(most, |(&queries, _)| queries) }
        };
        let sum: f64 = self.by_queries.iter().map(|(&n, weight)| f64::from(n) * weight).sum();
        // By their own sum, which is 1 to the bit when all cases end alike.
        let verdicts: f64 = self.by_verdict.iter().sum();
        let [correct, wrong, abstained] = self.by_verdict.map(|weight| weight / verdicts);
        let queries =
            QueriesToDecision { mean: sum / total, quantiles: QUANTILES.map(quantile).to_vec() };
        Some(Tally { cases: self.cases, correct, wrong, abstained, queries })
    }
}

/// Models that remain after some answers, and the images worth asking next.
struct Node {
    /// In an order that all nodes keep.
    models: Vec<u32>,
    /// Images that split the parent; no other splits these.
    images: std::rc::Rc<[u32]>,
    /// Asked so far.
    queries: u32,
}

impl Node {
    /// What each answer to `image` leaves; `images` are those that split this node.
    fn answered(&self, observations: &Observations, image: u32, images: Vec<u32>) -> Vec<Self> {
        let row = observations.row(image);
        let images: std::rc::Rc<[u32]> = images.into();
        let mut children: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for &model in &self.models {
            children.entry(row[model as usize]).or_default().push(model);
        }
        let child = |models| Self { models, images: images.clone(), queries: self.queries + 1 };
        children.into_values().map(child).collect()
    }
}

/// Groups as numbers from 0 without gaps, in the order of their first members, with their sizes.
fn compact(groups: &[usize], observations: &Observations) -> Result<(Vec<u32>, Vec<u32>)> {
    Error::require_length("groups of models", observations.models(), groups.len())?;
    let (mut numbers, mut sizes) = (BTreeMap::new(), Vec::new());
    let mut compact = Vec::with_capacity(groups.len());
    for group in groups {
        let number = *numbers.entry(group).or_insert(sizes.len());
        if number == sizes.len() {
            sizes.push(0);
        }
        sizes[number] += 1;
        compact.push(u32::try_from(number).expect("models are counted in u16"));
    }
    Ok((compact, sizes))
}

#[cfg(test)]
mod tests;
