//! Detection: the distance of every owner's fingerprints to every suspect, and which pairs count.

use std::collections::BTreeMap;

use bertillon::{
    Fingerprint,
    results::{Failure, Note},
};

use super::{Bench, Material, asker::Asker};
use crate::{
    RunError,
    context::Context,
    enrolment,
    forecast::step,
    plan::Plan,
    worker::{guarded, with_causes},
};

/// One fingerprint of the suite: which pairs are judged `[budget][owner x suspect]`, and their distances
/// `[budget][draw][owner x suspect]`.
pub(crate) struct Scored {
    pub(crate) judged: Vec<Vec<bool>>,
    pub(crate) rehearsed: Vec<bool>,
    pub(crate) distances: Vec<Vec<Vec<f64>>>,
    /// Pairs lost to failed cells, by budget.
    pub(super) failed: Vec<usize>,
    pub(super) queries: Vec<Vec<blake3::Hash>>,
    pub(super) overlap: Vec<Option<f64>>,
    /// Whether references are those of delegates in place of the owners' models.
    pub(super) delegated: bool,
    pub(super) notes: Vec<Note>,
    pub(super) forwards: f64,
    pub(super) gradients: f64,
}

/// What one owner's fingerprints say of all suspects.
struct OwnerScores {
    /// By budget; the reason where she could not be enrolled with so many queries.
    budgets: Vec<Result<BudgetScores, String>>,
    delegated: bool,
    notes: Vec<(String, f64)>,
}

/// The same at one budget, by draw.
struct BudgetScores {
    /// `[draw][suspect]`.
    distances: Vec<Vec<f64>>,
    queries: Vec<blake3::Hash>,
    overlap: Option<f64>,
}

/// Distances of every fingerprint of the suite; owners that could not be enrolled are failures.
pub(super) fn detect(
    context: &Context<'_>,
    material: &Material<'_>,
    bench: &Bench<'_>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Scored>, RunError> {
    let plan = context.plan;
    let owners = plan.families.len();
    let cells: Vec<(usize, usize)> = (0..plan.fingerprints.len())
        .flat_map(|fingerprint| (0..owners).map(move |owner| (fingerprint, owner)))
        .collect();
    let scored = |&(index, owner): &(usize, usize)| {
        let planned = &plan.fingerprints[index];
        let site = context.site();
        let asker = match planned.bank {
            None => Some(guarded(|| {
                let (peers, known) = (&planned.peers[owner], material.known(index, owner));
                let owner = enrolment::owner(&site, planned, owner, peers, &known)?;
                Ok(Asker::benign(index, owner, bench))
            })),
            Some(_) => material
                .bank(index, owner)
                .map(|bank| guarded(|| Asker::crafted(context, bank, bench))),
        };
        let scores = |asker: Result<Asker, String>| {
            let asker = asker?;
            site.limited(move |site| Ok(score(site.plan(), &asker, owner)))
        };
        Ok(asker.map(scores))
    };
    let scores = context.step(step::DISTANCES, &cells, |_| 1.0, scored)?;
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
    Ok(by_fingerprint
        .into_iter()
        .enumerate()
        .map(|(index, owners)| assemble(plan, index, owners, bench))
        .collect())
}

/// Distances at every budget and draw.
fn score(plan: &Plan, asker: &Asker, owner: usize) -> OwnerScores {
    let evaluation = &plan.suite.evaluation;
    let mut notes = asker.notes().map(<[_]>::to_vec).unwrap_or_default();
    let mut delegated = false;
    let mut at_budget = |budget: usize| -> bertillon::Result<BudgetScores> {
        let (mut distances, mut queries, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        for draw in 0..evaluation.draws {
            let asked = asker.ask(plan, budget, plan.draw_stream(owner, draw))?;
            if draw == 0 {
                asker.check_alone(plan, &asked, owner)?;
            }
            delegated |= asker.is_delegated(&asked);
            queries.push(digest(&asked.fingerprint));
            distances.push(asked.distances);
            sets.push(asked.rows);
            notes = asked.fingerprint.notes;
        }
        Ok(BudgetScores { distances, queries, overlap: overlap(&sets) })
    };
    let budgets = evaluation.budgets.iter();
    let budgets = budgets.map(|b| at_budget(b.value).map_err(|e| with_causes(&e))).collect();
    OwnerScores { budgets, delegated, notes }
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
    let budgets = plan.suite.evaluation.budgets.len();
    let draws = plan.suite.evaluation.draws;
    let mut judged = vec![vec![false; owners.len() * columns]; budgets];
    let mut failed = vec![0; budgets];
    for (owner, scores) in owners.iter().enumerate() {
        for (column, outcome) in bench.kept.iter().enumerate() {
            let counts = plan.counts(planned, owner, outcome.model);
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
        rehearsed: bench.suspects.iter().map(|s| planned.rehearses_group(&s.group)).collect(),
        distances,
        failed,
        queries: queries
            .into_iter()
            .map(|draws| draws.iter().map(blake3::Hasher::finalize).collect())
            .collect(),
        overlap: overlaps.iter().map(|shares| mean(shares)).collect(),
        delegated: owners.iter().flatten().any(|scores| scores.delegated),
        notes: order
            .into_iter()
            .map(|name| Note { value: mean(&notes[&name]).filter(|v| v.is_finite()), name })
            .collect(),
        forwards,
        gradients,
    }
}
