//! Rates of one fingerprint at one budget.

use std::sync::Arc;

use super::{
    against_best::Replicated,
    bootstrap::{Replicates, interval, replicate},
    curve,
    hits::{HitCounts, hits},
    observe::{Observed, mean, observe},
    population::Population,
    protocol::Test,
    rows::{ALL, Row, UNSEEN, VARIATIONS, WITHOUT_VANILLAS},
    warning::{Warning, warnings},
};
use crate::{
    Result, Stream,
    results::{Companion, Fpr, GroupResult, Rate, Threshold, VariationResult},
    suite::Protocol,
};

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
    /// Whether it answers the whole pool as its vanilla does, and is none.
    pub copy: bool,
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
    /// One a draw: `[owners, suspects]` distances, `+inf` allowed, never NaN where judged. For a nominal threshold
    /// they are p-values in [0, 1], or `+inf` where there is none.
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
    /// Whether accepted pairs are counted by kind and by family.
    pub counts_hits: bool,
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
    /// False-positive rate of the strict test: at most the target when pooled, otherwise a finding.
    pub fpr: Fpr,
    /// The same case by the protocol that stands beside: leave-one-family-out beside pooled, pooled beside others. None
    /// when no family can be left out: with fewer than three ancestry groups, or an owner without pairs of others.
    pub companion: Option<Companion>,
    /// Strict rate and rate at exactly the target, draw by draw.
    pub draws: Vec<(f64, f64)>,
    /// What was accepted at exactly the target, kind by kind and family by family; none where it was not asked.
    pub hits: Option<HitCounts>,
    /// Threshold; its mean over owners too where each has her own. What is smaller is accepted.
    pub threshold: Threshold,
    /// Area under the ROC curve of all pairs together.
    pub auc: Option<f64>,
    /// ROC curve of the strict test with one threshold for all owners, on a fixed grid.
    pub roc: Vec<[f64; 2]>,
    /// Rows by kind and detail first (`parameter` none), then each parameter, in the order of the suspects.
    pub variations: Vec<VariationResult>,
    /// What is new to the owner (no vanilla, no copy of one, of no group that she rehearsed), then each group without
    /// vanillas and copies; what has no true pair is left out.
    pub groups: Vec<GroupResult>,
    /// True pairs.
    pub positives: usize,
    /// False pairs.
    pub negatives: usize,
    /// What a reader should know before trusting a figure.
    pub warnings: Vec<Warning>,
    /// Rates at exactly the target by replicate, for [`against_best`](super::against_best()): over all true pairs, then
    /// of the leading rows of `variations`, those without a parameter.
    pub replicated: Vec<Replicated>,
    /// The same of each of `groups`.
    pub replicated_groups: Vec<Replicated>,
}

/// Rates of a case, over all pairs and by variation.
///
/// The bootstrap draws from the stream `["bootstrap"]` of the seed: cases with the same families are resampled
/// alike, and both protocols of a case by the same draws.
///
/// # Errors
/// When lengths disagree, a distance is NaN (or no p-value, for a nominal threshold), there is no true or no false
/// pair, there are too many of them to count, or an owner has no false pair left for her threshold when her own
/// ancestry is left out.
pub fn evaluate(case: &Case<'_>, settings: &Settings) -> Result<Evaluated> {
    let alpha = settings.false_positive_rate;
    if !(0.0 < alpha && alpha < 1.0) {
        return Err(crate::Error::Empty("the false-positive rate must lie in (0, 1)"));
    }
    let population = Population::new(case)?;
    let mut tests = vec![Test::new(&population, settings.protocol, alpha)?];
    tests.extend(tests[0].companion());
    let mut observed = observe(&population, &tests, alpha)?.into_iter();
    let Some(main) = observed.next().flatten() else {
        return Err(crate::Error::Empty(
            "leave-one-family-out needs false pairs between families that are not of the owner's ancestry",
        ));
    };
    let beside = observed.next().flatten();
    tests.truncate(if beside.is_some() { 2 } else { 1 });
    let mut stream = Stream::named(settings.seed, ["bootstrap"]);
    let mut replicates = replicate(&population, &tests, alpha, settings.replicates, &mut stream)?;
    let found = |test: usize, observed| Found {
        population: &population,
        observed,
        replicates: &replicates[test],
        alpha,
    };
    let companion = beside.as_ref().map(|observed| {
        let found = found(1, observed);
        Companion {
            protocol: tests[1].protocol.word().to_owned(),
            tpr: found.strict(ALL),
            tpr_randomised: found.randomised(ALL),
            fpr: found.fpr(),
        }
    });
    let found = found(0, &main);
    let (tpr, tpr_randomised, fpr) = (found.strict(ALL), found.randomised(ALL), found.fpr());
    let tpr_without_vanillas =
        (population.rows[WITHOUT_VANILLAS].positives > 0).then(|| found.strict(WITHOUT_VANILLAS));
    let variations = found.variations();
    let (group_rows, groups): (Vec<usize>, Vec<GroupResult>) = found.groups().into_iter().unzip();
    let warnings = warnings(&population, settings, &main, replicates[0].redrawn);
    let draws = main.strict[ALL].iter().zip(&main.randomised[ALL]);
    Ok(Evaluated {
        tpr,
        tpr_randomised,
        tpr_without_vanillas,
        fpr,
        companion,
        draws: draws.map(|(&strict, &randomised)| (strict, randomised)).collect(),
        hits: settings.counts_hits.then(|| hits(&population, &tests[0], alpha)).transpose()?,
        threshold: Threshold { mean: Some(mean(&main.thresholds)).filter(|t| t.is_finite()) },
        auc: Some(curve::area(&population)),
        roc: curve::roc(&population),
        variations,
        groups,
        positives: population.rows[ALL].positives,
        negatives: population.negatives,
        warnings,
        replicated: replicated(&population, &mut replicates[0]),
        replicated_groups: taken(&population, &mut replicates[0], group_rows.into_iter()),
    })
}

