//! Judgement: what every fingerprint says of every suspect, task by task, and the rates that follow.

mod against;
mod asker;
mod best;
mod checks;
mod detection;
mod figures;
mod identification;
mod rates;
mod sequential;

use std::{collections::HashMap, sync::Arc};

use bertillon::{
    AnswerTable, Answers, evaluation,
    results::{Failure, Results, SCHEMA},
    suite::Task,
};

pub(crate) use detection::Scored;

use crate::{
    RunError,
    context::Context,
    enrolment::{Known, Rehearsed},
    plan::{ModelId, Plan},
    population::{Bank, Outcome},
};

/// What judgement finds: the results and every distance behind them.
pub(crate) struct Judged {
    pub(crate) results: Results,
    pub(crate) pairs: Pairs,
}

/// Every distance of detection, fingerprint by fingerprint.
pub(crate) struct Pairs {
    pub(crate) suspects: Vec<evaluation::Suspect>,
    pub(crate) names: Vec<String>,
    pub(crate) scored: Vec<Scored>,
}

/// What owners have to judge by.
pub(crate) struct Material<'a> {
    vanillas: &'a [Result<Answers, String>],
    rehearsals: &'a Rehearsed,
    banks: HashMap<(usize, usize), &'a Bank>,
}

impl<'a> Material<'a> {
    /// Answers of vanillas, of rehearsals, and banks of crafted queries.
    pub(crate) fn new(
        vanillas: &'a [Result<Answers, String>],
        rehearsals: &'a Rehearsed,
        banks: &'a [Bank],
    ) -> Self {
        let banks = banks.iter().map(|b| ((b.fingerprint, b.owner), b)).collect();
        Self { vanillas, rehearsals, banks }
    }

    fn known(&self, fingerprint: usize, owner: usize) -> Known<'_> {
        Known { vanillas: self.vanillas, rehearsals: &self.rehearsals[fingerprint][owner] }
    }

    fn bank(&self, fingerprint: usize, owner: usize) -> Option<&'a Bank> {
        self.banks.get(&(fingerprint, owner)).copied()
    }
}

/// Suspects that pass the filter, and tables of their answers.
struct Bench<'a> {
    kept: Vec<&'a Outcome>,
    pool: Arc<AnswerTable>,
    suspects: Vec<evaluation::Suspect>,
}

/// Judges every task of the suite.
pub(crate) fn judge(
    context: &Context<'_>,
    material: &Material<'_>,
    outcomes: &[Outcome],
    mut failures: Vec<Failure>,
) -> Result<Judged, RunError> {
    let plan = context.plan;
    let bench = bench(plan, material, outcomes)?;
    let (mut scored, mut fingerprints, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut checks = None;
    if plan.suite.asks(Task::Detection) {
        scored = detection::detect(context, material, &bench, &mut failures)?;
        let found = rates::fingerprints(context, &scored, &bench)?;
        (fingerprints, warnings, checks) = (found.results, found.warnings, Some(found.checks));
    }
    let mut identification = Vec::new();
    if plan.suite.asks(Task::Identification) {
        let found = identification::identify(context, material, &bench)?;
        failures.extend(found.failures);
        warnings.extend(found.warnings);
        identification = found.results;
    }
    let sequential = match plan.suite.asks(Task::Sequential) {
        true => sequential::test(context, &bench)?,
        false => Vec::new(),
    };
    let figures = figures::figures(context, material, &bench, &mut warnings)?;
    warnings.extend(plan.left_out.iter().cloned());
    let results = Results {
        schema: SCHEMA,
        suite: plan.suite.name.clone(),
        seed: plan.suite.seed,
        evaluation: rates::settings(plan),
        population: rates::population(plan, outcomes, material.vanillas, &bench.suspects),
        images: rates::images(plan),
        published: plan.published.as_ref().map(|published| published.beside(&fingerprints)),
        fingerprints,
        identification,
        sequential,
        figures,
        pairs: None,
        checks,
        failures,
        warnings,
    };
    let names = bench.kept.iter().map(|outcome| plan.model_name(outcome.model)).collect();
    Ok(Judged { results, pairs: Pairs { suspects: bench.suspects, names, scored } })
}

fn bench<'a>(
    plan: &Plan,
    material: &Material<'_>,
    outcomes: &'a [Outcome],
) -> Result<Bench<'a>, RunError> {
    let kept: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.kept).collect();
    let columns: Vec<Answers> = kept.iter().filter_map(|outcome| outcome.pool.clone()).collect();
    let pool = AnswerTable::with_truth(&columns, &plan.pool.truth);
    let pool = pool.map_err(|error| RunError::User(error.to_string()))?;
    let suspects = kept
        .iter()
        .map(|outcome| {
            let vanilla = material.vanillas[outcome.model.family].as_ref().ok();
            let copy = outcome.model.variant.is_some() && outcome.pool.as_ref() == vanilla;
            evaluation::Suspect { copy, ..suspect(plan, outcome.model) }
        })
        .collect();
    Ok(Bench { kept, pool: Arc::new(pool), suspects })
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
        copy: false,
    }
}
