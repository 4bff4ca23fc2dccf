//! Rates as they are, before any doubt about them.

use super::{
    accept::Accepted, lanes::LANES, population::Population, protocol::Test, scan::NOT_ASKED,
    threshold::Cut, weights::Weights,
};
use crate::Result;

/// Rates of one test.
#[derive(Debug)]
pub(super) struct Observed {
    /// `[rows][draws]`, of the strict test.
    pub(super) strict: Vec<Vec<f64>>,
    /// `[rows][draws]`, at exactly the target.
    pub(super) randomised: Vec<Vec<f64>>,
    /// Realised, by draw.
    pub(super) fpr: Vec<f64>,
    /// Mean over owners, by draw.
    pub(super) thresholds: Vec<f64>,
    /// Ordered pairs of families among the false pairs accepted, by draw.
    pub(super) family_pairs: Vec<f64>,
}

/// Rates of each test; none where an owner has no false pairs for her threshold.
///
/// # Errors
/// When there are too many pairs to count.
pub(super) fn observe(
    population: &Population,
    tests: &[Test<'_>],
    alpha: f64,
) -> Result<Vec<Option<Observed>>> {
    let (weights, cuts) = unweighted_cuts(population, tests, alpha)?;
    let of_test = |test| observe_one(population, test, &cuts, &weights);
    Ok(tests.iter().map(|test| test.usable(&weights, 0).then(|| of_test(test))).collect())
}

/// The population as it is, every family once, in the first lane; and the cuts of each draw and scope.
///
/// # Errors
/// When there are too many pairs to count.
pub(super) fn unweighted_cuts(
    population: &Population,
    tests: &[Test<'_>],
    alpha: f64,
) -> Result<(Weights, Vec<Cut>)> {
    let mut weights = Weights::new(population);
    weights.families.iter_mut().for_each(|weights| weights[0] = 1);
    weights.weigh(population)?;
    let scopes = population.scopes();
    let mut asked = vec![[NOT_ASKED; LANES]; scopes];
    tests.iter().for_each(|test| test.ask(&[0], &weights, alpha, &mut asked));
    let mut cuts = vec![Cut::NOTHING; scopes * population.draws.len()];
    for (draw, cuts) in population.draws.iter().zip(cuts.chunks_mut(scopes)) {
        draw.negatives.cut(&population.sides, &weights, &asked, alpha, cuts);
    }
    Ok((weights, cuts))
}

fn observe_one(
    population: &Population,
    test: &Test<'_>,
    cuts: &[Cut],
    weights: &Weights,
) -> Observed {
    let mut observed = Observed {
        strict: vec![Vec::new(); test.rows],
        randomised: vec![Vec::new(); test.rows],
        fpr: Vec::new(),
        thresholds: Vec::new(),
        family_pairs: Vec::new(),
    };
    let mut accepted = Accepted::new(population);
    for (draw, cuts) in cuts.chunks(population.scopes()).enumerate() {
        test.accept(draw..draw + 1, cuts, weights, &mut accepted);
        for (position, row) in population.rows.iter().take(test.rows).enumerate() {
            let share = |by_leaf: &[[f64; LANES]]| {
                let accepted: f64 = row.leaves.iter().map(|&leaf| by_leaf[leaf][0]).sum();
                if row.positives == 0 { 0.0 } else { accepted / row.positives as f64 }
            };
            observed.strict[position].push(share(&accepted.strict));
            observed.randomised[position].push(share(&accepted.randomised));
        }
        let owners: Vec<(f64, usize)> =
            (0..population.families).map(|owner| test.threshold(draw, cuts, owner)).collect();
        let owns = owners.iter().zip(&population.positives_of).filter(|&(_, &count)| count > 0);
        let thresholds: Vec<f64> = owns.map(|(&(threshold, _), _)| threshold).collect();
        observed.thresholds.push(mean(&thresholds));
        let (falsely, family_pairs) = falsely_accepted(population, draw, &owners);
        observed.fpr.push(falsely as f64 / population.negatives as f64);
        observed.family_pairs.push(family_pairs as f64);
    }
    observed
}

/// False pairs that lie below their owner's threshold, and how many pairs of families they come from.
fn falsely_accepted(
    population: &Population,
    draw: usize,
    owners: &[(f64, usize)],
) -> (usize, usize) {
    let pairs = population.draws[draw].negatives.pairs();
    let farthest = owners.iter().map(|&(_, below)| below).max().unwrap_or(0);
    let mut counts = vec![0_usize; population.pairs.len()];
    for (position, &pair) in pairs[..farthest].iter().enumerate() {
        let (_, below) = owners[population.pairs[pair as usize].owner];
        counts[pair as usize] += usize::from(position < below);
    }
    (counts.iter().sum(), counts.iter().filter(|&&count| count > 0).count())
}

/// The mean; NaN of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
