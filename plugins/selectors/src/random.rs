//! Random images of the pool ("All").
//!
//! Every image is as likely as any other, and no image comes twice: the plainest choice, and the one that needs
//! no knowledge.
//!
//! Thibault Maho, Teddy Furon, Erwan Le Merrer: *FBI: Fingerprinting models with Benign Inputs*, 2022,
//! <https://arxiv.org/abs/2208.03169>, section V, selection "All".
//!
//! ```text
//! X' = X;  L images of X' without replacement
//! ```
//!
//! # Differences from the paper
//!
//! None known.

use bertillon::{InputSelector, Owner, Result, Stream, registry::Configure};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pool::check_budget;

/// Parameters of `random`: none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

/// Chooses at random.
#[derive(Debug, Clone)]
pub struct Random;

impl Configure for Random {
    type Parameters = Params;

    fn configure(_: Params) -> Result<Self> {
        Ok(Self)
    }
}

impl InputSelector for Random {
    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        check_budget(pool, budget)
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        self.check(owner.pool.len(), budget)?;
        Ok(stream.sample_indices(owner.pool.len(), budget))
    }
}

bertillon::register_selector!("random", Random);

#[cfg(test)]
mod tests {
    use bertillon::testkit;

    use super::*;

    #[test]
    fn every_image_is_as_likely_as_any_other() {
        let owner = testkit::owner(20);
        let mut chosen = [0_u32; 20];
        for draw in 0..2000 {
            let mut stream = Stream::named(draw, ["draw"]);
            for image in Random.select(&owner, 5, &mut stream).unwrap() {
                chosen[image as usize] += 1;
            }
        }
        // 500 expected each, standard deviation 19.
        assert!(chosen.iter().all(|count| (400..600).contains(count)), "{chosen:?}");
    }

    #[test]
    fn the_whole_pool_can_be_chosen_and_no_more() {
        let owner = testkit::owner(20);
        let mut all = Random.select(&owner, 20, &mut Stream::named(1, ["draw"])).unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        let error = Random.select(&owner, 21, &mut Stream::named(1, ["draw"])).unwrap_err();
        assert!(error.to_string().contains("21 queries exceeds the pool of 20 images"), "{error}");
    }
}
