//! A protocol at work: whose cut decides for an owner, and what it accepts.

use std::ops::Range;

use super::{
    accept::{Accepted, Decided, Owner},
    lanes::{LANES, Lanes},
    population::Population,
    scan::NOT_ASKED,
    threshold::{Cut, Place, allowed},
    weights::Weights,
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

/// A threshold that is stated, and what lies below it.
#[derive(Debug)]
struct Nominal {
    threshold: f64,
    /// By draw: of true pairs, as if all false pairs lay at the threshold and none below it.
    places: Vec<Vec<Place>>,
    /// False pairs accepted, over all draws, by pair of families.
    accepted: Vec<u32>,
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
        let decided: Vec<Decided<'_>> = draws
            .zip(cuts.chunks(self.population.scopes()))
            .map(|(draw, cuts)| match &self.nominal {
                Some(nominal) => Decided::new(&nominal.places[draw], &[Nominal::CUT]),
                None => Decided::new(&self.population.draws[draw].places, cuts),
            })
            .collect();
        accepted.count(&decided, &self.owners, self.population, weights);
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
