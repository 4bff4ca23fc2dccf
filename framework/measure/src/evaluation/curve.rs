//! The ROC curve and the area under it.

use super::{
    population::{Draw, Population},
    threshold::{Place, allowed},
};

/// False-positive rates at which the curve is given: dense where thresholds are chosen.
const GRID: [f64; 27] = [
    0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1,
    0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
];

/// `[false-positive rate, true-positive rate]` of the strict test with one threshold, mean over draws.
///
/// At rate 1 everything is accepted, infinite distances too.
pub(super) fn roc(population: &Population) -> Vec<[f64; 2]> {
    let mut sums = [0.0; GRID.len()];
    for draw in &population.draws {
        let negatives = draw.negatives.distances();
        let positives = sorted_positives(draw);
        for (sum, &alpha) in sums.iter_mut().zip(&GRID) {
            let allowed = allowed(alpha, negatives.len() as u64);
            let accepted = match usize::try_from(allowed).ok().and_then(|k| negatives.get(k)) {
                Some(&threshold) => positives.partition_point(|&distance| distance < threshold),
                None => positives.len(),
            };
            *sum += accepted as f64 / positives.len() as f64;
        }
    }
    let draws = population.draws.len() as f64;
    GRID.iter().zip(sums).map(|(&alpha, sum)| [alpha, sum / draws]).collect()
}

/// Share of (true, false) pairs of pairs in which the true one is nearer, ties half; mean over draws.
pub(super) fn area(population: &Population) -> f64 {
    let of_draw = |draw: &Draw| {
        let negatives = draw.negatives.distances().len() as f64;
        let won = |place: &Place| {
            let (nearer, within) = (f64::from(place.nearer), f64::from(place.within));
            (negatives - within) + 0.5 * (within - nearer)
        };
        let won: f64 = draw.places.iter().map(won).sum();
        won / (draw.positives.len() as f64 * negatives)
    };
    population.draws.iter().map(of_draw).sum::<f64>() / population.draws.len() as f64
}

fn sorted_positives(draw: &Draw) -> Vec<f64> {
    let mut positives = draw.positives.clone();
    positives.sort_unstable_by(f64::total_cmp);
    positives
}
