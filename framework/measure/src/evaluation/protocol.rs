//! A protocol at work: whose cut decides for an owner, and what it accepts.

use std::ops::Range;

use super::{
    population::Population,
    threshold::{Cut, NOT_ASKED, Place, allowed},
    weights::{LANES, Lanes, Weights, add},
};
use crate::{Error, Result, suite::Protocol};

/// A population judged by one protocol.
#[derive(Debug)]
pub(super) struct Test<'a> {
    /// Where thresholds come from.
    pub(super) protocol: Protocol,
    /// How many rows of rates are wanted, from the first.
    pub(super) rows: usize,
    population: &'a Population,
    /// Owner of each true pair.
    owners: Vec<Owner>,
    /// The threshold that nothing is found for.
    nominal: Option<Nominal>,
}

/// Who decides about a true pair.
#[derive(Debug, Clone, Copy)]
struct Owner {
    family: usize,
    /// Where the cut is found.
    scope: usize,
}

/// Nearest and farthest position of a cut among its replicates: most true pairs lie on one side of both.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    nearest: i32,
    farthest: i32,
}

/// A threshold that is stated, and what lies below it.
#[derive(Debug)]
struct Nominal {
    threshold: f64,
    /// By draw: of true pairs, as if all false pairs lay at the threshold and none below it.
    places: Vec<Vec<Place>>,
    /// False pairs accepted, over all draws, by pair of families.
    accepted: Vec<u32>,
}

/// Weighted counts of accepted true pairs, by leaf.
#[derive(Debug)]
pub(super) struct Accepted {
    /// By the strict test.
    pub(super) strict: Vec<[f64; LANES]>,
    /// By the test at exactly the target.
    pub(super) randomised: Vec<[f64; LANES]>,
}

impl<'a> Test<'a> {
    /// A test of all rows.
    ///
    /// # Errors
    /// When a nominal threshold is asked of distances that are no p-values.
    pub(super) fn new(population: &'a Population, protocol: Protocol, alpha: f64) -> Result<Self> {
        let nominal = match protocol {
            Protocol::Pooled | Protocol::LeaveOneFamilyOut => None,
            Protocol::Nominal => match population.beyond_p_values() {
                Some(distance) => return Err(Error::NotPValue(distance)),
                None => Some(Nominal::new(population, alpha)),
            },
        };
        Ok(Self::of_rows(population.rows.len(), population, protocol, nominal))
    }

    /// The test that stands beside this one, of the overall row only; none where there are too few families.
    pub(super) fn companion(&self) -> Option<Self> {
        let protocol = match self.protocol {
            Protocol::Pooled => Protocol::LeaveOneFamilyOut,
            Protocol::LeaveOneFamilyOut | Protocol::Nominal => Protocol::Pooled,
        };
        let among = self.population.among_false();
        let mut groups: Vec<usize> =
            (0..among.len()).filter(|&f| among[f]).map(|f| self.population.groups[f]).collect();
        groups.sort_unstable();
        groups.dedup();
        let enough = protocol == Protocol::Pooled || groups.len() > 2;
        enough.then(|| Self::of_rows(1, self.population, protocol, None))
    }

    fn of_rows(
        rows: usize,
        population: &'a Population,
        protocol: Protocol,
        nominal: Option<Nominal>,
    ) -> Self {
        let scope = |family: usize| match protocol {
            Protocol::Pooled => population.pooled(),
            Protocol::LeaveOneFamilyOut => population.groups[family],
            Protocol::Nominal => 0,
        };
        let owner = |&family: &usize| Owner { family, scope: scope(family) };
        let owners = population.positive_families.iter().map(owner).collect();
        Self { protocol, rows, population, owners, nominal }
    }

    /// The scope that an owner's threshold comes from.
    fn scope_of(&self, family: usize) -> usize {
        match self.protocol {
            Protocol::LeaveOneFamilyOut => self.population.groups[family],
            Protocol::Pooled | Protocol::Nominal => self.population.pooled(),
        }
    }

