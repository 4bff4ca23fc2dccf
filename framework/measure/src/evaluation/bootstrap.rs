//! Intervals: a bootstrap over families with expanded percentiles.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{
    accept::Accepted,
    lanes::{LANES, Lanes},
    population::Population,
    protocol::Test,
    rows::Row,
    scan::NOT_ASKED,
    threshold::Cut,
    weights::Weights,
};
use crate::{Result, Stream};

/// Fewer families give no interval: percentiles of so few clusters mean nothing.
pub(super) const FEWEST_FAMILIES: usize = 6;

/// Replicates that are drawn together.
#[expect(clippy::cast_possible_truncation, reason = "a few lanes")]
const AT_ONCE: u32 = LANES as u32;

/// How often a replicate without false pairs is drawn again, in all, for each replicate asked.
const REDRAWS: usize = 20;

/// Replicated rates: `[rows][replicates]`, replicates without true pairs of the row left out.
#[derive(Debug, Default)]
pub(super) struct Replicates {
    /// Of the strict test.
    pub(super) strict: Vec<Vec<f64>>,
    /// Of the test at exactly the target.
    pub(super) randomised: Vec<Vec<f64>>,
    /// Which draw of families each of these belongs to.
    pub(super) draws: Vec<Vec<u32>>,
    /// False-positive rates realised, where the false pairs don't define the threshold.
    pub(super) fpr: Vec<f64>,
    /// How many were drawn again for want of pairs.
    pub(super) redrawn: usize,
    /// How many were of use.
    done: usize,
}

/// Draws families with replacement and finds thresholds and rates anew, until each test has `count` replicates.
///
/// The tests see the same draws; each leaves out, and counts, those that it can't be made with.
///
/// # Errors
/// When there are too many pairs to count their weights.
pub(super) fn replicate(
    population: &Population,
    tests: &[Test<'_>],
    alpha: f64,
    count: usize,
    stream: &mut Stream,
) -> Result<Vec<Replicates>> {
    let room = |test: &Test<'_>| Replicates {
        strict: vec![Vec::with_capacity(count); test.rows],
        randomised: vec![Vec::with_capacity(count); test.rows],
        draws: vec![Vec::with_capacity(count); test.rows],
        ..Replicates::default()
    };
    let mut replicates: Vec<Replicates> = tests.iter().map(room).collect();
    let present = population.present();
    if present.len() < FEWEST_FAMILIES {
        return Ok(replicates);
    }
    let (draws, scopes) = (population.draws.len(), population.scopes());
    let mut weights = Weights::new(population);
    let mut accepted = Accepted::new(population);
    let mut cuts = vec![Cut::NOTHING; draws * scopes];
    let mut first = 0;
    while replicates.iter().any(|replicates| replicates.wants_more(count)) {
        draw_weights(&present, &mut weights.families, stream);
        weights.weigh(population)?;
        let lanes: Vec<Vec<usize>> = tests
            .iter()
            .zip(&mut replicates)
            .map(|(test, replicates)| replicates.take_usable(test, &weights, count))
            .collect();
        let mut asked = vec![[NOT_ASKED; LANES]; scopes];
        for (test, lanes) in tests.iter().zip(&lanes) {
            test.ask(lanes, &weights, alpha, &mut asked);
        }
        cuts.fill(Cut::NOTHING);
        for (draw, cuts) in population.draws.iter().zip(cuts.chunks_mut(scopes)) {
            draw.negatives.cut(&population.sides, &weights, &asked, alpha, cuts);
        }
        for ((test, lanes), replicates) in tests.iter().zip(&lanes).zip(&mut replicates) {
            test.accept(0..draws, &cuts, &weights, &mut accepted);
            let drawn = Drawn { first, lanes, weights: &weights };
            replicates.push_rates(&population.rows, draws, &drawn, &accepted);
            if let Some(accepted) = test.falsely_accepted(&cuts, &weights) {
                let totals = &weights.totals[population.pooled()];
                replicates.fpr.extend(
                    lanes.iter().map(|&lane| {
                        accepted[lane] as f64 / (f64::from(totals[lane]) * draws as f64)
                    }),
                );
            }
        }
        first += AT_ONCE;
    }
    Ok(replicates)
}

