//! Images that the owner's model answers rightly and wrongly, in a fixed proportion ("50/50", "30/70").
//!
//! A model that is right on nine images of ten says little with each answer; one that is asked half of its
//! mistakes says up to one bit.
//!
//! Thibault Maho, Teddy Furon, Erwan Le Merrer: *FBI: Fingerprinting models with Benign Inputs*, 2022,
//! <https://arxiv.org/abs/2208.03169>, section V, selections "50/50" and "30/70" (30 % right, 70 % wrong).
//!
//! ```text
//! n_wrong = floor(L * wrong);  n_right = L - n_wrong
//! X' = n_wrong of her mistakes and n_right of her right answers at random, without replacement
//! ```
//! Wrong and right images alternate in that proportion, so that the first l of L queries are the choice for a
//! budget of l.
//!
//! # Differences from the paper
//!
//! None known. Its authors' code draws the same way; the order of the queries within a set has no effect there.

use bertillon::{
    Error, InputSelector, Knowledge, Owner, Result, Rightly, Stream, registry::Configure,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pool::{check_budget, whole};

/// Parameters of `correctness`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Share of the queries that the owner's model answers wrongly, 0 to 1; 0.7 is the paper's better one (0.5 the other).
    pub wrong: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { wrong: 0.7 }
    }
}

/// Chooses by whether the owner's model is right.
#[derive(Debug, Clone)]
pub struct Correctness {
    wrong: f64,
}

impl Configure for Correctness {
    type Parameters = Params;

    fn configure(Params { wrong }: Params) -> Result<Self> {
        match (0.0..=1.0).contains(&wrong) {
            true => Ok(Self { wrong }),
            false => Err(Error::parameter("wrong", wrong, "a share from 0 to 1")),
        }
    }
}

impl InputSelector for Correctness {
    fn knowledge(&self) -> Knowledge {
        Knowledge { labels: true, ..Knowledge::default() }
    }

    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        check_budget(pool, budget)
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        self.check(owner.pool.len(), budget)?;
        let wrong = owner.answered(Rightly::Wrong)?;
        let right = owner.answered(Rightly::Right)?;
        let needed = whole(self.wrong, budget);
        self.require(owner, wrong.len(), "wrongly", needed, budget)?;
        self.require(owner, right.len(), "rightly", budget - needed, budget)?;
        // Streams of their own: how many are drawn of one has no effect on the other.
        let mut wrong = stream.child("wrong").sample(&wrong, needed).into_iter();
        let mut right = stream.child("right").sample(&right, budget - needed).into_iter();
        let next = |i: usize| match whole(self.wrong, i + 1) > whole(self.wrong, i) {
            true => wrong.next(),
            false => right.next(),
        };
        Ok((0..budget).filter_map(next).collect())
    }
}

impl Correctness {
    fn require(
        &self,
        owner: &Owner,
        available: usize,
        how: &str,
        needed: usize,
        budget: usize,
    ) -> Result<()> {
        if available >= needed {
            return Ok(());
        }
        let Owner { name, pool, .. } = owner;
        Err(Error::Refused(format!(
            "owner `{name}` answers {available} of {} images {how}, and a budget of {budget} with `wrong` = {} \
             needs {needed}: lower the budget, change `wrong` or enlarge the pool",
            pool.len(),
            self.wrong
        )))
    }
}

bertillon::register_selector!("correctness", Correctness);

#[cfg(test)]
mod tests {
    use bertillon::testkit;

    use super::*;

    fn selector(wrong: f64) -> Correctness {
        Correctness::configure(Params { wrong }).unwrap()
    }

    fn wrong_among(owner: &Owner, images: &[u32]) -> usize {
        let is_wrong = |&&i: &&u32| owner.answers.label(i as usize) != owner.pool.truth[i as usize];
        images.iter().filter(is_wrong).count()
    }

    #[test]
    fn the_share_of_mistakes_is_exact_for_every_prefix() {
        let owner = testkit::owner(400);
        for (wrong, counts) in [(0.7, [7, 14, 35]), (0.5, [5, 10, 25]), (0.29, [2, 5, 14])] {
            let select = |budget| {
                selector(wrong).select(&owner, budget, &mut Stream::named(3, ["draw"])).unwrap()
            };
            let all = select(50);
            for (budget, count) in [10, 20, 50].into_iter().zip(counts) {
                assert_eq!(wrong_among(&owner, &all[..budget]), count, "{budget} of {wrong}");
                assert_eq!(select(budget), all[..budget]);
            }
        }
    }

    #[test]
    fn all_or_none_of_the_queries_may_be_mistakes() {
        let owner = testkit::owner(200);
        let select =
            |wrong| selector(wrong).select(&owner, 20, &mut Stream::named(3, ["draw"])).unwrap();
        assert_eq!(wrong_among(&owner, &select(1.0)), 20);
        assert_eq!(wrong_among(&owner, &select(0.0)), 0);
    }

    #[test]
    fn too_few_mistakes_are_refused_by_owner_and_counts() {
        let owner = testkit::owner(100);
        let available = owner.answered(Rightly::Wrong).unwrap().len();
        assert!(available < 70);
        let error = selector(0.7).select(&owner, 100, &mut Stream::named(3, ["draw"])).unwrap_err();
        let expected = format!(
            "owner `toy-0` answers {available} of 100 images wrongly, and a budget of 100 with `wrong` = 0.7 needs 70"
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        let error = selector(0.0).select(&owner, 100, &mut Stream::named(3, ["draw"])).unwrap_err();
        assert!(error.to_string().contains("images rightly"), "{error}");
    }

    #[test]
    fn a_share_outside_0_to_1_is_refused() {
        for wrong in [-0.1, 1.01, f64::NAN] {
            assert!(Correctness::configure(Params { wrong }).is_err());
        }
    }
}
