//! Permutation tests: what difference would luck alone make?
//!
//! ```text
//! T    = mean of NEW - mean of BASE                    the difference seen
//! p    = #{arrangements with T' <= T} / #{arrangements}        of a loss; of a gain with >=
//! ```
//! over all ways to deal the units of both runs out to them, or over a sample of these with the arrangement seen
//! counted among them (Phipson and Smyth 2010, *Permutation p-values should never be zero*).

use serde::{Deserialize, Serialize};

use crate::Stream;

/// Most arrangements that are gone through one by one: ten draws against ten have 184,756.
const MOST_EXACT: u64 = 200_000;

/// What is dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Draws: each run's queries were chosen so many times.
    Draws,
    /// Owners: each made her queries once a run, and all draws share them.
    Owners,
}

/// What a permutation test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Permutation {
    /// What was dealt out.
    pub unit: Unit,
    /// Share of arrangements with a loss as large as the one seen, or larger.
    pub loss: f64,
    /// Share of arrangements with a gain as large, or larger.
    pub gain: f64,
    /// The smallest share that any rates could have given.
    pub floor: f64,
    /// Arrangements looked at.
    pub arrangements: u64,
    /// Whether these were all there are.
    pub exact: bool,
}

impl Permutation {
    /// Chance of a difference as large in either direction: twice the smaller share.
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.loss.min(self.gain)).min(1.0)
    }
}

/// Deals the draws of two runs out anew: `base` and `new` hold a rate a draw.
///
/// All arrangements where there are at most 200,000, otherwise a sample of `sample` from the stream. None when a run
/// has no draws.
pub fn permute_draws(
    base: &[f64],
    new: &[f64],
    sample: u64,
    stream: &mut Stream,
) -> Option<Permutation> {
    if base.is_empty() || new.is_empty() {
        return None;
    }
    let mut all: Vec<f64> = base.iter().chain(new).copied().collect();
    let seen: f64 = new.iter().sum();
    let tally = Tally::new(seen, &all);
    let arrangements = choose(all.len() as u64, new.len() as u64);
    let tally = match arrangements <= MOST_EXACT {
        true => tally.over_choices(&all, new.len()),
        false => tally.over_sample(sample, || {
            // The first places of a shuffle are a sample without replacement.
            for place in 0..new.len() {
                let left = u32::try_from(all.len() - place).unwrap_or(u32::MAX);
                all.swap(place, place + stream.below(left) as usize);
            }
            all[..new.len()].iter().sum()
        }),
    };
    Some(tally.into_permutation(Unit::Draws, arrangements))
}

/// Swaps what owners have in two runs: `differences` holds NEW less BASE, an owner each.
///
/// All arrangements where there are at most 200,000, otherwise a sample of `sample` from the stream. None without
/// owners.
pub fn permute_owners(
    differences: &[f64],
    sample: u64,
    stream: &mut Stream,
) -> Option<Permutation> {
    if differences.is_empty() {
        return None;
    }
    let tally = Tally::new(differences.iter().sum(), differences);
    let owners = u32::try_from(differences.len()).unwrap_or(u32::MAX);
    let arrangements = 1_u64.checked_shl(owners).unwrap_or(u64::MAX);
    let tally = match arrangements <= MOST_EXACT {
        true => tally.over_signs(differences),
        false => tally.over_sample(sample, || {
            let sign =
                |difference: &f64| if stream.below(2) == 0 { -difference } else { *difference };
            differences.iter().map(sign).sum()
        }),
    };
    Some(tally.into_permutation(Unit::Owners, arrangements))
}

/// Draws that each of two runs must have for the first of `rows` tests of Holm's procedure to be able to reject at
/// `level`: the smallest n with `C(2 n, n) >= rows / level`.
pub fn draws_needed(rows: usize, level: f64) -> usize {
    let enough = |n: &u64| choose(2 * n, *n) as f64 >= rows.max(1) as f64 / level;
    (1_u64..).find(enough).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
}

/// Arrangements counted against the one seen.
struct Tally {
    seen: f64,
    /// Sums that differ by less are equal: they are those of the same numbers in another order.
    blur: f64,
    as_low: u64,
    as_high: u64,
    all: u64,
    exact: bool,
}

impl Tally {
    fn new(seen: f64, values: &[f64]) -> Self {
        let size: f64 = values.iter().map(|value| value.abs()).sum();
        Self { seen, blur: 1e-9 * (size + 1e-3), as_low: 0, as_high: 0, all: 0, exact: true }
    }

    fn count(&mut self, sum: f64) {
        self.as_low += u64::from(sum <= self.seen + self.blur);
        self.as_high += u64::from(sum >= self.seen - self.blur);
        self.all += 1;
    }

    /// Every choice of so many values.
    fn over_choices(mut self, values: &[f64], many: usize) -> Self {
        self.choose_from(values, many, 0.0);
        self
    }

    fn choose_from(&mut self, values: &[f64], many: usize, sum: f64) {
        if many == 0 {
            return self.count(sum);
        }
        for first in 0..=values.len() - many {
            self.choose_from(&values[first + 1..], many - 1, sum + values[first]);
        }
    }

    /// Every choice of signs.
    fn over_signs(mut self, values: &[f64]) -> Self {
        self.sign(values, 0.0);
        self
    }

    fn sign(&mut self, values: &[f64], sum: f64) {
        match values.split_first() {
            None => self.count(sum),
            Some((value, rest)) => {
                self.sign(rest, sum + value);
                self.sign(rest, sum - value);
            }
        }
    }

    /// The arrangement seen and so many others at random.
    fn over_sample(mut self, sample: u64, mut arrange: impl FnMut() -> f64) -> Self {
        self.count(self.seen);
        (0..sample).for_each(|_| self.count(arrange()));
        self.exact = false;
        self
    }

    fn into_permutation(self, unit: Unit, arrangements: u64) -> Permutation {
        let share = |count: u64| count as f64 / self.all as f64;
        Permutation {
            unit,
            loss: share(self.as_low),
            gain: share(self.as_high),
            floor: 1.0 / self.all.min(arrangements) as f64,
            arrangements: self.all,
            exact: self.exact,
        }
    }
}

/// Ways to choose `k` of `n`; the largest number there is when there are more.
fn choose(n: u64, k: u64) -> u64 {
    let k = k.min(n - k);
    let step = |ways: u64, i: u64| {
        // In this order every quotient is whole.
        let wide = u128::from(ways) * u128::from(n - i) / u128::from(i + 1);
        u64::try_from(wide).unwrap_or(u64::MAX)
    };
    (0..k)
        .try_fold(1, |ways, i| Some(step(ways, i)).filter(|&ways| ways < u64::MAX))
        .unwrap_or(u64::MAX)
}
