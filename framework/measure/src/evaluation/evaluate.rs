//! Rates of one fingerprint at one budget.

use std::collections::BTreeSet;

use super::{
    bootstrap::{Replicates, interval, replicate},
    curve,
    population::{Accepted, Population, Scopes},
    rows::{ALL, Row, VARIATIONS, WITHOUT_VANILLAS},
    threshold::{Cut, allowed},
};
use crate::{
    Result, Stream,
    results::{Fpr, Rate, Threshold, VariationResult},
    suite::Protocol,
};

/// A rate below this share of its target is coarse: ties keep the strict test from using what it may.
const FAR_BELOW: f64 = 0.8;

/// False pairs, and ordered pairs of families, that should stand behind a threshold.
const FEW: u64 = 10;

/// A model that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its family: the index of its owner.
    pub family: usize,
    /// Kind of variant, `vanilla` for the head of a family.
    pub kind: String,
    /// Detail of the kind.
    pub detail: Option<String>,
    /// Parameter within the kind.
    pub parameter: Option<String>,
    /// Group of the kind.
    pub group: String,
    /// Whether it is the head of its family.
    pub vanilla: bool,
    /// Whether variants of its group were rehearsed.
    pub rehearsed: bool,
}

/// One fingerprint at one budget.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Columns; models that were kept only.
    pub suspects: &'a [Suspect],
    /// Ancestry group of each family; owner `o` is the head of family `o`.
    pub ancestry: &'a [usize],
    /// `[owners, suspects]`: false where a pair is left out or failed.
    pub judged: &'a [bool],
    /// One a draw: `[owners, suspects]` distances, `+inf` allowed, never NaN where judged.
    pub draws: &'a [Vec<f64>],
}

/// What is asked of the evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Target false-positive rate, alpha, in (0, 1).
    pub false_positive_rate: f64,
    /// Where thresholds come from.
    pub protocol: Protocol,
    /// Replicates of the bootstrap, 2000 for 95 % intervals; 0 for none.
    pub replicates: usize,
    /// Seed of the bootstrap's stream.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Strict rate over all true pairs.
    pub tpr: Rate,
    /// Rate at exactly the target: the one to compare methods by.
    pub tpr_randomised: Rate,
    /// Strict rate without the vanillas; none when there is nothing else.
    pub tpr_without_vanillas: Option<Rate>,
    /// False-positive rate of the strict test.
    pub fpr: Fpr,
    /// Strict rate and rate at exactly the target, draw by draw.
    pub draws: Vec<(f64, f64)>,
    /// Threshold; its mean over owners too where each has her own.
    pub threshold: Threshold,
    /// Area under the ROC curve of all pairs together.
    pub auc: Option<f64>,
    /// ROC curve of the strict test with one threshold for all owners, on a fixed grid.
    pub roc: Vec<[f64; 2]>,
    /// Rows by kind and detail first (`parameter` none), then each parameter, in the order of the suspects.
    pub variations: Vec<VariationResult>,
    /// True pairs.
    pub positives: usize,
    /// False pairs.
    pub negatives: usize,
    /// What a reader should know before trusting a figure.
    pub warnings: Vec<Warning>,
}

/// What a reader should know before trusting a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warning {
    /// The threshold lets so few false pairs pass that the target can hardly be measured.
    FewNegatives {
        /// False pairs that may be accepted.
        accepted: u64,
        /// False pairs in all.
        negatives: usize,
    },
    /// Ordered pairs of families behind the threshold, mean over draws.
    FewFamilyPairs(f64),
    /// Ties keep the strict test far below the target.
    Ties {
        /// False-positive rate of the strict test.
        reached: f64,
    },
    /// Replicates of the bootstrap that had no pairs of one sort and were drawn again.
    Redrawn(u64),
    /// There is no true pair but vanillas with themselves.
    VanillasOnly,
}

