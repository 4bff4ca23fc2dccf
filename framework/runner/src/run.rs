//! Running a plan: vanillas answer the pool, owners craft, every model answers what it has not answered yet, and
//! distances are judged.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bertillon::{Answers, results::Failure, suite::Suite};

use crate::{
    Finished, Options, Progress, RunError,
    cache::Cache,
    context::Context,
    enrolment::{self, Known, Rehearsed},
    judgement::{self, Judged, Material},
    key::Key,
    output,
    plan::{ModelId, Plan},
    population::{self, Bank, Outcome},
};

/// Runs a suite and writes its results.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or the run is interrupted; cells that fail are no error
/// but [`Results::failures`](bertillon::results::Results::failures).
pub fn run(
    suite: &Suite,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    let started = Instant::now();
    output::check_writable(&options.out)?;
    let cache = Cache::open(&options.cache)?;
    let plan = Arc::new(Plan::new(suite, options)?);
    let workers = options.workers()?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    let vanillas = ask_vanillas(&context)?;
    let rehearsals = rehearse(&context)?;
    let (banks, mut failures) = craft(&context, &vanillas, &rehearsals)?;
    let outcomes = ask_everyone(&context, &vanillas, &banks)?;
    failures.splice(0..0, failures_of(&plan, &outcomes));
    let material = Material::new(&vanillas, &rehearsals, &banks);
    let Judged { mut results, pairs } = judgement::judge(&context, &material, &outcomes, failures)?;
    output::write(&context, options, &mut results, &pairs, started.elapsed())?;
    let (computed, abandoned) = (context.computed(), context.abandoned());
    Ok(Finished { results, out: options.out.clone(), computed, abandoned })
}

pub(crate) fn ask_vanillas(
    context: &Context<'_>,
) -> Result<Vec<Result<Answers, String>>, RunError> {
    let plan = context.plan;
    let families: Vec<usize> = (0..plan.families.len()).collect();
    let answers = context.step(
        "vanillas answer the pool",
        &families,
        |_| 1.0,
        |&family| population::vanilla_answers(context, family),
    )?;
    let mut right = 0;
    for (family, answers) in plan.families.iter().zip(&answers) {
        let Ok(answers) = answers else { continue };
        right += 1;
        if answers.accuracy(&plan.pool.truth) == 0.0 {
            return Err(RunError::User(format!(
                "vanilla `{}` answers none of the {} images rightly: its weights, its preprocessing or the labels \
                 are wrong",
                family.vanilla.name,
                plan.pool.len()
            )));
        }
    }
    if right < 2 {
        let reasons: Vec<String> = plan
            .families
            .iter()
            .zip(&answers)
            .filter_map(|(family, answers)| {
                Some(format!("`{}`: {}", family.vanilla.name, answers.as_ref().err()?))
            })
            .collect();
        return Err(RunError::User(format!(
            "fewer than two vanillas answer, so there is no false pair; {}",
            reasons.join("; ")
        )));
    }
    Ok(answers)
}

fn rehearse(context: &Context<'_>) -> Result<Rehearsed, RunError> {
    let plan = context.plan;
    let owners = plan.families.len();
    let mut all = Vec::new();
    for (index, fingerprint) in plan.fingerprints.iter().enumerate() {
        if !plan.rehearses(fingerprint) {
            all.push(vec![Vec::new(); owners]);
            continue;
        }
        let cells: Vec<usize> = (0..owners).collect();
        let step = format!("owners rehearse for {}", fingerprint.name);
        all.push(context.step(
            &step,
            &cells,
            |_| 1.0,
            |&owner| enrolment::rehearse(context, index, owner),
        )?);
    }
    Ok(all)
}

/// Crafts every bank; owners whose crafting failed are failures.
fn craft(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
    rehearsals: &Rehearsed,
) -> Result<(Vec<Bank>, Vec<Failure>), RunError> {
    let plan = context.plan;
    let cells: Vec<(usize, usize)> = plan
        .crafting()
        .flat_map(|(index, _)| (0..plan.families.len()).map(move |owner| (index, owner)))
        .collect();
    if cells.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let cost = |&(index, owner): &(usize, usize)| {
        let fingerprint = &plan.fingerprints[index];
        match context.cache.has_fingerprint(plan.bank_key(fingerprint, owner)) {
            true => 0.0,
            false => fingerprint.method.forwards_per_crafted_query(),
        }
    };
    let costs: HashMap<(usize, usize), f64> = cells.iter().map(|c| (*c, cost(c))).collect();
    let step = "owners craft queries";
    let crafted = context.step(
        step,
        &cells,
        |cell| costs[cell],
        |&(index, owner)| {
            let known = Known { vanillas, rehearsals: &rehearsals[index] };
            enrolment::bank(context, index, owner, &known)
        },
    )?;
    let (mut banks, mut failures) = (Vec::new(), Vec::new());
    for (&(fingerprint, owner), outcome) in cells.iter().zip(crafted) {
        match outcome {
            Ok(content) => {
                let key = plan.bank_key(&plan.fingerprints[fingerprint], owner);
                banks.push(Bank { fingerprint, owner, key, content: Arc::new(content) });
            }
            Err(reason) => failures.push(enrolment::failure(plan, fingerprint, owner, reason)),
        }
    }
    Ok((banks, failures))
}

pub(crate) fn ask_everyone(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
    banks: &[Bank],
) -> Result<Vec<Outcome>, RunError> {
    let plan = context.plan;
    let asked: Vec<(Key, usize)> =
        banks.iter().map(|bank| (bank.key, bank.content.queries.len())).collect();
    let cost =
        |model: ModelId| plan.cost(model, plan.missing_answers(context.cache, model, &asked));
    let mut cells: Vec<(ModelId, f64)> =
        plan.models().into_iter().map(|model| (model, cost(model))).collect();
    // The longest first, so that no thread is left with one at the end.
    cells.sort_by(|a, b| b.1.total_cmp(&a.1));
    let step = "models are derived and answer";
    let mut outcomes = context.step(
        step,
        &cells,
        |&(_, cost)| cost,
        |&(model, _)| population::cell(context, model, vanillas, banks),
    )?;
    outcomes.sort_by_key(|outcome| (outcome.model.family, outcome.model.variant));
    Ok(outcomes)
}

pub(crate) fn failures_of(plan: &Plan, outcomes: &[Outcome]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for outcome in outcomes {
        let name = plan.model_name(outcome.model);
        let variant = outcome.model.variant.map(|variant| &plan.variants[variant]);
        let plugin = match variant {
            Some(variant) => variant.plugin().map(str::to_owned),
            None => Some(plan.suite.models.plugin.value.clone()),
        };
        if let Some((step, reason)) = &outcome.failure {
            failures.push(Failure {
                step: (*step).into(),
                subject: name.clone(),
                plugin: plugin.clone(),
                reason: reason.clone(),
            });
        }
        let banks: BTreeMap<_, _> = outcome.banks.iter().collect();
        for (&(fingerprint, owner), answers) in banks {
            if let Err(reason) = answers {
                failures.push(Failure {
                    step: "interrogate".into(),
                    subject: format!(
                        "{name} by {} of {}",
                        plan.fingerprints[fingerprint].name, plan.families[owner].vanilla.name
                    ),
                    plugin: plugin.clone(),
                    reason: reason.clone(),
                });
            }
        }
    }
    failures
}