    /// Whether there are true pairs, and every owner of some has false pairs for her threshold.
    pub(super) fn usable(&self, weights: &Weights, lane: usize) -> bool {
        let owns = |&family: &usize| {
            self.population.positives_of[family] > 0 && weights.families[family][lane] > 0
        };
        let mut owners = (0..self.population.families).filter(owns).peekable();
        owners.peek().is_some()
            && owners.all(|family| weights.totals[self.scope_of(family)][lane] > 0)
    }

    /// Asks for the cuts that decide for owners of any weight in these lanes, by what they may let pass.
    pub(super) fn ask(&self, lanes: &[usize], weights: &Weights, alpha: f64, asked: &mut [Lanes]) {
        if self.nominal.is_some() {
            return;
        }
        for family in 0..self.population.families {
            let scope = self.scope_of(family);
            let totals = &weights.totals[scope];
            let decides = |&&lane: &&usize| weights.families[family][lane] > 0 && totals[lane] > 0;
            for &lane in lanes.iter().filter(decides) {
                let total = u64::from(totals[lane].cast_unsigned());
                let most = allowed(alpha, total).min(total - 1);
                asked[scope][lane] = i32::try_from(most).unwrap_or(NOT_ASKED);
            }
        }
    }

    /// The true pairs accepted in some draws, at the cuts of each draw and scope.
    pub(super) fn accept(
        &self,
        draws: Range<usize>,
        cuts: &[Cut],
        weights: &Weights,
        accepted: &mut Accepted,
    ) {
        let count = i32::try_from(draws.len()).unwrap_or(i32::MAX);
        let decided: Vec<(&[Place], &[Cut])> = draws
            .zip(cuts.chunks(self.population.scopes()))
            .map(|(draw, cuts)| match &self.nominal {
                Some(nominal) => (nominal.places[draw].as_slice(), [Nominal::CUT].as_slice()),
                None => (self.population.draws[draw].places.as_slice(), cuts),
            })
            .collect();
        let bounds: Vec<Vec<Bounds>> =
            decided.iter().map(|(_, cuts)| cuts.iter().map(Bounds::of).collect()).collect();
        for (leaf, positives) in self.population.leaf_ranges().enumerate() {
            let owners = &self.owners[positives.clone()];
            let (mut missed, mut tied) = ([0; LANES], [0; LANES]);
            for ((places, cuts), bounds) in decided.iter().zip(&bounds) {
                for (place, owner) in places[positives.clone()].iter().zip(owners) {
                    let Bounds { nearest, farthest } = bounds[owner.scope];
                    if place.within <= nearest {
                        continue;
                    }
                    let weights = &weights.families[owner.family];
                    if place.nearer > farthest {
                        add(&mut missed, weights);
                    } else {
                        add_missed(*place, &cuts[owner.scope], weights, &mut missed, &mut tied);
                    }
                }
            }
            let all = weights.positives[leaf].map(|all| all.wrapping_mul(count));
            accepted.strict[leaf] =
                std::array::from_fn(|lane| f64::from(all[lane].wrapping_sub(missed[lane])));
            accepted.randomised[leaf] = accepted.strict[leaf];
            if tied != [0; LANES] {
                accepted.randomised[leaf] = [0.0; LANES];
                for ((places, cuts), bounds) in decided.iter().zip(&bounds) {
                    for (place, owner) in places[positives.clone()].iter().zip(owners) {
                        if place.nearer > bounds[owner.scope].farthest {
                            continue;
                        }
                        let weights = &weights.families[owner.family];
                        let sum = &mut accepted.randomised[leaf];
                        add_randomised(*place, &cuts[owner.scope], weights, sum);
                    }
                }
            }
        }
    }

