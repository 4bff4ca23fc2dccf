//! Weights of families for several replicates at once, one in each lane, so that one pass serves them all.

use super::{
    lanes::{LANES, Lanes, MOST},
    population::Population,
};
use crate::{Error, Result};

/// What the weights of families make of the pairs.
#[derive(Debug)]
pub(super) struct Weights {
    /// Of each family.
    pub(super) families: Vec<Lanes>,
    /// The same as floating-point numbers.
    pub(super) real: Vec<[f64; LANES]>,
    /// Of a false pair, by pair of families: the product of the two.
    pub(super) pairs: Vec<Lanes>,
    /// Of all false pairs of a scope.
    pub(super) totals: Vec<Lanes>,
    /// Of all true pairs of a leaf.
    pub(super) positives: Vec<Lanes>,
    /// Of all pairs that touch an ancestry group.
    touching: Vec<[u64; LANES]>,
}

impl Weights {
    /// Weights of zero.
    pub(super) fn new(population: &Population) -> Self {
        Self {
            families: vec![[0; LANES]; population.families],
            real: vec![[0.0; LANES]; population.families],
            pairs: vec![[0; LANES]; population.pairs.len()],
            totals: vec![[0; LANES]; population.scopes()],
            positives: vec![[0; LANES]; population.leaves.len()],
            touching: vec![[0; LANES]; population.scopes() + 1],
        }
    }

    /// Weighs the pairs by the weights of families as they are now.
    ///
    /// # Errors
    /// When there are more than 2^30 weighted pairs, over all draws together for true ones.
    pub(super) fn weigh(&mut self, population: &Population) -> Result<()> {
        self.real.iter_mut().zip(&self.families).for_each(|(to, w)| *to = w.map(f64::from));
        self.touching.fill([0; LANES]);
        let mut all = [0; LANES];
        for (pair, weights) in population.pairs.iter().zip(&mut self.pairs) {
            let (owner, suspect) = (&self.families[pair.owner], &self.families[pair.suspect]);
            *weights = std::array::from_fn(|lane| owner[lane].wrapping_mul(suspect[lane]));
            let count = u64::from(pair.count);
            let pairs: [u64; LANES] =
                weights.map(|w| u64::from(w.cast_unsigned()).wrapping_mul(count));
            add_wide(&mut all, &pairs);
            add_wide(&mut self.touching[pair.sides.owner as usize], &pairs);
            add_wide(&mut self.touching[pair.sides.other as usize], &pairs);
        }
        for (total, touching) in self.totals.iter_mut().zip(&self.touching) {
            let within: [u64; LANES] = std::array::from_fn(|lane| all[lane] - touching[lane]);
            *total = counted(within, 1)?;
        }
        for (positives, leaf) in self.positives.iter_mut().zip(&population.leaves) {
            let mut sum = [0; LANES];
            for (&count, weights) in leaf.by_family.iter().zip(&self.families) {
                let count = u64::from(count);
                add_wide(
                    &mut sum,
                    &weights.map(|w| u64::from(w.cast_unsigned()).wrapping_mul(count)),
                );
            }
            *positives = counted(sum, population.draws.len())?;
        }
        Ok(())
    }
}

/// Adds lane by lane; wrapping, for larger sums are refused afterwards, long before they could wrap.
fn add_wide(to: &mut [u64; LANES], more: &[u64; LANES]) {
    *to = std::array::from_fn(|lane| to[lane].wrapping_add(more[lane]));
}

/// Counts that, `times` over, can be added up in lanes.
fn counted(counts: [u64; LANES], times: usize) -> Result<Lanes> {
    let mut lanes = [0; LANES];
    for (lane, count) in lanes.iter_mut().zip(counts) {
        let few = |&lane: &i32| usize::try_from(lane).is_ok_and(|n| n <= MOST as usize / times);
        *lane = i32::try_from(count)
            .ok()
            .filter(few)
            .ok_or(Error::Empty("there are too many pairs to count their weights"))?;
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_could_overflow_when_added_up_are_refused() {
        let most = u64::from(MOST.cast_unsigned());
        assert_eq!(counted([most; LANES], 1).unwrap(), [MOST; LANES]);
        assert!(counted([most + 1; LANES], 1).is_err());
        assert!(counted([most / 2 + 1; LANES], 2).is_err());
        assert!(counted([u64::MAX; LANES], 1).is_err());
    }
}
