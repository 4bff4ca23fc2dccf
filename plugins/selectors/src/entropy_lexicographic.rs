//! The ranking of the authors' code for "Entropy", which compares the terms of the sum one by one.
//!
//! Kept to reproduce published figures: `entropy` is what the paper describes, and detects as well overall.
//!
//! Thibault Maho, Teddy Furon, Erwan Le Merrer: *FBI: Fingerprinting models with Benign Inputs*, 2022,
//! <https://arxiv.org/abs/2208.03169>; code at <https://github.com/t-maho/FBI_fingerprinting>.
//!
//! ```text
//! s_i = [ -p_i(l_1) log2 p_i(l_1), -p_i(l_2) log2 p_i(l_2), ... ]   labels l in the order in which models first give them
//! X' = the floor(head * N) images of largest s, compared as lists (ties by index);  L of them at random
//! ```
//! The terms are never added up, so the label of the first model decides first.
//!
//! # Differences from the paper
//!
//! - The paper ranks by the sum of the terms, as `entropy` does.
//! - The key depends on the order of the models, which is not published with the code. Here the owner's model comes first, then her
//!   peers in the order of the suite; the code's order is the same for all owners.
//! - The authors know all vanillas; an owner here those that the suite lets her know.

use std::cmp::Ordering;

use bertillon::{Answers, InputSelector, Knowledge, Owner, Result, Stream, registry::Configure};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pool::{Head, known_answers};

/// Parameters of `entropy-lexicographic`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Share of the pool, best ranked, from which queries are drawn, above 0 to 1; 0.2 is that of the authors' code.
    pub head: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { head: 0.2 }
    }
}

/// Chooses as the authors' code does.
#[derive(Debug, Clone)]
pub struct EntropyLexicographic {
    head: Head,
}

impl Configure for EntropyLexicographic {
    type Parameters = Params;

    fn configure(Params { head }: Params) -> Result<Self> {
        Ok(Self { head: Head::new(head)? })
    }
}

impl InputSelector for EntropyLexicographic {
    fn knowledge(&self) -> Knowledge {
        Knowledge { peers: true, ..Knowledge::default() }
    }

    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        self.head.check(pool, budget)
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        self.head.draw(&ranking(&known_answers(owner)?), budget, stream)
    }
}

bertillon::register_selector!("entropy-lexicographic", EntropyLexicographic);

/// Images by falling list of terms, ties by index.
fn ranking(models: &[&Answers]) -> Vec<u32> {
    let images = models.iter().map(|answers| answers.len()).min().unwrap_or(0);
    let keys: Vec<Vec<f64>> = (0..images).map(|image| terms(models, image)).collect();
    let mut ranking: Vec<u32> = (0..).take(images).collect();
    ranking.sort_by(|&a, &b| {
        keys[b as usize].partial_cmp(&keys[a as usize]).unwrap_or(Ordering::Equal)
    });
    ranking
}

/// `-p log2 p` of each label given to `image`, in the order in which the models first give them.
fn terms(models: &[&Answers], image: usize) -> Vec<f64> {
    let mut counts: Vec<(u16, u32)> = Vec::with_capacity(models.len());
    for answers in models {
        let label = answers.label(image);
        match counts.iter_mut().find(|(seen, _)| *seen == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let term = |&(_, count): &(u16, u32)| {
        let share = f64::from(count) / models.len() as f64;
        -share * share.log2()
    };
    counts.iter().map(term).collect()
}

#[cfg(test)]
mod tests {
    use bertillon::testkit;

    use super::*;

    #[test]
    fn terms_stand_in_the_order_of_first_sight() {
        let models = [[7, 1], [3, 1], [3, 2], [3, 2]].map(Answers::top1);
        let models: Vec<&Answers> = models.iter().collect();
        // Shares 1/4 then 3/4; 1/2 and 1/2.
        let first = terms(&models, 0);
        assert_eq!(first[0], 0.5);
        assert!((first[1] - 0.311_278_124_459_132_8).abs() < 1e-15);
        assert_eq!(terms(&models, 1), [0.5, 0.5]);
    }

    #[test]
    fn the_first_label_decides_not_the_sum() {
        // Images: [0.5, 0.31] sums to 0.81; [0.31, 0.5] the same; [0.5, 0.5] to 1; [0.5, 0.5, 0.5, 0.5] to 2;
        // [0.5, 0.5, 0.5] (shares 1/4, 1/2, 1/4) to 1.5; [0]; [0.5, 0.31] again.
        let models = [
            [0, 0, 0, 0, 0, 0, 0],
            [1, 0, 0, 1, 1, 0, 1],
            [1, 0, 1, 2, 1, 0, 1],
            [1, 1, 1, 3, 2, 0, 1],
        ]
        .map(Answers::top1);
        assert_eq!(ranking(&models.iter().collect::<Vec<_>>()), [3, 4, 2, 0, 6, 1, 5]);
    }

    #[test]
    fn its_head_is_checked_as_that_of_entropy() {
        let selector = EntropyLexicographic::configure(Params { head: 0.1 }).unwrap();
        assert!(selector.check(1000, 50).is_ok());
        assert!(selector.check(1000, 51).is_err());
        assert!(EntropyLexicographic::configure(Params { head: 1.5 }).is_err());
        let owner = testkit::owner(100);
        assert!(selector.select(&owner, 6, &mut Stream::named(0, ["draw"])).is_err());
        assert_eq!(selector.select(&owner, 5, &mut Stream::named(0, ["draw"])).unwrap().len(), 5);
    }
}
