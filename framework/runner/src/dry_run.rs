//! What a run would do, and roughly how long it would take.

use bertillon::suite::Suite;

use crate::{
    Options, PlanSummary, RunError,
    cache::Cache,
    cells::{Ledger, Phase, State},
    forecast::{Forecast, sampled_speeds},
    plan::Plan,
};

/// Plans a suite without running it: a timed sample of the vanillas' forward passes gives the estimate.
///
/// # Errors
/// When the suite, the data or the machine can't be used.
pub fn plan(suite: &Suite, options: &Options) -> Result<PlanSummary, RunError> {
    let plan = Plan::new(suite, options)?;
    let cache = Cache::open(&options.cache)?;
    let speeds = sampled_speeds(&plan, options)?;
    let forecast = Forecast { plan: &plan, cache: &cache, speeds: Some(&speeds) };
    let ledger = Ledger::new(&plan, &cache);
    let planned = plan.cells();
    let mut cells = Vec::new();
    for phase in Phase::ALL {
        let of_phase = || planned.iter().filter(|cell| cell.work.phase() == phase);
        let done = of_phase().filter(|cell| ledger.state(cell.work) == State::Done).count();
        if of_phase().next().is_some() {
            cells.push((phase.step().to_owned(), of_phase().count() as u64, done as u64));
        }
    }
    let seconds: f64 = planned.iter().map(|cell| ledger.cost(cell.work, &forecast)).sum();
    let answers_needed = planned.iter().map(|cell| ledger.answers_needed(cell.work)).sum();
    Ok(PlanSummary {
        suite: plan.suite.name.clone(),
        vanillas: plan.families.len(),
        variations: plan.variants.iter().map(|v| v.variation.to_string()).collect(),
        pool: plan.pool.len(),
        fingerprints: plan
            .fingerprints
            .iter()
            .map(|fingerprint| {
                [
                    fingerprint.name.clone(),
                    match fingerprint.parameters.is_empty() {
                        true => fingerprint.recipe.plugin.clone(),
                        false => {
                            format!("{}: {}", fingerprint.recipe.plugin, fingerprint.parameters)
                        }
                    },
                    fingerprint.needs.access.to_string(),
                    fingerprint.knowledge.words().join(", "),
                ]
            })
            .collect(),
        cells,
        answers_needed,
        estimate_s: seconds / options.threads.max(1) as f64,
    })
}
