//! Which rates of a table can't be told apart from its best one.
//!
//! With the families that one replicate of the bootstrap draws, every fingerprint has a rate at a threshold of its
//! own, and so each has a difference to the best one. Over the replicates these differences give an expanded
//! percentile interval, as rates do, and a two-sided p-value: with `q` the share of replicates on the far side of 0,
//!
//! ```text
//! p = 2 (1 - T_{F-1}(-Phi^-1(q) / sqrt(F / (F-1))))      F families; p < 0.05 where the interval leaves 0 out
//! ```
//! Where no replicate is on the far side, `q` is only known to be small. There `p` is that of the difference over the
//! replicates' standard deviation, `T_{F-1}(|D| / (s sqrt(F / (F-1))))`, and never more than `q = 1/(B+1)` gives. No
//! p-value is below `2/(B+1)`, B replicates. Holm's procedure adjusts them within the table: what is really the best stays
//! marked 95 times in 100 or more.

use std::sync::Arc;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{
    bootstrap::{FEWEST_FAMILIES, interval},
    holm::holm,
};
use crate::results::{AgainstBest, Difference};

/// Adjusted p-values above this don't tell rates apart.
const LEVEL: f64 = 0.05;

/// A rate at exactly the target in the replicates of the bootstrap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replicated {
    /// Families that the replicates draw from.
    pub(super) drawn_from: Arc<[usize]>,
    /// Families that true pairs of the rate come from.
    pub(super) families: usize,
    /// Which draw of families each rate belongs to, ascending.
    pub(super) draws: Vec<u32>,
    /// The rates.
    pub(super) rates: Vec<f64>,
}

/// One fingerprint's rate in a table.
#[derive(Debug, Clone, Copy)]
pub struct Contender<'a> {
    /// Name of the fingerprint.
    pub name: &'a str,
    /// Its rate at exactly the target, mean over draws.
    pub rate: f64,
    /// The same by replicate.
    pub replicated: &'a Replicated,
}

/// Each rate against the best of them, the first of equals; empty for fewer than two.
///
/// There is no interval and no p-value for the best itself, where true pairs of either come from fewer than six
/// families, and where the two have not been replicated with the same families.
pub fn against_best(contenders: &[Contender<'_>]) -> Vec<AgainstBest> {
    let highest = contenders.iter().map(|contender| contender.rate).fold(f64::NAN, f64::max);
    let best = contenders.iter().position(|contender| contender.rate == highest);
    let Some(best) = best.filter(|_| contenders.len() > 1) else {
        return Vec::new();
    };
    let mut compared: Vec<AgainstBest> =
        contenders.iter().map(|contender| compare(contender, &contenders[best])).collect();
    compared[best] = AgainstBest { ci95: None, p: None, ..compared[best].clone() };
    adjust(&mut compared);
    compared[best].tied_with_best = true;
    compared
}

/// One rate less another, paired by the families that the replicates draw.
pub fn difference(one: &Contender<'_>, baseline: &Contender<'_>) -> Difference {
    let AgainstBest { best, difference, ci95, .. } = compare(one, baseline);
    Difference { baseline: best, difference, ci95 }
}

fn compare(one: &Contender<'_>, best: &Contender<'_>) -> AgainstBest {
    let difference = one.rate - best.rate;
    let families = one.replicated.families.min(best.replicated.families);
    let differences = differences(one.replicated, best.replicated);
    let ci95 = interval(&differences, families);
    AgainstBest {
        best: best.name.to_owned(),
        difference,
        ci95,
        p: ci95.map(|_| p_value(&differences, difference, families)),
        p_holm: None,
        tied_with_best: false,
    }
}

/// First minus second, in the replicates that both have; none where these are not of the same families.
fn differences(first: &Replicated, second: &Replicated) -> Vec<f64> {
    if first.drawn_from != second.drawn_from {
        return Vec::new();
    }
    let mut others = second.draws.iter().zip(&second.rates).peekable();
    let rates = first.draws.iter().zip(&first.rates);
    rates
        .filter_map(|(draw, rate)| {
            while others.next_if(|&(other, _)| other < draw).is_some() {}
            others.next_if(|&(other, _)| other == draw).map(|(_, other)| rate - other)
        })
        .collect()
}

/// Two-sided p-value of a difference, at least two replicates of it and six families given.
fn p_value(differences: &[f64], observed: f64, families: usize) -> f64 {
    debug_assert!(families >= FEWEST_FAMILIES && differences.len() > 1);
    let count = differences.len() as f64;
    let not_above = differences.iter().filter(|&&difference| difference <= 0.0).count();
    let not_below = differences.iter().filter(|&&difference| difference >= 0.0).count();
    let far = not_above.min(not_below) as f64;
    let families = families as f64;
    let stretch = (families / (families - 1.0)).sqrt();
    let student = StudentsT::new(0.0, 1.0, families - 1.0).expect("positive degrees of freedom");
    let beyond = |normal: f64| (2.0 * student.sf(normal / stretch)).min(1.0);
    let share = |share: f64| beyond(-Normal::standard().inverse_cdf(share.min(0.5)));
    let p = if far > 0.0 {
        share(far / count)
    } else {
        beyond(observed.abs() / deviation(differences)).min(share(1.0 / (count + 1.0)))
    };
    p.max(2.0 / (count + 1.0))
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Holm's adjustment of the p-values that there are.
fn adjust(compared: &mut [AgainstBest]) {
    let adjusted = holm(&compared.iter().filter_map(|compared| compared.p).collect::<Vec<_>>());
    let tested = compared.iter_mut().filter(|compared| compared.p.is_some());
    for (compared, p) in tested.zip(adjusted) {
        compared.p_holm = Some(p);
        compared.tied_with_best = p > LEVEL;
    }
}

#[cfg(test)]
mod tests;
