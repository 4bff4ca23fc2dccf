//! The answers of a suite's models, to be published in place of the models.

use std::sync::Arc;

use bertillon::{Answers, Variation, results::Failure, suite::Suite};

use crate::{
    Options, Progress, RunError,
    cache::Cache,
    context::Context,
    forecast::Extent,
    plan::Plan,
    run::{ask_everyone, ask_vanillas, failures_of},
};

/// What the models of a suite answered to its pool.
#[derive(Debug, Clone)]
pub struct Recording {
    /// True labels of the pool.
    pub truth: Arc<[u16]>,
    /// Number of classes.
    pub classes: usize,
    /// Every model that answered, family by family, the vanilla first.
    pub models: Vec<RecordedModel>,
    /// Variants that their generator left as they were, which are none.
    pub unchanged: Vec<String>,
    /// Models that could not be derived or asked.
    pub failures: Vec<Failure>,
}

/// One model of a recording.
#[derive(Debug, Clone)]
pub struct RecordedModel {
    /// Name of its vanilla.
    pub family: String,
    /// Ancestry group of its family.
    pub ancestry: String,
    /// How it was derived; none for a vanilla.
    pub variation: Option<Variation>,
    /// Its answers.
    pub answers: Answers,
}

/// Asks every model of a suite the pool, nothing else.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or the run is interrupted.
pub fn record(
    suite: &Suite,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Recording, RunError> {
    let cache = Cache::open(&options.cache)?;
    let plan = Arc::new(Plan::new(suite, options)?);
    let workers = options.workers()?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    let vanillas = ask_vanillas(&context, Extent::Recording)?;
    let outcomes = ask_everyone(&context, &vanillas, &[])?;
    let failures = failures_of(&plan, &outcomes);
    let (mut models, mut unchanged) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        if outcome.changes.as_ref().is_some_and(|changes| changes.unchanged) {
            unchanged.push(plan.model_name(outcome.model));
        }
        let Some(answers) = outcome.pool else { continue };
        let vanilla = &plan.families[outcome.model.family].vanilla;
        models.push(RecordedModel {
            family: vanilla.name.clone(),
            ancestry: vanilla.ancestry.clone(),
            variation: outcome.model.variant.map(|v| plan.variants[v].variation.clone()),
            answers,
        });
    }
    let (truth, classes) = (plan.pool.truth.clone(), plan.pool.classes);
    Ok(Recording { truth, classes, models, unchanged, failures })
}
