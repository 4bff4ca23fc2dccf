//! Which true pairs are accepted, for several replicates at once.

use std::ops::Range;

use super::{
    lanes::{LANES, Lanes, add},
    population::Population,
    threshold::{Cut, Place},
    weights::Weights,
};

/// Weighted counts of accepted true pairs, by leaf.
#[derive(Debug)]
pub(super) struct Accepted {
    /// By the strict test.
    pub(super) strict: Vec<[f64; LANES]>,
    /// By the test at exactly the target.
    pub(super) randomised: Vec<[f64; LANES]>,
}

/// Who decides about a true pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    /// Her family.
    pub(super) family: usize,
    /// Where her cut is found.
    pub(super) scope: usize,
}

/// True pairs of a draw and the cuts that decide about them.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    places: &'a [Place],
    cuts: &'a [Cut],
    bounds: Vec<Bounds>,
}

/// Nearest and farthest position of a cut among its replicates: most true pairs lie on one side of both.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    nearest: i32,
    farthest: i32,
}

/// What is decided about a true pair.
#[derive(Debug)]
enum Decision<'a> {
    /// Accepted in every replicate.
    Accepted,
    /// Accepted in none.
    Missed,
    /// It depends on the replicate.
    Open(Place, &'a Cut),
}

impl<'a> Decided<'a> {
    /// Pairs at these places, decided by these cuts.
    pub(super) fn new(places: &'a [Place], cuts: &'a [Cut]) -> Self {
        Self { places, cuts, bounds: cuts.iter().map(Bounds::of).collect() }
    }

    #[inline(always)]
    fn decide(&self, positive: usize, owner: Owner) -> Decision<'a> {
        let (place, bounds) = (self.places[positive], self.bounds[owner.scope]);
        if place.within <= bounds.nearest {
            Decision::Accepted
        } else if place.nearer > bounds.farthest {
            Decision::Missed
        } else {
            Decision::Open(place, &self.cuts[owner.scope])
        }
    }
}

impl Bounds {
    fn of(cut: &Cut) -> Self {
        // Replicates without a cut have no weight here, or are left out.
        let found = cut.position.iter().copied().filter(|&position| position >= 0);
        let bounds = Self { nearest: i32::MAX, farthest: -1 };
        found.fold(bounds, |bounds, position| Self {
            nearest: bounds.nearest.min(position),
            farthest: bounds.farthest.max(position),
        })
    }
}

impl Accepted {
    /// Room for the counts of each leaf.
    pub(super) fn new(population: &Population) -> Self {
        let zeros = vec![[0.0; LANES]; population.leaves.len()];
        Self { strict: zeros.clone(), randomised: zeros }
    }

    /// Counts what is accepted in these draws.
    pub(super) fn count(
        &mut self,
        draws: &[Decided<'_>],
        owners: &[Owner],
        population: &Population,
        weights: &Weights,
    ) {
        let times = i32::try_from(draws.len()).unwrap_or(i32::MAX);
        for (leaf, positives) in population.leaf_ranges().enumerate() {
            // Missed ones are the fewer where a method is any good.
            let (mut missed, mut tied) = ([0; LANES], [0; LANES]);
            for draw in draws {
                for positive in positives.clone() {
                    let owner = owners[positive];
                    let weights = &weights.families[owner.family];
                    match draw.decide(positive, owner) {
                        Decision::Accepted => {}
                        Decision::Missed => add(&mut missed, weights),
                        Decision::Open(place, cut) => {
                            add_missed(place, cut, weights, &mut missed, &mut tied);
                        }
                    }
                }
            }
            let all = weights.positives[leaf].map(|all| all.wrapping_mul(times));
            self.strict[leaf] =
                std::array::from_fn(|lane| f64::from(all[lane].wrapping_sub(missed[lane])));
            self.randomised[leaf] = match tied == [0; LANES] {
                true => self.strict[leaf],
                false => randomised(draws, positives, owners, weights),
            };
        }
    }
}

/// What the test at exactly the target accepts: a sum in the order of draws and pairs, as its last bits depend on it.
fn randomised(
    draws: &[Decided<'_>],
    positives: Range<usize>,
    owners: &[Owner],
    weights: &Weights,
) -> [f64; LANES] {
    let mut sum = [0.0; LANES];
    for draw in draws {
        for positive in positives.clone() {
            let owner = owners[positive];
            let weights = &weights.real[owner.family];
            match draw.decide(positive, owner) {
                Decision::Accepted => {
                    sum = std::array::from_fn(|lane| sum[lane] + weights[lane]);
                }
                Decision::Missed => {}
                Decision::Open(place, cut) => add_randomised(place, cut, weights, &mut sum),
            }
        }
    }
    sum
}

/// Adds a true pair where it is not accepted, and notes where it equals the threshold.
#[inline(always)]
fn add_missed(place: Place, cut: &Cut, weights: &Lanes, missed: &mut Lanes, tied: &mut Lanes) {
    // Masks rather than branches, and whole arrays at once: several lanes an instruction.
    let beyond: Lanes = cut.position.map(|position| -i32::from(position < place.within));
    let at: Lanes = cut.position.map(|position| -i32::from(position == place.nearer));
    *missed = std::array::from_fn(|lane| missed[lane].wrapping_add(weights[lane] & beyond[lane]));
    *tied = std::array::from_fn(|lane| tied[lane] | (at[lane] & beyond[lane]));
}

/// Adds the share of a true pair that the test at exactly the target accepts.
#[inline(always)]
fn add_randomised(place: Place, cut: &Cut, weights: &[f64; LANES], sum: &mut [f64; LANES]) {
    *sum = std::array::from_fn(|lane| {
        let position = cut.position[lane];
        let as_near = if position == place.nearer { cut.lambda[lane] } else { 0.0 };
        let share = if position >= place.within { 1.0 } else { as_near };
        sum[lane] + weights[lane] * share
    });
}
