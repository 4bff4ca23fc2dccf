//! Are the models and the data of a suite what they claim? The population is asked as in a run; nothing is enrolled.

use std::sync::Arc;

use bertillon::{
    audit::{
        Audit, AuditedFamily, AuditedModel, AuditedPopulation, Finding, ImageBytes, Rule, Severity,
    },
    suite::Suite,
};

use crate::{
    Options, Progress, RunError,
    cache::Cache,
    context::Context,
    forecast::Extent,
    plan::Plan,
    population::{self, Outcome},
    preflight,
    run::{ask_everyone, failures_of},
};

/// Asks every model of a suite the pool and looks for what is not as it should be.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or the audit is interrupted; a model that fails is a finding.
pub fn audit(suite: &Suite, options: &Options, progress: &dyn Progress) -> Result<Audit, RunError> {
    let cache = Cache::open(&options.cache)?;
    let plan = Arc::new(Plan::new(suite, options)?);
    let workers = options.workers()?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    // A run stops at a vanilla that is used wrongly; here that is a finding.
    context.foresee(Extent::Recording);
    let vanillas = population::vanillas(&context)?;
    let mut findings = Vec::new();
    let mut doubted = Vec::new();
    for (family, message) in preflight::findings(&context, &vanillas)? {
        let name = plan.families[family].vanilla.name.clone();
        findings.push(Finding::new(Rule::AccuracyOffClaim, Severity::Error, [name], message));
        doubted.push(family);
    }
    let outcomes = ask_everyone(&context, &vanillas, &[])?;
    let failures = failures_of(&plan, &outcomes);
    findings.extend(failures.into_iter().map(|failure| {
        let message =
            format!("`{}` failed ({}): {}", failure.subject, failure.step, failure.reason);
        Finding::new(Rule::MissingModel, Severity::Warning, [failure.subject], message)
    }));
    let population = audited(&plan, &outcomes, &doubted);
    let (variants, vanillas): (Vec<_>, Vec<_>) =
        population.models.iter().partition(|model| model.variation.is_some());
    let mut looked_at = vec![
        format!("{} vanillas and {} variants", vanillas.len(), variants.len()),
        format!("their answers to {} images", population.truth.len()),
    ];
    let mut left_out = plan.left_out.clone();
    findings.extend(bertillon::audit::models(&population));
    findings.extend(workers.install(|| bertillon::audit::kinship(&population)));
    findings.extend(bertillon::audit::labels(&population));
    match &plan.pool.images {
        None => left_out.push("images: there are recorded answers only".to_owned()),
        Some(images) => {
            let pool = ImageBytes { data: images.as_bytes(), labels: &plan.pool.truth };
            let thief = plan.thief.as_ref().filter(|thief| !thief.is_empty());
            let thief = thief
                .map(|thief| ImageBytes { data: thief.images.as_bytes(), labels: &thief.labels });
            looked_at.push(match &thief {
                Some(thief) => format!("these images and {} of thieves", thief.labels.len()),
                None => "these images".to_owned(),
            });
            let (found, undone) = bertillon::audit::images(pool, thief);
            findings.extend(found);
            left_out.extend(undone);
        }
    }
    Ok(Audit::new(suite.name.clone(), looked_at, left_out, findings))
}

/// The population as it is declared, with its answers; claims that are doubted already are left out.
fn audited(plan: &Plan, outcomes: &[Outcome], doubted: &[usize]) -> AuditedPopulation {
    let families = plan.families.iter().enumerate().map(|(family, planned)| AuditedFamily {
        name: planned.vanilla.name.clone(),
        ancestry: planned.vanilla.ancestry.clone(),
        claimed: planned.vanilla.accuracy.filter(|_| !doubted.contains(&family)),
    });
    let model = |outcome: &Outcome| AuditedModel {
        name: plan.model_name(outcome.model),
        family: outcome.model.family,
        variation: outcome.model.variant.map(|v| plan.variants[v].variation.to_string()),
        kept: outcome.kept,
        unchanged: outcome.changes.as_ref().is_some_and(|changes| changes.unchanged),
        answers: outcome.pool.clone(),
    };
    AuditedPopulation {
        families: families.collect(),
        models: outcomes.iter().map(model).collect(),
        truth: plan.pool.truth.to_vec(),
        classes: plan.pool.classes,
    }
}
