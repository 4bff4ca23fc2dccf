//! Input selectors: which images of the pool an owner asks.

use crate::{Knowledge, Owner, Result, Stream};

/// Chooses benign queries.
pub trait InputSelector: Send + Sync {
    /// What the owner must know for it.
    fn knowledge(&self) -> Knowledge {
        Knowledge::default()
    }

    /// Recipes of what it is made of beside its own source, for cache keys; none for one that does all itself.
    fn ingredients(&self) -> Vec<String> {
        Vec::new()
    }

    /// Refuses a budget that the pool can't serve, before anything is computed.
    ///
    /// # Errors
    /// When `budget` queries can't be chosen from `pool` images.
    fn check(&self, pool: usize, budget: usize) -> Result<()> {
        let _ = (pool, budget);
        Ok(())
    }

    /// `budget` distinct indices into the pool.
    ///
    /// With the same stream a smaller budget should give a prefix of a larger one.
    ///
    /// # Errors
    /// When this owner can't choose as many; never a silent refill.
    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>>;
}