    /// Weight of the false pairs accepted over all draws; none for a pooled threshold, which they define.
    pub(super) fn falsely_accepted(&self, cuts: &[Cut], weights: &Weights) -> Option<[u64; LANES]> {
        let mut sum = [0; LANES];
        let mut add = |accepted: &Lanes, times: u32| {
            for (sum, &accepted) in sum.iter_mut().zip(accepted) {
                *sum += u64::from(accepted.cast_unsigned()) * u64::from(times);
            }
        };
        match (&self.nominal, self.protocol) {
            (Some(nominal), _) => {
                let counted = weights.pairs.iter().zip(&nominal.accepted);
                counted.for_each(|(weights, &count)| add(weights, count));
            }
            (None, Protocol::LeaveOneFamilyOut) => {
                for cuts in cuts.chunks(self.population.scopes()) {
                    cuts[..self.population.pooled()].iter().for_each(|cut| add(&cut.accepted, 1));
                }
            }
            (None, Protocol::Pooled | Protocol::Nominal) => return None,
        }
        Some(sum)
    }

    /// An owner's threshold in a draw, and how many of its nearest false pairs lie below it, in lane 0.
    pub(super) fn threshold(&self, draw: usize, cuts: &[Cut], owner: usize) -> (f64, usize) {
        let distances = self.population.draws[draw].negatives.distances();
        if let Some(nominal) = &self.nominal {
            let below = distances.partition_point(|&distance| distance < nominal.threshold);
            return (nominal.threshold, below);
        }
        match usize::try_from(cuts[self.scope_of(owner)].position[0]) {
            Ok(position) => (distances[position], position),
            Err(_) => (f64::NEG_INFINITY, 0),
        }
    }
}

impl Nominal {
    /// Where all false pairs would lie.
    const CUT: Cut = Cut { position: [0; LANES], ..Cut::NOTHING };

    /// Accepts p-values up to `alpha`, itself included.
    fn new(population: &Population, alpha: f64) -> Self {
        let threshold = alpha.next_up();
        let place = |&p: &f64| match p < threshold {
            true => Place { nearer: 0, within: 0 },
            false => Place { nearer: 1, within: 1 },
        };
        let places = population.draws.iter().map(|draw| draw.positives.iter().map(place).collect());
        let mut accepted = vec![0; population.pairs.len()];
        for draw in &population.draws {
            let below = draw.negatives.distances().partition_point(|&p| p < threshold);
            draw.negatives.pairs()[..below].iter().for_each(|&pair| accepted[pair as usize] += 1);
        }
        Self { threshold, places: places.collect(), accepted }
    }
}

impl Accepted {
    /// Room for the counts of each leaf.
    pub(super) fn new(population: &Population) -> Self {
        let zeros = vec![[0.0; LANES]; population.leaves.len()];
        Self { strict: zeros.clone(), randomised: zeros }
    }
}

impl Bounds {
    fn of(cut: &Cut) -> Self {
        let found = cut.position.iter().copied().filter(|&position| position >= 0);
        let bounds = Self { nearest: i32::MAX, farthest: -1 };
        found.fold(bounds, |bounds, position| Self {
            nearest: bounds.nearest.min(position),
            farthest: bounds.farthest.max(position),
        })
    }
}

/// Adds a true pair where it is not accepted, and notes where it equals the threshold.
fn add_missed(place: Place, cut: &Cut, weights: &Lanes, missed: &mut Lanes, tied: &mut Lanes) {
    // Masks rather than branches, and whole arrays at once: several lanes an instruction.
    let beyond: Lanes = cut.position.map(|position| -i32::from(position < place.within));
    let at: Lanes = cut.position.map(|position| -i32::from(position == place.nearer));
    *missed = std::array::from_fn(|lane| missed[lane].wrapping_add(weights[lane] & beyond[lane]));
    *tied = std::array::from_fn(|lane| tied[lane] | (at[lane] & beyond[lane]));
}

/// Adds what the test at exactly the target accepts of a true pair.
fn add_randomised(place: Place, cut: &Cut, weights: &Lanes, sum: &mut [f64; LANES]) {
    let share: [f64; LANES] = std::array::from_fn(|lane| {
        let position = cut.position[lane];
        let as_near = if position == place.nearer { cut.lambda[lane] } else { 0.0 };
        if position >= place.within { 1.0 } else { as_near }
    });
    *sum = std::array::from_fn(|lane| sum[lane] + f64::from(weights[lane]) * share[lane]);
}
