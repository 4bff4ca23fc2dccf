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
//! - The key depends on the order of the models, which is not published with the code. Here they come by name.
//! - The authors know all vanillas; an owner here those that the suite lets her know.

use bertillon::{Answers, InputSelector, Knowledge, Owner, Result, Stream, registry::Configure};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pool::{Head, require_peers};

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
        let ranking = owner.remembered("entropy-lexicographic: ranking", || {
            require_peers(owner)?;
            // By name, so that owners who know each other rank alike, as the code's do.
            let mut models: Vec<(&str, &Answers)> = vec![(&owner.name, &owner.answers)];
            models.extend(owner.peers.iter().map(|peer| (peer.name.as_str(), &peer.answers)));
            models.sort_by_key(|(name, _)| *name);
            Ok(ranking(&models.into_iter().map(|(_, answers)| answers).collect::<Vec<_>>()))
        })?;
        self.head.draw(&ranking, budget, stream)
    }
}

bertillon::register_selector!("entropy-lexicographic", EntropyLexicographic);

/// Images by falling list of terms, ties by index.
fn ranking(models: &[&Answers]) -> Vec<u32> {
    let images = models.iter().map(|answers| answers.len()).min().unwrap_or(0);
    let places = places(models.len());
    // A list that ends is smaller than one that goes on, as a term of 0 is than any other.
    let mut keys = vec![0_u8; images * models.len()];
    for (image, key) in keys.chunks_exact_mut(models.len().max(1)).enumerate() {
        for (place, count) in key.iter_mut().zip(counts(models, image)) {
            *place = places[count];
        }
    }
    let key = |image: u32| {
        let start = image as usize * models.len();
        &keys[start..start + models.len()]
    };
    let mut ranking: Vec<u32> = (0..).take(images).collect();
    ranking.sort_by(|&a, &b| key(b).cmp(key(a)));
    ranking
}

/// How many models give each label, in the order in which they first give it.
fn counts(models: &[&Answers], image: usize) -> Vec<usize> {
    let mut counts: Vec<(u16, usize)> = Vec::with_capacity(4);
    for answers in models {
        let label = answers.label(image);
        match counts.iter_mut().find(|(seen, _)| *seen == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    counts.into_iter().map(|(_, count)| count).collect()
}

/// For each count of `models` models, the place of its term `-p log2 p` among all terms, from 0 for the smallest;
/// equal terms have the same.
fn places(models: usize) -> Vec<u8> {
    let term = |count: usize| {
        let share = count as f64 / models as f64;
        if count == 0 { 0.0 } else { (-share * share.log2()).max(0.0) }
    };
    let terms: Vec<f64> = (0..=models).map(term).collect();
    let mut distinct = terms.clone();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let place = |term: &f64| distinct.partition_point(|other| other < term);
    terms.iter().map(|term| u8::try_from(place(term)).unwrap_or(u8::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use bertillon::testkit;

    use super::*;

    #[test]
    fn labels_are_counted_in_the_order_of_first_sight() {
        let models = [[7, 1], [3, 1], [3, 2], [3, 2]].map(Answers::top1);
        let models: Vec<&Answers> = models.iter().collect();
        assert_eq!((counts(&models, 0), counts(&models, 1)), (vec![1, 3], vec![2, 2]));
        // Terms of 0 to 4 of four models: 0, 0.5, 0.5, 0.31, 0.
        assert_eq!(places(4), [0, 2, 2, 1, 0]);
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
