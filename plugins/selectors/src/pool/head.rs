//! The head of a ranking of the pool, from which queries are drawn.

use bertillon::{Answers, Error, Owner, Result, Stream};

use super::{check_budget, whole};

/// The best-ranked share of the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    share: f64,
}

impl Head {
    /// A head of a share in `(0, 1]`, the parameter `head`.
    pub(crate) fn new(share: f64) -> Result<Self> {
        match share > 0.0 && share <= 1.0 {
            true => Ok(Self { share }),
            false => Err(Error::parameter("head", share, "a share of the pool above 0, at most 1")),
        }
    }

    /// Refuses a head of fewer images than two budgets: its draws would be much the same.
    pub(crate) fn check(self, pool: usize, budget: usize) -> Result<()> {
        check_budget(pool, budget)?;
        let size = whole(self.share, pool);
        if size >= 2 * budget {
            return Ok(());
        }
        let found = format!(
            "`head` = {} of {pool} images is {size}, fewer than twice the budget of {budget}",
            self.share
        );
        // Rounded up to four decimals.
        let enough = (2 * budget * 10_000).div_ceil(pool) as f64 / 10_000.0;
        Err(Error::Refused(match enough <= 1.0 {
            true => format!("{found}: set it to {enough} or more"),
            false => format!("{found}: a pool of {} images or more would do", 2 * budget),
        }))
    }

    /// `budget` images of the head at random, none twice; a smaller budget gives a prefix.
    pub(crate) fn draw(
        self,
        ranking: &[u32],
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Vec<u32>> {
        self.check(ranking.len(), budget)?;
        Ok(stream.sample(&ranking[..whole(self.share, ranking.len())], budget))
    }
}

/// The owner's own answers, then those of her peers in their order.
///
/// # Errors
/// When she knows no peer: alone she sees no disagreement.
pub(crate) fn known_answers(owner: &Owner) -> Result<Vec<&Answers>> {
    require_peers(owner)?;
    Ok(std::iter::once(&owner.answers)
        .chain(owner.peers.iter().map(|peer| &peer.answers))
        .collect())
}

/// Refuses an owner who knows no peer: alone she sees no disagreement.
pub(crate) fn require_peers(owner: &Owner) -> Result<()> {
    match owner.peers.is_empty() {
        false => Ok(()),
        true => Err(Error::Refused(format!(
            "owner `{}` knows no peer, and the entropy of her answers alone is 0 for every image: let her know peers",
            owner.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_too_small_says_which_share_would_do() {
        let message = |share, pool, budget| {
            Head::new(share).unwrap().check(pool, budget).unwrap_err().to_string()
        };
        assert_eq!(
            message(0.2, 1000, 150),
            "`head` = 0.2 of 1000 images is 200, fewer than twice the budget of 150: set it to 0.3 or more"
        );
        assert!(message(0.5, 999, 250).ends_with("set it to 0.5006 or more"));
        assert!(Head::new(0.5006).unwrap().check(999, 250).is_ok());
        assert!(message(0.2, 100, 80).ends_with("a pool of 160 images or more would do"));
        assert!(message(0.2, 100, 101).contains("exceeds the pool of 100 images"));
        assert!(Head::new(0.2).unwrap().check(1000, 100).is_ok());
    }

    #[test]
    fn a_head_is_a_share_above_zero() {
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(Head::new(share).unwrap_err().to_string().starts_with("`head` = "));
        }
    }
}
