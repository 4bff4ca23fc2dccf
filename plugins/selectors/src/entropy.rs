//! Images on which the models that the owner knows disagree most ("Entropy").
//!
//! An image that every network answers alike tells no model from another. Images are ranked by the empirical
//! entropy of the labels that the owner's model and her peers give, and queries are drawn from the head.
//!
//! Thibault Maho, Teddy Furon, Erwan Le Merrer: *FBI: Fingerprinting models with Benign Inputs*, 2022,
//! <https://arxiv.org/abs/2208.03169>, section V, selection "Entropy".
//!
//! ```text
//! H_i = - sum over labels l of p_i(l) log2 p_i(l),  p_i(l) = share of the models known that answer l to image i
//! X' = the floor(head * N) images of largest H (ties by index);  L of them at random without replacement
//! ```
//!
//! # Differences from the paper
//!
//! - The paper ranks with "several models", its authors' code with all vanillas, later false suspects among them.
//!   Here the owner has her own answers and those of the peers that the suite lets her know.
//! - The paper leaves the size of the head open; 0.2 is what the code uses. A head of fewer than two budgets is refused, since its
//!   draws would be much the same.
//! - The code ranks by another key, by mistake it seems: see `entropy-lexicographic`.
//! - The code's entropy for top-k answers is that of the ranked tuples; here it is always that of the best labels.

use bertillon::{
    InputSelector, Knowledge, Owner, Result, Stream, entropy_ranking, label_entropies,
    registry::Configure,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pool::{Head, known_answers};

/// Parameters of `entropy`.
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

/// Chooses where models disagree.
#[derive(Debug, Clone)]
pub struct Entropy {
    head: Head,
}

impl Configure for Entropy {
    type Parameters = Params;

    fn configure(Params { head }: Params) -> Result<Self> {
        Ok(Self { head: Head::new(head)? })
    }
}

impl InputSelector for Entropy {
    fn knowledge(&self) -> Knowledge {
        Knowledge { peers: true, ..Knowledge::default() }
    }

    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        self.head.check(pool, budget)
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        let ranking = owner.remembered("entropy: ranking", || {
            Ok(entropy_ranking(&label_entropies(&known_answers(owner)?)?))
        })?;
        self.head.draw(&ranking, budget, stream)
    }
}

bertillon::register_selector!("entropy", Entropy);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bertillon::{Answers, Peer, Pool, testkit};

    use super::*;

    /// An owner with three peers and ten images.
    fn owner() -> Owner {
        let peer = |labels: [u16; 10]| Peer { name: "peer".into(), answers: Answers::top1(labels) };
        Owner {
            answers: Answers::top1([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
            peers: vec![
                peer([0, 1, 2, 3, 0, 1, 0, 3, 0, 1]),
                peer([0, 1, 2, 3, 1, 2, 1, 0, 0, 2]),
                peer([0, 1, 2, 3, 0, 2, 3, 0, 0, 3]),
            ],
            pool: Arc::new(Pool { images: None, truth: [0; 10].into(), classes: 4 }),
            ..testkit::owner(1)
        }
    }

    #[test]
    fn queries_come_from_the_images_of_largest_entropy() {
        // Entropies in bits: 6 has 2, 9 has 1.5, 5 and 7 have 1, 4 has 0.81, the others 0.
        let mut chosen = [0_u32; 10];
        let entropy = Entropy::configure(Params { head: 0.4 }).unwrap();
        for draw in 0..400 {
            let images = entropy.select(&owner(), 2, &mut Stream::named(draw, ["draw"])).unwrap();
            images.iter().for_each(|&image| chosen[image as usize] += 1);
        }
        for (image, &count) in chosen.iter().enumerate() {
            match [5, 6, 7, 9].contains(&image) {
                // 200 expected, standard deviation 10.
                true => assert!((150..250).contains(&count), "{chosen:?}"),
                false => assert_eq!(count, 0, "{chosen:?}"),
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        // Images 5 and 7 are tied for the third place, 0 comes first among those that all answer alike.
        let chosen = |share| {
            let entropy = Entropy::configure(Params { head: share }).unwrap();
            let mut head = std::collections::BTreeSet::new();
            for draw in 0..200 {
                head.extend(entropy.select(&owner(), 1, &mut Stream::named(draw, ["d"])).unwrap());
            }
            head.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(chosen(0.3), [5, 6, 9]);
        assert_eq!(chosen(0.6), [0, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn an_owner_without_peers_is_refused() {
        let lonely = Owner { peers: Vec::new(), ..owner() };
        let entropy = Entropy::configure(Params::default()).unwrap();
        let error = entropy.select(&lonely, 1, &mut Stream::named(0, ["draw"])).unwrap_err();
        assert!(error.to_string().starts_with("owner `toy-0` knows no peer"), "{error}");
    }

    #[test]
    fn a_head_of_fewer_than_two_budgets_is_an_error_of_the_plan() {
        let entropy = Entropy::configure(Params::default()).unwrap();
        assert!(entropy.check(1000, 100).is_ok());
        let error = entropy.check(1000, 101).unwrap_err().to_string();
        assert!(error.ends_with("set it to 0.202 or more"), "{error}");
        assert!(Entropy::configure(Params { head: 0.0 }).is_err());
    }
}
