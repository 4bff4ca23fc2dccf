//! A protocol at work: whose cut decides for an owner, and what it accepts.

use std::ops::Range;

use super::{
    population::Population,
    threshold::{Cut, NOT_ASKED, Place, allowed},
    weights::{LANES, Lanes, Weights},
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
    /// The threshold that nothing is found for.
    nominal: Option<Nominal>,
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
        Ok(Self { protocol, rows: population.rows.len(), population, nominal })
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
        enough.then(|| Self { protocol, rows: 1, population: self.population, nominal: None })
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
        for (leaf, positives) in self.population.leaf_ranges().enumerate() {
            let (mut strict, mut any_tied): (Lanes, bool) = ([0; LANES], false);
            let pairs = || {
                let cuts = cuts.chunks(self.population.scopes());
                draws
                    .clone()
                    .zip(cuts)
                    .flat_map(|(draw, cuts)| self.pairs(draw, cuts, positives.clone()))
            };
            pairs().for_each(|(family, place, position, _)| {
                let weights = &weights.families[family];
                for lane in 0..LANES {
                    let nearer = position[lane] >= place.within;
                    let weight = if nearer { weights[lane] } else { 0 };
                    strict[lane] = strict[lane].wrapping_add(weight);
                    any_tied |= !nearer & (position[lane] == place.nearer);
                }
            });
            accepted.strict[leaf] = strict.map(f64::from);
            accepted.randomised[leaf] = accepted.strict[leaf];
            if any_tied {
                accepted.randomised[leaf] = randomised(pairs(), weights);
            }
        }
    }

    /// True pairs of a draw: family, place, and the position and lambda of the cut that decides.
    fn pairs<'b>(
        &'b self,
        draw: usize,
        cuts: &'b [Cut],
        positives: Range<usize>,
    ) -> impl Iterator<Item = (usize, Place, &'b Lanes, &'b [f64; LANES])> {
        let places = match &self.nominal {
            Some(nominal) => &nominal.places[draw],
            None => &self.population.draws[draw].places,
        };
        positives.map(move |positive| {
            let family = self.population.positive_families[positive];
            let cut = match &self.nominal {
                Some(_) => &Nominal::CUT,
                None => &cuts[self.scope_of(family)],
            };
            (family, places[positive], &cut.position, &cut.lambda)
        })
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

/// Weight accepted by the test at exactly the target, summed pair by pair in their order.
fn randomised<'a>(
    pairs: impl Iterator<Item = (usize, Place, &'a Lanes, &'a [f64; LANES])>,
    weights: &Weights,
) -> [f64; LANES] {
    let mut sum = [0.0; LANES];
    pairs.for_each(|(family, place, position, lambda)| {
        let weights = &weights.families[family];
        for lane in 0..LANES {
            let weight = f64::from(weights[lane]);
            let nearer = if position[lane] >= place.within { weight } else { 0.0 };
            let as_near = (position[lane] < place.within) & (position[lane] == place.nearer);
            sum[lane] += if as_near { weight * lambda[lane] } else { nearer };
        }
    });
    sum
}
