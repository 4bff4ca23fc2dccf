//! Running a plan: vanillas answer the pool, owners craft, every model answers what it has not answered yet, and
//! distances are judged.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Instant,
};

use bertillon::{Answers, results::Failure, suite::Suite};

use crate::{
    CellCost, Finished, Options, Progress, RunError,
    cache::Cache,
    context::Context,
    digests::{Outcomes, digests},
    enrolment::{self, Rehearsed},
    forecast::{Extent, step},
    judgement::{self, Judged, Material},
    key::Key,
    output,
    plan::Plan,
    population::{self, Bank, Outcome},
    preflight,
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
    output::check_writable(&options.out)?;
    let cache = Cache::open(&options.cache)?;
    run_plan(&Arc::new(Plan::new(suite, options)?), &cache, options, progress)
}

/// Runs a plan and writes its results.
pub(crate) fn run_plan(
    plan: &Arc<Plan>,
    cache: &Cache,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    let started = Instant::now();
    let workers = options.workers()?;
    let context = Context::new(plan, cache, &workers, options, progress);
    let vanillas = ask_vanillas(&context, Extent::Whole)?;
    let rehearsals = rehearse(&context)?;
    let (banks, mut failures) = craft(&context, &vanillas)?;
    let outcomes = ask_everyone(&context, &vanillas, &banks)?;
    failures.splice(0..0, failures_of(plan, &outcomes));
    let material = Material::new(&vanillas, &rehearsals, &banks);
    let Judged { mut results, pairs } = judgement::judge(&context, &material, &outcomes, failures)?;
    let outcomes = Outcomes { rehearsals: &rehearsals, banks: &banks, models: &outcomes };
    let cells = digests(plan, &outcomes);
    output::write(&context, options, &mut results, &pairs, cells, started.elapsed())?;
    let (computed, abandoned) = (context.computed(), context.abandoned());
    Ok(Finished { results, out: options.out.clone(), computed, abandoned })
}

pub(crate) fn ask_vanillas(
    context: &Context<'_>,
    extent: Extent,
) -> Result<Vec<Result<Answers, String>>, RunError> {
    let plan = context.plan;
    let families: Vec<usize> = (0..plan.families.len()).collect();
    context.foresee(extent);
    let forecast = context.forecast();
    let timed = context.step_in_groups(
        step::VANILLAS,
        &families,
        |&family| forecast.vanilla(family),
        |&family| {
            let is_new = forecast.vanilla(family).work > 0.0;
            let began = Instant::now();
            let answers = population::vanilla_answers(context, family)?;
            let seconds = began.elapsed().as_secs_f64() / plan.pool.len() as f64;
            Ok((answers, is_new.then_some(seconds)))
        },
    )?;
    let (answers, timed): (Vec<_>, Vec<_>) = timed.into_iter().unzip();
    context.foresee_again(extent, &timed);
    preflight::check(context, &answers)?;
    let right = answers.iter().filter(|answers| answers.is_ok()).count();
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
        let step = step::rehearsing(&fingerprint.name);
        let forecast = context.forecast();
        all.push(context.step_in_groups(
            &step,
            &cells,
            |&owner| forecast.rehearsals(index, owner, &mut HashSet::new()),
            |&owner| enrolment::rehearse(context, index, owner),
        )?);
    }
    Ok(all)
}

/// Crafts every bank; owners whose crafting failed are failures.
pub(crate) fn craft(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
) -> Result<(Vec<Bank>, Vec<Failure>), RunError> {
    let plan = context.plan;
    let cells: Vec<(usize, usize)> = plan
        .crafting()
        .flat_map(|(index, _)| (0..plan.families.len()).map(move |owner| (index, owner)))
        .collect();
    if cells.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let forecast = context.forecast();
    let crafted = context.step_in_groups(
        step::CRAFTING,
        &cells,
        |&(index, owner)| forecast.bank(index, owner),
        |&(index, owner)| enrolment::bank(context, index, owner, vanillas),
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
    let forecast = context.forecast();
    let costs = plan.models().into_iter().map(|model| (model, forecast.model(model, &asked)));
    let cells = in_good_order(costs.collect());
    let mut outcomes = context.step_in_groups(
        step::MODELS,
        &cells,
        |(_, cost)| cost.clone(),
        |&(model, _)| population::cell(context, model, vanillas, banks),
    )?;
    outcomes.sort_by_key(|outcome| (outcome.model.family, outcome.model.variant));
    Ok(outcomes)
}

/// The longest first, so that no thread is left with one at the end; but before them one of each group, neither its longest
/// nor its shortest, so that the time that is left can be told early.
fn in_good_order<T>(mut cells: Vec<(T, CellCost)>) -> Vec<(T, CellCost)> {
    cells.sort_by(|a, b| b.1.work.total_cmp(&a.1.work));
    let groups: BTreeSet<String> = cells.iter().map(|(_, cost)| cost.group.clone()).collect();
    let mut scouts = Vec::new();
    for group in groups {
        let members: Vec<usize> = (0..cells.len())
            .filter(|&i| cells[i].1.group == group && cells[i].1.work > 0.0)
            .collect();
        scouts.extend(members.get(members.len() / 2));
    }
    scouts.sort_unstable();
    let (first, rest): (Vec<_>, Vec<_>) =
        cells.into_iter().enumerate().partition(|(index, _)| scouts.contains(index));
    first.into_iter().chain(rest).map(|(_, cell)| cell).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scout_of_each_group_goes_ahead_of_the_longest() {
        let cell = |name: &'static str, group: &str, work| {
            (name, CellCost { group: group.to_owned(), work })
        };
        let cells = vec![
            cell("cached", "jpeg", 0.0),
            cell("short", "jpeg", 1.0),
            cell("middle", "jpeg", 2.0),
            cell("long", "jpeg", 3.0),
            cell("train 8", "finetune", 8.0),
            cell("train 9", "finetune", 9.0),
        ];
        let order: Vec<&str> = in_good_order(cells).into_iter().map(|(name, _)| name).collect();
        assert_eq!(order, ["train 8", "middle", "train 9", "long", "short", "cached"]);
    }
}
