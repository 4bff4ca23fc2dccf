//! Judgement: distances of every fingerprint to every suspect, and the rates that follow.

mod rates;

use std::collections::{BTreeMap, HashMap};

use bertillon::{
    AnswerTable, Answers, Fingerprint, Owner, Suspects, evaluation,
    results::{Failure, Note, Results, SCHEMA},
    suite::Negatives,
};

use crate::{
    RunError,
    context::Context,
    enrolment::{self, Known, Rehearsed},
    plan::{ModelId, Plan, PlannedFingerprint},
    population::{Bank, Outcome},
    worker::{for_each, guarded, with_causes},
};

/// What judgement finds: the results and every distance behind them.
pub(crate) struct Judged {
    pub(crate) results: Results,
    pub(crate) pairs: Pairs,
}

/// Every distance, fingerprint by fingerprint.
pub(crate) struct Pairs {
    pub(crate) suspects: Vec<evaluation::Suspect>,
    pub(crate) names: Vec<String>,
    pub(crate) scored: Vec<Scored>,
}

/// One fingerprint of the suite: which pairs are judged `[budget][owner x suspect]`, and their distances
/// `[budget][draw][owner x suspect]`.
pub(crate) struct Scored {
    pub(crate) judged: Vec<Vec<bool>>,
    pub(crate) rehearsed: Vec<bool>,
    pub(crate) distances: Vec<Vec<Vec<f64>>>,
    /// Pairs lost to failed cells, by budget.
    failed: Vec<usize>,
    queries: Vec<Vec<blake3::Hash>>,
    overlap: Vec<Option<f64>>,
    notes: Vec<Note>,
    forwards: f64,
    gradients: f64,
}

/// What one owner's fingerprints say of all suspects.
struct OwnerScores {
    /// By budget; the reason where she could not be enrolled with so many queries.
    budgets: Vec<Result<BudgetScores, String>>,
    notes: Vec<(String, f64)>,
}

/// The same at one budget, by draw.
struct BudgetScores {
    /// `[draw][suspect]`.
    distances: Vec<Vec<f64>>,
    queries: Vec<blake3::Hash>,
    overlap: Option<f64>,
}

/// Suspects that pass the filter, and tables of their answers.
struct Bench<'a> {
    kept: Vec<&'a Outcome>,
    pool: AnswerTable,
    suspects: Vec<evaluation::Suspect>,
}

pub(crate) fn judge(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
    rehearsals: &Rehearsed,
    banks: &[Bank],
    outcomes: &[Outcome],
    mut failures: Vec<Failure>,
) -> Result<Judged, RunError> {
    let plan = context.plan;
    let bench = bench(plan, outcomes)?;
    let banks: HashMap<_, _> = banks.iter().map(|b| ((b.fingerprint, b.owner), b)).collect();
    let owners = plan.families.len();
    let cells: Vec<(usize, usize)> = (0..plan.fingerprints.len())
        .flat_map(|fingerprint| (0..owners).map(move |owner| (fingerprint, owner)))
        .collect();
    let total = cells.len() as u64;
    context.progress.begin("distances and rates", total, total as f64);
    let scores = for_each(context.workers, context.interrupt, &cells, |&(index, owner)| {
        let planned = &plan.fingerprints[index];
        let known = Known { vanillas, rehearsals: &rehearsals[index] };
        let scores = match planned.bank {
            None => Some(guarded(|| score_benign(context, planned, owner, &known, &bench))),
            Some(_) => banks
                .get(&(index, owner))
                .map(|bank| guarded(|| score_crafted(context, planned, bank, &bench))),
        };
        context.progress.advance(1.0);
        Ok(scores)
    })?;
    let mut by_fingerprint: Vec<Vec<Option<OwnerScores>>> = Vec::new();
    for (&(index, owner), outcome) in cells.iter().zip(scores) {
        if owner == 0 {
            by_fingerprint.push(Vec::new());
        }
        let scores = match outcome {
            Some(Ok(scores)) => {
                let refused = scores.budgets.iter().filter_map(|scores| scores.as_ref().err());
                let mut refused: Vec<String> = refused.cloned().collect();
                refused.dedup();
                failures.extend(
                    refused
                        .into_iter()
                        .map(|reason| enrolment::failure(plan, index, owner, reason)),
                );
                Some(scores)
            }
            Some(Err(reason)) => {
                failures.push(enrolment::failure(plan, index, owner, reason));
                None
            }
            None => None,
        };
        by_fingerprint.last_mut().expect("pushed for owner 0").push(scores);
    }
    let scored: Vec<Scored> = by_fingerprint
        .into_iter()
        .enumerate()
        .map(|(index, owners)| assemble(plan, index, owners, &bench))
        .collect();
    let (fingerprints, warnings) = rates::fingerprints(context, &scored, &bench.suspects)?;
    context.progress.end();
    let results = Results {
        schema: SCHEMA,
        suite: plan.suite.name.clone(),
        seed: plan.suite.seed,
        evaluation: rates::settings(plan),
        population: rates::population(plan, outcomes, vanillas, &bench.suspects),
        published: plan.published.as_ref().map(|published| published.beside(&fingerprints)),
        fingerprints,
        identification: Vec::new(),
        sequential: Vec::new(),
        figures: None,
        failures,
        warnings,
    };
    let names = bench.kept.iter().map(|outcome| plan.model_name(outcome.model)).collect();
    Ok(Judged { results, pairs: Pairs { suspects: bench.suspects, names, scored } })
}