impl Warning {
    /// What is the matter, without the figure.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::FewNegatives { .. } => {
                "fewer than 10 false pairs may lie below the threshold, so the rate can't be trusted"
            }
            Self::FewFamilyPairs(_) => {
                "the false pairs below the threshold come from fewer than 10 ordered pairs of families, so it may \
                 not hold for other families"
            }
            Self::Ties { .. } => {
                "ties keep the strict test far below the target (compare by the rate at exactly the target); \
                 false-positive rate reached, in %"
            }
            Self::Redrawn(_) => {
                "replicates of the bootstrap that had no pairs to judge by and were drawn again"
            }
            Self::VanillasOnly => "there are vanillas only, no rate without them",
        }
    }

    /// The figure behind it, where there is one.
    pub fn figure(&self) -> Option<String> {
        match self {
            Self::FewNegatives { accepted, negatives } => {
                Some(format!("{accepted} of {negatives}"))
            }
            Self::FewFamilyPairs(pairs) => Some(format!("{pairs:.1}")),
            Self::Ties { reached } => Some(format!("{:.2}", 100.0 * reached)),
            Self::Redrawn(count) => Some(count.to_string()),
            Self::VanillasOnly => None,
        }
    }
}

/// Rates of a case, over all pairs and by variation.
///
/// The bootstrap draws from the stream `["bootstrap"]` of the seed: cases with the same families are resampled
/// alike.
///
/// # Errors
/// When lengths disagree, a distance is NaN, there is no true or no false pair, or an owner has no false pair
/// left for her threshold when her own ancestry is left out.
pub fn evaluate(case: &Case<'_>, settings: &Settings) -> Result<Evaluated> {
    let alpha = settings.false_positive_rate;
    if !(0.0 < alpha && alpha < 1.0) {
        return Err(crate::Error::Empty("the false-positive rate must lie in (0, 1)"));
    }
    let population = Population::new(case, settings.protocol)?;
    let observed = observe(&population, alpha)?;
    let mut stream = Stream::named(settings.seed, ["bootstrap"]);
    let replicates = replicate(&population, alpha, settings.replicates, &mut stream);
    let strict =
        |row: usize| rate(&observed.strict[row], &population.rows[row], &replicates.strict[row]);
    let randomised = |row: usize| {
        rate(&observed.randomised[row], &population.rows[row], &replicates.randomised[row])
    };
    let draws = observed.strict[ALL].iter().zip(&observed.randomised[ALL]);
    let variations = (VARIATIONS..population.rows.len()).filter_map(|position| {
        let row = &population.rows[position];
        let head = row.head.clone()?;
        Some(VariationResult {
            kind: head.kind,
            detail: head.detail,
            parameter: head.parameter,
            group: head.group,
            rehearsed: head.rehearsed,
            positives: row.positives,
            tpr: strict(position),
            tpr_randomised: randomised(position),
        })
    });
    let fpr = mean(&observed.fpr);
    Ok(Evaluated {
        tpr: strict(ALL),
        tpr_randomised: randomised(ALL),
        tpr_without_vanillas: (population.rows[WITHOUT_VANILLAS].positives > 0)
            .then(|| strict(WITHOUT_VANILLAS)),
        fpr: Fpr { target: alpha, mean: fpr },
        draws: draws.map(|(&strict, &randomised)| (strict, randomised)).collect(),
        threshold: Threshold { mean: Some(mean(&observed.thresholds)).filter(|t| t.is_finite()) },
        auc: Some(curve::area(&population)),
        roc: curve::roc(&population),
        variations: variations.collect(),
        positives: population.rows[ALL].positives,
        negatives: observed.negatives,
        warnings: warnings(&population, settings, &observed, &replicates),
    })
}

