//! What a run would do, and roughly how long it would take.

use bertillon::suite::Suite;

use crate::{
    Options, PlanSummary, RunError,
    cache::Cache,
    forecast::{seconds_per_image, step},
    plan::Plan,
};

/// Plans a suite without running it: a timed sample of the vanillas' forward passes gives the estimate.
///
/// # Errors
/// When the suite, the data or the machine can't be used.
pub fn plan(suite: &Suite, options: &Options) -> Result<PlanSummary, RunError> {
    let plan = Plan::new(suite, options)?;
    let cache = Cache::open(&options.cache)?;
    let mut answers_needed = 0;
    let mut seconds = 0.0;
    let mut cells = Vec::new();
    let speed = match plan.recorded {
        Some(_) => vec![0.0; plan.families.len()],
        None => (0..plan.families.len())
            .map(|family| seconds_per_image(&plan, options, family))
            .collect::<Result<_, _>>()?,
    };

    let (mut crafted, mut crafted_cached) = (0, 0);
    let mut banks = Vec::new();
    for (_, fingerprint) in plan.crafting() {
        let size = fingerprint.bank.unwrap_or_default();
        for (owner, &speed) in speed.iter().enumerate() {
            let key = plan.bank_key(fingerprint, owner);
            crafted += 1;
            if cache.has_fingerprint(key) {
                crafted_cached += 1;
            } else {
                let forwards = fingerprint.method.forwards_per_crafted_query();
                seconds += forwards * size as f64 * speed;
            }
            banks.push((key, size));
        }
    }
    let (mut models, mut models_cached) = (0, 0);
    for model in plan.models() {
        let missing = plan.missing_answers(&cache, model, &banks);
        let is_derived = model.variant.is_some_and(|v| plan.variants[v].derivation.is_some());
        let has_changes = !is_derived || cache.has_changes(plan.model_key(model));
        // Rejected and unchanged variants answer no crafted query and stay "missing" for ever; the run skips them.
        models += 1;
        if missing == 0 && has_changes {
            models_cached += 1;
            continue;
        }
        answers_needed += missing as u64;
        seconds += plan.cost(model, missing) * speed[model.family];
    }
    if crafted > 0 {
        cells.push((step::CRAFTING.to_owned(), crafted, crafted_cached));
    }
    cells.push((step::MODELS.to_owned(), models, models_cached));
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