/// Draws of families side by side.
struct Drawn<'a> {
    /// Number of the first.
    first: u32,
    /// Those of use.
    lanes: &'a [usize],
    weights: &'a Weights,
}

/// As many families as there are, with replacement, for each lane: how often each was drawn.
fn draw_weights(present: &[usize], weights: &mut [Lanes], stream: &mut Stream) {
    weights.fill([0; LANES]);
    let count = u32::try_from(present.len()).expect("families were counted in u32 pairs");
    // One lane after the other, as one replicate after the other would be drawn.
    for drawn in 0..LANES * present.len() {
        weights[present[stream.below(count) as usize]][drawn / present.len()] += 1;
    }
}

impl Replicates {
    fn wants_more(&self, count: usize) -> bool {
        self.done < count && self.redrawn <= REDRAWS * count
    }

    /// The lanes that the test can be made with, as long as more are wanted.
    fn take_usable(&mut self, test: &Test<'_>, weights: &Weights, count: usize) -> Vec<usize> {
        let mut lanes = Vec::with_capacity(LANES);
        for lane in 0..LANES {
            if !self.wants_more(count) {
                break;
            }
            if test.usable(weights, lane) {
                self.done += 1;
                lanes.push(lane);
            } else {
                self.redrawn += 1;
            }
        }
        lanes
    }

    fn push_rates(&mut self, rows: &[Row], times: usize, drawn: &Drawn<'_>, accepted: &Accepted) {
        let rates = self.strict.iter_mut().zip(&mut self.randomised).zip(&mut self.draws);
        for (row, ((strict, randomised), draws)) in rows.iter().zip(rates) {
            let of_leaf = |&leaf: &usize| drawn.weights.positives[leaf].map(f64::from);
            let counts: Vec<[f64; LANES]> = row.leaves.iter().map(of_leaf).collect();
            let positives = sum(counts.iter());
            let strictly = sum(row.leaves.iter().map(|&leaf| &accepted.strict[leaf]));
            let randomly = sum(row.leaves.iter().map(|&leaf| &accepted.randomised[leaf]));
            for (&lane, draw) in drawn.numbered().filter(|&(&lane, _)| positives[lane] > 0.0) {
                let positives = positives[lane] * times as f64;
                strict.push(strictly[lane] / positives);
                randomised.push(randomly[lane] / positives);
                draws.push(draw);
            }
        }
    }
}

impl Drawn<'_> {
    /// The draws of use with their numbers.
    fn numbered(&self) -> impl Iterator<Item = (&usize, u32)> {
        #[expect(clippy::cast_possible_truncation, reason = "a lane")]
        self.lanes.iter().map(|lane| (lane, self.first + *lane as u32))
    }
}

fn sum<'a>(counts: impl Iterator<Item = &'a [f64; LANES]>) -> [f64; LANES] {
    let mut sum = [0.0; LANES];
    for counts in counts {
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sum
}

/// 95 % interval from replicated rates of `families` families; none from too few of either.
///
/// The tails are `Phi(-sqrt(F / (F - 1)) t_{F-1, 0.975})` instead of 0.025, which makes up for a spread of the
/// replicates that is too small by `sqrt((F - 1) / F)` and for estimating it from F clusters.
pub(crate) fn interval(replicates: &[f64], families: usize) -> Option<[f64; 2]> {
    if families < FEWEST_FAMILIES || replicates.len() < 2 {
        return None;
    }
    let tail = tail(families);
    let mut values = replicates.to_vec();
    Some([quantile(&mut values, tail), quantile(&mut values, 1.0 - tail)])
}

pub(super) fn tail(families: usize) -> f64 {
    let families = families as f64;
    let student = StudentsT::new(0.0, 1.0, families - 1.0).expect("positive degrees of freedom");
    let stretch = (families / (families - 1.0)).sqrt() * student.inverse_cdf(0.975);
    Normal::standard().cdf(-stretch)
}

/// Quantile of values, at least one, linear between them; their order changes.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a position within the values")]
    #[expect(clippy::cast_sign_loss, reason = "share is in [0, 1]")]
    let below = (place.floor() as usize).min(values.len() - 1);
    let (_, &mut low, rest) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (place - below as f64) * (high - low)
}