/// Rates as they are, before any doubt about them.
struct Observed {
    /// `[rows][draws]`, of the strict test.
    strict: Vec<Vec<f64>>,
    /// `[rows][draws]`, at exactly the target.
    randomised: Vec<Vec<f64>>,
    /// Reached, by draw.
    fpr: Vec<f64>,
    /// Mean over owners, by draw.
    thresholds: Vec<f64>,
    /// Ordered pairs of families among the false pairs accepted, by draw.
    family_pairs: Vec<f64>,
    negatives: usize,
}

fn observe(population: &Population, alpha: f64) -> Result<Observed> {
    let weights = vec![1; population.families];
    let (mut scopes, mut cuts) = (Scopes::default(), Vec::new());
    if !population.weigh(&weights, &mut scopes) {
        return Err(crate::Error::Empty(
            "leave-one-family-out needs false pairs between families that are not of the owner's ancestry",
        ));
    }
    let rows = population.rows.len();
    let mut observed = Observed {
        strict: vec![Vec::new(); rows],
        randomised: vec![Vec::new(); rows],
        fpr: Vec::new(),
        thresholds: Vec::new(),
        family_pairs: Vec::new(),
        negatives: population.pair_counts.iter().map(|&count| count as usize).sum(),
    };
    for draw in &population.draws {
        population.cuts(draw, &scopes, alpha, &mut cuts);
        let mut accepted = population.none_accepted();
        population.accept(draw, &cuts, &weights, &mut accepted);
        for (position, row) in population.rows.iter().enumerate() {
            let Accepted { strict, randomised } = &accepted;
            observed.strict[position].push(share(strict, row));
            observed.randomised[position].push(share(randomised, row));
        }
        let thresholds: Vec<f64> =
            population.owners_cuts(&cuts).map(|cut: Cut| cut.threshold).collect();
        observed.thresholds.push(mean(&thresholds));
        let accepted = draw.negatives.iter().filter(|&(distance, pair)| {
            distance < population.cut_of(pair / population.families, &cuts).threshold
        });
        let pairs: Vec<usize> = accepted.map(|(_, pair)| pair).collect();
        observed.fpr.push(pairs.len() as f64 / observed.negatives as f64);
        observed.family_pairs.push(pairs.into_iter().collect::<BTreeSet<_>>().len() as f64);
    }
    Ok(observed)
}

fn share(by_leaf: &[f64], row: &Row) -> f64 {
    let accepted: f64 = row.leaves.iter().map(|&leaf| by_leaf[leaf]).sum();
    if row.positives == 0 { 0.0 } else { accepted / row.positives as f64 }
}

fn rate(by_draw: &[f64], row: &Row, replicates: &[f64]) -> Rate {
    let mean = mean(by_draw);
    let sd = (by_draw.len() > 1).then(|| {
        let squares: f64 = by_draw.iter().map(|rate| (rate - mean).powi(2)).sum();
        (squares / (by_draw.len() - 1) as f64).sqrt()
    });
    Rate { mean, sd, ci95: interval(replicates, row.families) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn warnings(
    population: &Population,
    settings: &Settings,
    observed: &Observed,
    replicates: &Replicates,
) -> Vec<Warning> {
    let alpha = settings.false_positive_rate;
    let mut warnings = Vec::new();
    let behind = allowed(alpha, observed.negatives as u64);
    if behind < FEW {
        warnings.push(Warning::FewNegatives { accepted: behind, negatives: observed.negatives });
    }
    let family_pairs = mean(&observed.family_pairs);
    if family_pairs < FEW as f64 {
        warnings.push(Warning::FewFamilyPairs(family_pairs));
    }
    let reached = mean(&observed.fpr);
    if reached < FAR_BELOW * alpha {
        warnings.push(Warning::Ties { reached });
    }
    if replicates.redrawn > 0 {
        warnings.push(Warning::Redrawn(replicates.redrawn as u64));
    }
    if population.rows[WITHOUT_VANILLAS].positives == 0 {
        warnings.push(Warning::VanillasOnly);
    }
    warnings
}