/// Takes the rates at exactly the target: over all true pairs, then by kind with its detail.
fn replicated(population: &Population, replicates: &mut Replicates) -> Vec<Replicated> {
    let is_kind = |row: &Row| row.head.as_ref().is_some_and(|head| head.parameter.is_none());
    let kinds = (VARIATIONS..population.rows.len()).take_while(|&p| is_kind(&population.rows[p]));
    taken(population, replicates, std::iter::once(ALL).chain(kinds))
}

/// Takes the rates at exactly the target of some rows.
fn taken(
    population: &Population,
    replicates: &mut Replicates,
    rows: impl Iterator<Item = usize>,
) -> Vec<Replicated> {
    let drawn_from: Arc<[usize]> = population.present().into();
    rows.map(|position| Replicated {
        drawn_from: drawn_from.clone(),
        families: population.rows[position].families,
        draws: std::mem::take(&mut replicates.draws[position]),
        rates: std::mem::take(&mut replicates.randomised[position]),
    })
    .collect()
}

/// What one test found, and how far to trust it.
struct Found<'a> {
    population: &'a Population,
    observed: &'a Observed,
    replicates: &'a Replicates,
    alpha: f64,
}

impl Found<'_> {
    fn strict(&self, row: usize) -> Rate {
        rate(&self.observed.strict[row], &self.population.rows[row], &self.replicates.strict[row])
    }

    fn randomised(&self, row: usize) -> Rate {
        let by_draw = &self.observed.randomised[row];
        rate(by_draw, &self.population.rows[row], &self.replicates.randomised[row])
    }

    fn fpr(&self) -> Fpr {
        let families = self.population.among_false().into_iter().filter(|&among| among).count();
        Fpr {
            target: self.alpha,
            mean: mean(&self.observed.fpr),
            ci95: interval(&self.replicates.fpr, families),
        }
    }

    /// Rows over groups, with their positions.
    fn groups(&self) -> Vec<(usize, GroupResult)> {
        let rows = self.population.rows.iter().enumerate();
        rows.filter(|(position, row)| *position == UNSEEN || row.group.is_some())
            .filter(|(_, row)| row.positives > 0)
            .map(|(position, row)| {
                let (group, rehearsed) =
                    row.group.clone().unwrap_or_else(|| (GroupResult::UNSEEN.to_owned(), false));
                let result = GroupResult {
                    group,
                    rehearsed,
                    positives: row.positives,
                    tpr: self.strict(position),
                    tpr_randomised: self.randomised(position),
                    against: Vec::new(),
                };
                (position, result)
            })
            .collect()
    }

    fn variations(&self) -> Vec<VariationResult> {
        let row = |position: usize| {
            let row = &self.population.rows[position];
            let head = row.head.clone()?;
            Some(VariationResult {
                kind: head.kind,
                detail: head.detail,
                parameter: head.parameter,
                group: head.group,
                rehearsed: head.rehearsed,
                positives: row.positives,
                tpr: self.strict(position),
                tpr_randomised: self.randomised(position),
                against_best: None,
            })
        };
        (VARIATIONS..self.population.rows.len()).filter_map(row).collect()
    }
}

fn rate(by_draw: &[f64], row: &Row, replicates: &[f64]) -> Rate {
    over_draws(by_draw, replicates, row.families)
}

/// Mean and standard deviation over draws, with the interval of a bootstrap over so many families.
pub(super) fn over_draws(by_draw: &[f64], replicates: &[f64], families: usize) -> Rate {
    let mean = mean(by_draw);
    let sd = (by_draw.len() > 1).then(|| {
        let squares: f64 = by_draw.iter().map(|rate| (rate - mean).powi(2)).sum();
        (squares / (by_draw.len() - 1) as f64).sqrt()
    });
    Rate { mean, sd, ci95: interval(replicates, families) }
}