fn bench<'a>(plan: &Plan, outcomes: &'a [Outcome]) -> Result<Bench<'a>, RunError> {
    let kept: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.kept).collect();
    let columns: Vec<Answers> = kept.iter().filter_map(|outcome| outcome.pool.clone()).collect();
    let pool = AnswerTable::from_models(&columns).map_err(|e| RunError::User(e.to_string()))?;
    let suspects = kept.iter().map(|outcome| suspect(plan, outcome.model)).collect();
    Ok(Bench { kept, pool, suspects })
}

fn suspect(plan: &Plan, model: ModelId) -> evaluation::Suspect {
    let variation = model.variant.map(|variant| &plan.variants[variant].variation);
    evaluation::Suspect {
        family: model.family,
        kind: variation.map_or("vanilla".to_owned(), |v| v.kind.clone()),
        detail: variation.and_then(|v| v.detail.clone()),
        parameter: variation.and_then(|v| v.parameter.clone()),
        group: variation.map_or("vanilla".to_owned(), |v| v.group.to_string()),
        vanilla: variation.is_none(),
        rehearsed: false,
    }
}

fn score_benign(
    context: &Context<'_>,
    planned: &PlannedFingerprint,
    owner: usize,
    known: &Known<'_>,
    bench: &Bench<'_>,
) -> bertillon::Result<OwnerScores> {
    let owner_view: Owner = enrolment::owner(context, planned, owner, known)?;
    let mut notes = Vec::new();
    let budgets = score(
        context,
        planned,
        |budget, draw| {
            let stream = context.plan.draw_stream(owner, draw);
            let fingerprint = enrolment::benign(planned, &owner_view, budget, stream)?;
            let rows = fingerprint.queries.pool.clone();
            notes.clone_from(&fingerprint.notes);
            Ok((fingerprint, rows))
        },
        &bench.pool,
    );
    Ok(OwnerScores { budgets, notes })
}

fn score_crafted(
    context: &Context<'_>,
    planned: &PlannedFingerprint,
    bank: &Bank,
    bench: &Bench<'_>,
) -> bertillon::Result<OwnerScores> {
    let size = bank.content.queries.len();
    let place = (bank.fingerprint, bank.owner);
    let ranks = context.plan.access.ranks();
    // A suspect that could not be asked leaves the counts; zeros keep its column in place.
    let missing = Answers::new(vec![0; size * ranks], ranks)?;
    let columns: Vec<Answers> = bench
        .kept
        .iter()
        .map(|outcome| match outcome.banks.get(&place) {
            Some(Ok(answers)) => answers.clone(),
            _ => missing.clone(),
        })
        .collect();
    let table = AnswerTable::from_models(&columns)?;
    let budgets = score(
        context,
        planned,
        |budget, draw| {
            let mut stream = context.plan.draw_stream(bank.owner, draw);
            let mut rows = stream.sample_indices(size, budget.min(size));
            rows.sort_unstable();
            Ok((bank.content.sample(&rows), rows))
        },
        &table,
    );
    Ok(OwnerScores { budgets, notes: bank.content.notes.clone() })
}

/// Distances at every budget and draw; `enrol` gives a fingerprint and the row of `table` of each of its queries.
fn score(
    context: &Context<'_>,
    planned: &PlannedFingerprint,
    mut enrol: impl FnMut(usize, usize) -> bertillon::Result<(Fingerprint, Vec<u32>)>,
    table: &AnswerTable,
) -> Vec<Result<BudgetScores, String>> {
    let evaluation = &context.plan.suite.evaluation;
    let mut at_budget = |budget: usize| -> bertillon::Result<BudgetScores> {
        let (mut distances, mut queries, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        for draw in 0..evaluation.draws {
            let (fingerprint, rows) = enrol(budget, draw)?;
            let suspects = Suspects::new(table, &rows, planned.needs.access.ranks());
            let mut out = vec![f64::INFINITY; suspects.len()];
            planned.method.distances(&fingerprint, &suspects, &mut out)?;
            if out.iter().any(|distance| distance.is_nan()) {
                return Err(bertillon::Error::Refused("a distance is NaN".to_owned()));
            }
            distances.push(out);
            queries.push(digest(&fingerprint));
            sets.push(rows);
        }
        Ok(BudgetScores { distances, queries, overlap: overlap(&sets) })
    };
    evaluation.budgets.iter().map(|b| at_budget(b.value).map_err(|e| with_causes(&e))).collect()
}

fn digest(fingerprint: &Fingerprint) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for index in &fingerprint.queries.pool {
        hasher.update(&index.to_le_bytes());
    }
    if let Some(images) = &fingerprint.queries.crafted {
        hasher.update(images.as_bytes());
    }
    hasher.finalize()
}

