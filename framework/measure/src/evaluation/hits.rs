//! How many true pairs are accepted at exactly the target, by kind and draw and by family and kind.

use super::{
    accept::Accepted,
    lanes::LANES,
    observe::unweighted_cuts,
    population::Population,
    protocol::Test,
    rows::{Row, VARIATIONS},
    threshold::Cut,
    weights::Weights,
};
use crate::{Result, results::KindHits};

/// Accepted true pairs of a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HitCounts {
    /// By kind with its detail, parameters merged, draw by draw.
    pub kinds: Vec<KindHits>,
    /// By family: true pairs of each kind, and how many of them are accepted over all draws together.
    pub families: Vec<(Vec<u32>, Vec<f64>)>,
}

/// Counts what a test accepts, with the thresholds of the whole population.
///
/// # Errors
/// When there are too many pairs to count.
pub(super) fn hits(population: &Population, test: &Test<'_>, alpha: f64) -> Result<HitCounts> {
    let kinds: Vec<(&Row, KindHits)> = population
        .rows
        .iter()
        .skip(VARIATIONS)
        .filter_map(|row| Some((row, empty(row)?)))
        .collect();
    let (rows, mut kinds): (Vec<&Row>, Vec<KindHits>) = kinds.into_iter().unzip();
    let mut families: Vec<(Vec<u32>, Vec<f64>)> =
        (0..population.families).map(|family| counts_of(population, &rows, family)).collect();

    let (_, cuts) = unweighted_cuts(population, std::slice::from_ref(test), alpha)?;
    let mut weights = Weights::new(population);
    let mut accepted = Accepted::new(population);
    let mut by_draw = vec![vec![0.0; population.draws.len()]; rows.len()];
    for first in (0..population.families).step_by(LANES) {
        // One family a lane, all at the cut of the whole population.
        let here = first..(first + LANES).min(population.families);
        weights.families.fill([0; LANES]);
        here.clone().for_each(|family| weights.families[family][family - first] = 1);
        weights.weigh(population)?;
        for (draw, cuts) in cuts.chunks(population.scopes()).enumerate() {
            let cuts: Vec<Cut> = cuts.iter().map(in_all_lanes).collect();
            test.accept(draw..draw + 1, &cuts, &weights, &mut accepted);
            for (kind, row) in rows.iter().enumerate() {
                for family in here.clone() {
                    let count: f64 = row
                        .leaves
                        .iter()
                        .map(|&leaf| accepted.randomised[leaf][family - first])
                        .sum();
                    families[family].1[kind] += count;
                    by_draw[kind][draw] += count;
                }
            }
        }
    }
    kinds.iter_mut().zip(by_draw).for_each(|(kind, accepted)| kind.accepted = accepted);
    Ok(HitCounts { kinds, families })
}

/// A kind with its detail, nothing accepted yet; none for rows of another sort.
fn empty(row: &Row) -> Option<KindHits> {
    let head = row.head.clone().filter(|head| head.parameter.is_none())?;
    let (kind, detail) = (head.kind, head.detail);
    Some(KindHits { kind, detail, positives: row.positives, accepted: Vec::new() })
}

/// True pairs of a family in each row, nothing accepted yet.
fn counts_of(population: &Population, rows: &[&Row], family: usize) -> (Vec<u32>, Vec<f64>) {
    let count = |row: &&Row| -> u32 {
        row.leaves.iter().map(|&leaf| population.leaves[leaf].by_family[family]).sum()
    };
    (rows.iter().map(count).collect(), vec![0.0; rows.len()])
}

fn in_all_lanes(cut: &Cut) -> Cut {
    Cut {
        position: [cut.position[0]; LANES],
        lambda: [cut.lambda[0]; LANES],
        accepted: [cut.accepted[0]; LANES],
    }
}
