//! Intervals: a bootstrap over families with expanded percentiles.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::population::{Population, Scopes};
use crate::Stream;

/// Fewer families give no interval: percentiles of so few clusters mean nothing.
pub(super) const FEWEST_FAMILIES: usize = 6;

/// How often a replicate without false pairs is drawn again, in all, for each replicate asked.
const REDRAWS: usize = 20;

/// Replicated rates: `[rows][replicates]`, replicates without true pairs of the row left out.
#[derive(Debug, Default)]
pub(super) struct Replicates {
    /// Of the strict test.
    pub(super) strict: Vec<Vec<f64>>,
    /// Of the test at exactly the target.
    pub(super) randomised: Vec<Vec<f64>>,
    /// How many were drawn again for want of pairs.
    pub(super) redrawn: usize,
}

/// Draws families with replacement, `count` times, and finds thresholds and rates anew each time.
pub(super) fn replicate(
    population: &Population,
    alpha: f64,
    count: usize,
    stream: &mut Stream,
) -> Replicates {
    let rows = &population.rows;
    let present = population.present();
    let mut replicates = Replicates {
        strict: vec![Vec::with_capacity(count); rows.len()],
        randomised: vec![Vec::with_capacity(count); rows.len()],
        redrawn: 0,
    };
    if present.len() < FEWEST_FAMILIES {
        return replicates;
    }
    let draws = population.draws.len() as f64;
    let (mut scopes, mut cuts) = (Scopes::default(), Vec::new());
    let mut weights = vec![0; population.families];
    let mut done = 0;
    while done < count && replicates.redrawn <= REDRAWS * count {
        draw_weights(&present, &mut weights, stream);
        let usable = population.weigh(&weights, &mut scopes)
            && population.weighted_positives(&rows[super::rows::ALL], &weights) > 0.0;
        if !usable {
            replicates.redrawn += 1;
            continue;
        }
        done += 1;
        let mut accepted = population.none_accepted();
        for draw in &population.draws {
            population.cuts(draw, &scopes, alpha, &mut cuts);
            population.accept(draw, &cuts, &weights, &mut accepted);
        }
        for (position, row) in rows.iter().enumerate() {
            let positives = population.weighted_positives(row, &weights) * draws;
            if positives > 0.0 {
                let sum = |by_leaf: &[f64]| row.leaves.iter().map(|&l| by_leaf[l]).sum::<f64>();
                replicates.strict[position].push(sum(&accepted.strict) / positives);
                replicates.randomised[position].push(sum(&accepted.randomised) / positives);
            }
        }
    }
    replicates
}

/// As many families as there are, with replacement: how often each was drawn.
fn draw_weights(present: &[usize], weights: &mut [u32], stream: &mut Stream) {
    weights.fill(0);
    let count = u32::try_from(present.len()).expect("families were counted in u32 pairs");
    for _ in present {
        weights[present[stream.below(count) as usize]] += 1;
    }
}

/// 95 % interval from replicated rates of `families` families; none from too few of either.
///
/// The tails are `Phi(-sqrt(F / (F - 1)) t_{F-1, 0.975})` instead of 0.025, which makes up for a spread of the
/// replicates that is too small by `sqrt((F - 1) / F)` and for estimating it from F clusters.
pub(super) fn interval(replicates: &[f64], families: usize) -> Option<[f64; 2]> {
    if families < FEWEST_FAMILIES || replicates.len() < 2 {
        return None;
    }
    let tail = tail(families);
    let mut sorted = replicates.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some([quantile(&sorted, tail), quantile(&sorted, 1.0 - tail)])
}

pub(super) fn tail(families: usize) -> f64 {
    let families = families as f64;
    let student = StudentsT::new(0.0, 1.0, families - 1.0).expect("positive degrees of freedom");
    let stretch = (families / (families - 1.0)).sqrt() * student.inverse_cdf(0.975);
    Normal::standard().cdf(-stretch)
}

/// Quantile of sorted values, linear between them.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a position within the values")]
    #[expect(clippy::cast_sign_loss, reason = "share is in [0, 1]")]
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