/// Mean share of queries that two draws have in common.
///
/// A query that `c` draws ask is common to `c (c - 1) / 2` pairs of them.
fn overlap(sets: &[Vec<u32>]) -> Option<f64> {
    let longest = sets.iter().map(Vec::len).max().filter(|&length| length > 0)?;
    let mut asked = sets.concat();
    asked.sort_unstable();
    let common: usize =
        asked.chunk_by(|a, b| a == b).map(|same| same.len() * (same.len() - 1) / 2).sum();
    let pairs = sets.len() * (sets.len() - 1) / 2;
    (pairs > 0).then(|| common as f64 / (pairs * longest) as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Puts the owners' scores together and decides which pairs count.
fn assemble(
    plan: &Plan,
    index: usize,
    owners: Vec<Option<OwnerScores>>,
    bench: &Bench<'_>,
) -> Scored {
    let planned = &plan.fingerprints[index];
    let columns = bench.kept.len();
    let groups: Vec<String> =
        planned.rehearsals.iter().map(|r| r.variation.group.to_string()).collect();
    let strangers_only = plan.suite.evaluation.negatives == Negatives::Strangers;
    let budgets = plan.suite.evaluation.budgets.len();
    let draws = plan.suite.evaluation.draws;
    let mut judged = vec![vec![false; owners.len() * columns]; budgets];
    let mut failed = vec![0; budgets];
    for (owner, scores) in owners.iter().enumerate() {
        for (column, outcome) in bench.kept.iter().enumerate() {
            let suspect = outcome.model;
            let counts = if suspect.family == owner {
                !suspect.variant.is_some_and(|v| is_rehearsed(plan, planned, v))
            } else {
                !strangers_only || !planned.peers[owner].contains(&suspect.family)
            };
            let answered =
                planned.bank.is_none() || matches!(outcome.banks.get(&(index, owner)), Some(Ok(_)));
            for budget in 0..budgets {
                let scored = scores.as_ref().is_some_and(|scores| scores.budgets[budget].is_ok());
                judged[budget][owner * columns + column] = counts && answered && scored;
                failed[budget] += usize::from(counts && !(answered && scored));
            }
        }
    }
    let mut distances = vec![vec![vec![f64::INFINITY; owners.len() * columns]; draws]; budgets];
    let mut queries = vec![vec![blake3::Hasher::new(); draws]; budgets];
    let mut overlaps = vec![Vec::new(); budgets];
    let mut notes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (owner, scores) in owners.iter().enumerate() {
        let Some(scores) = scores else { continue };
        for (budget, scores) in scores.budgets.iter().enumerate() {
            let Ok(scores) = scores else { continue };
            for draw in 0..draws {
                distances[budget][draw][owner * columns..(owner + 1) * columns]
                    .copy_from_slice(&scores.distances[draw]);
                queries[budget][draw].update(scores.queries[draw].as_bytes());
            }
            overlaps[budget].extend(scores.overlap);
        }
        for (name, value) in &scores.notes {
            if !notes.contains_key(name) {
                order.push(name.clone());
            }
            notes.entry(name.clone()).or_default().push(*value);
        }
    }
    let mut figure = |name: &str| {
        order.retain(|other| other != name);
        notes.get(name).and_then(|values| mean(values)).unwrap_or_default()
    };
    let (forwards, gradients) = (figure("forwards"), figure("gradients"));
    Scored {
        judged,
        rehearsed: bench.suspects.iter().map(|s| groups.contains(&s.group)).collect(),
        distances,
        failed,
        queries: queries
            .into_iter()
            .map(|draws| draws.iter().map(blake3::Hasher::finalize).collect())
            .collect(),
        overlap: overlaps.iter().map(|shares| mean(shares)).collect(),
        notes: order
            .into_iter()
            .map(|name| Note { value: mean(&notes[&name]).filter(|v| v.is_finite()), name })
            .collect(),
        forwards,
        gradients,
    }
}

fn is_rehearsed(plan: &Plan, planned: &PlannedFingerprint, variant: usize) -> bool {
    let variation = &plan.variants[variant].variation;
    planned.rehearsals.iter().any(|rehearsal| rehearsal.variation == *variation)
}
