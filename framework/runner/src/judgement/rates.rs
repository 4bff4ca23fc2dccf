//! From distances to the entries of `results.json`.

use bertillon::{
    Answers,
    evaluation::{self, Case, Evaluated, HitCounts, Settings},
    results::{
        BudgetResult, Checks, DrawResult, Enrolment, Evaluation, FamilyHits, FingerprintResult,
        Hits, ImagesSent, ModelRow, Population, ServiceSettings,
    },
    suite::Negatives,
};

use super::{Bench, Scored, against, best, checks, suspect};
use crate::{RunError, context::Context, plan::Plan, population::Outcome, worker::for_each};

/// Replicates of the bootstrap.
pub(super) const REPLICATES: usize = 2000;

/// A warning about draws that differ in nothing.
const SAME_QUERIES: &str = "every draw asks the same queries, so the deviation over draws is no \
                            measure of doubt (a larger bank or pool mends it)";

/// Rates of every fingerprint at every budget, and what to know about them.
pub(super) struct Rated {
    pub(super) results: Vec<FingerprintResult>,
    pub(super) checks: Checks,
    pub(super) warnings: Vec<String>,
}

/// Rates of every fingerprint at every budget.
pub(super) fn fingerprints(
    context: &Context<'_>,
    scored: &[Scored],
    bench: &Bench<'_>,
) -> Result<Rated, RunError> {
    let (plan, suspects) = (context.plan, &bench.suspects);
    let evaluation = &plan.suite.evaluation;
    let settings = Settings {
        false_positive_rate: evaluation.false_positive_rate,
        protocol: evaluation.protocol,
        replicates: REPLICATES,
        seed: plan.suite.seed,
        counts_hits: false,
    };
    let cells: Vec<(usize, usize)> = (0..scored.len())
        .flat_map(|index| (0..evaluation.budgets.len()).map(move |budget| (index, budget)))
        .collect();
    let fingerprints = scored.len();
    let evaluated = for_each(context.workers, context.interrupt, &cells, |&(index, budget)| {
        let scored = &scored[index];
        let suspects: Vec<evaluation::Suspect> = suspects
            .iter()
            .zip(&scored.rehearsed)
            .map(|(suspect, &rehearsed)| evaluation::Suspect { rehearsed, ..suspect.clone() })
            .collect();
        let case = Case {
            suspects: &suspects,
            ancestry: &plan.ancestry,
            judged: &scored.judged[budget],
            draws: &scored.distances[budget],
        };
        // Comparisons of runs test them there, and nowhere else.
        let counts_hits = evaluation.budgets[budget].value == evaluation.primary_budget;
        let settings = Settings { counts_hits, ..settings.clone() };
        let evaluated = evaluation::evaluate(&case, &settings);
        let checked = evaluated.is_ok().then(|| checks::check(&case, &settings, fingerprints));
        Ok((evaluated, checked))
    })?;
    let mut evaluated = cells.iter().zip(evaluated);
    let mut checks = Checks::default();
    let mut warnings = Warnings::default();
    let mut fingerprints = Vec::new();
    let (mut replicated, mut replicated_groups) = (Vec::new(), Vec::new());
    for (planned, scored) in plan.fingerprints.iter().zip(scored) {
        let mut result = FingerprintResult {
            name: planned.name.clone(),
            method: planned.recipe.plugin.clone(),
            parameters: planned.parameters.clone(),
            access: planned.needs.access.to_string(),
            knowledge: planned.knowledge.words().into_iter().map(str::to_owned).collect(),
            rehearsed: planned.rehearsed_groups(),
            positives: 0,
            negatives: 0,
            failed: scored.failed.iter().copied().max().unwrap_or_default(),
            enrolment: Enrolment {
                forwards: scored.forwards,
                gradients: scored.gradients,
                notes: scored.notes.clone(),
            },
            budgets: Vec::new(),
        };
        for (&(index, budget), (outcome, checked)) in
            evaluated.by_ref().take(evaluation.budgets.len())
        {
            let queries = evaluation.budgets[budget].value;
            if let Some(checked) = checked {
                let to = (&mut checks, &mut warnings);
                checks::add((plan, bench), (index, budget), scored, checked, to);
            }
            match outcome {
                Ok(mut found) => {
                    replicated.push(std::mem::take(&mut found.replicated));
                    replicated_groups.push(std::mem::take(&mut found.replicated_groups));
                    result.positives = result.positives.max(found.positives);
                    result.negatives = result.negatives.max(found.negatives);
                    checks.thin.extend(checks::thin(&planned.name, queries, &found));
                    for warning in &found.warnings {
                        warnings.add(warning.cause(), &planned.name, queries, warning.figure());
                    }
                    if scored.failed[budget] > 0 {
                        let lost = Some(scored.failed[budget].to_string());
                        warnings.add("pairs lost to failed cells", &planned.name, queries, lost);
                    }
                    if evaluation.draws > 1 && scored.overlap[budget] == Some(1.0) {
                        warnings.add(SAME_QUERIES, &planned.name, queries, None);
                    }
                    result.budgets.push(budget_result(plan, scored, planned.bank, budget, found));
                }
                Err(error) => {
                    warnings.add(&error.to_string(), &planned.name, queries, None);
                }
            }
        }
        fingerprints.push(result);
    }
    let baselines: Vec<&str> =
        evaluation.baselines.iter().map(|baseline| baseline.value.as_str()).collect();
    against::compare(&mut fingerprints, &replicated, &replicated_groups, &baselines);
    best::compare(&mut fingerprints, replicated, evaluation.primary_budget);
    if !plan.fingerprints.iter().any(|planned| planned.knowledge.rehearsals) {
        let budgets = fingerprints.iter_mut().flat_map(|fingerprint| &mut fingerprint.budgets);
        budgets.for_each(|at| at.groups.clear());
    }
    Ok(Rated { results: fingerprints, checks, warnings: warnings.into_lines() })
}

/// Warnings by their cause, so that one that concerns many rates is said once.
#[derive(Default)]
pub(super) struct Warnings(Vec<(String, Vec<Concerned>)>);

/// A fingerprint with the budgets that a warning concerns, each with its figure.
type Concerned = (String, Vec<String>);

impl Warnings {
    pub(super) fn add(
        &mut self,
        cause: &str,
        fingerprint: &str,
        budget: usize,
        figure: Option<String>,
    ) {
        let causes = &mut self.0;
        let at = causes.iter().position(|(known, _)| known == cause).unwrap_or_else(|| {
            causes.push((cause.to_owned(), Vec::new()));
            causes.len() - 1
        });
        let fingerprints = &mut causes[at].1;
        if fingerprints.last().is_none_or(|(last, _)| last != fingerprint) {
            fingerprints.push((fingerprint.to_owned(), Vec::new()));
        }
        let figure = figure.map(|figure| format!(": {figure}")).unwrap_or_default();
        if let Some((_, budgets)) = fingerprints.last_mut() {
            budgets.push(format!("L = {budget}{figure}"));
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        let places = |fingerprints: Vec<(String, Vec<String>)>| -> Vec<String> {
            let place =
                |(name, budgets): (String, Vec<String>)| format!("{name} ({})", budgets.join(", "));
            fingerprints.into_iter().map(place).collect()
        };
        self.0
            .into_iter()
            .map(|(cause, fingerprints)| format!("{cause}: {}", places(fingerprints).join("; ")))
            .collect()
    }
}

fn budget_result(
    plan: &Plan,
    scored: &Scored,
    bank: Option<usize>,
    budget: usize,
    found: Evaluated,
) -> BudgetResult {
    let evaluation = &plan.suite.evaluation;
    BudgetResult {
        budget: evaluation.budgets[budget].value,
        draws: evaluation.draws,
        ddof: 1,
        tpr: found.tpr,
        tpr_randomised: found.tpr_randomised,
        tpr_without_vanillas: found.tpr_without_vanillas,
        fpr: found.fpr,
        companion: found.companion,
        by_draw: found
            .draws
            .iter()
            .zip(&scored.queries[budget])
            .map(|(&(tpr, tpr_randomised), queries)| DrawResult {
                queries: queries.to_hex().to_string(),
                tpr,
                tpr_randomised,
            })
            .collect(),
        threshold: found.threshold,
        auc: found.auc,
        roc: found.roc,
        variations: found.variations,
        overlap: scored.overlap[budget],
        groups: found.groups,
        against: Vec::new(),
        against_best: None,
        hits: found.hits.map(|counts| hits(plan, bank, counts)),
    }
}

/// Counts of accepted pairs with the names of families; those without true pairs are left out.
fn hits(plan: &Plan, bank: Option<usize>, counts: HitCounts) -> Hits {
    let families = plan.families.iter().zip(counts.families);
    let families = families.filter(|(_, (positives, _))| positives.iter().any(|&count| count > 0));
    Hits {
        bank,
        kinds: counts.kinds,
        families: families
            .map(|(family, (positives, accepted))| FamilyHits {
                family: family.vanilla.name.clone(),
                positives,
                accepted,
            })
            .collect(),
    }
}

/// The evaluation as it was run.
pub(super) fn settings(plan: &Plan) -> Evaluation {
    let evaluation = &plan.suite.evaluation;
    Evaluation {
        task: evaluation.tasks.iter().map(|task| task.word()).collect::<Vec<_>>().join(", "),
        protocol: evaluation.protocol.word().into(),
        negatives: match evaluation.negatives {
            Negatives::All => "all",
            Negatives::Strangers => "strangers",
        }
        .into(),
        false_positive_rate: evaluation.false_positive_rate,
        max_accuracy_drop: evaluation.max_accuracy_drop,
        primary_budget: evaluation.primary_budget,
        draws: evaluation.draws,
        pool: plan.pool.len(),
    }
}

/// What was sent, and what services do to it.
pub(super) fn images(plan: &Plan) -> Option<ImagesSent> {
    let services = plan.families.iter().filter_map(|family| {
        let (preprocessing, input) = (family.vanilla.preprocessing?, family.vanilla.input?);
        Some(ServiceSettings {
            vanilla: family.vanilla.name.clone(),
            input: input.into(),
            preprocessing: format!("{preprocessing}, centre {}x{}", input.height, input.width),
            keeps_native: preprocessing.keeps_native,
        })
    });
    let shape = plan.pool.images.as_ref()?.shape().into();
    Some(ImagesSent { shape, services: services.collect() })
}

/// Every model with what became of it.
pub(super) fn population(
    plan: &Plan,
    outcomes: &[Outcome],
    vanillas: &[Result<Answers, String>],
    suspects: &[evaluation::Suspect],
) -> Population {
    let models: Vec<ModelRow> = outcomes
        .iter()
        .map(|outcome| {
            let suspect = suspect(plan, outcome.model);
            let unchanged = outcome.changes.as_ref().is_some_and(|changes| changes.unchanged);
            let answers = match unchanged {
                true => vanillas[outcome.model.family].as_ref().ok(),
                false => outcome.pool.as_ref(),
            };
            ModelRow {
                name: plan.model_name(outcome.model),
                family: plan.families[outcome.model.family].vanilla.name.clone(),
                kind: suspect.kind,
                detail: suspect.detail,
                parameter: suspect.parameter,
                group: suspect.group,
                accuracy: answers.map(|answers| answers.accuracy(&plan.pool.truth)),
                agreement: outcome.model.variant.and_then(|_| {
                    let vanilla = vanillas[outcome.model.family].as_ref().ok()?;
                    Some(answers?.agreement(vanilla))
                }),
                kept: outcome.kept,
                changes: outcome.changes.as_ref().map(|changes| changes.summary.clone()),
                unchanged,
            }
        })
        .collect();
    let kept = suspects.len();
    Population {
        vanillas: plan.families.len(),
        variants: models.len() - plan.families.len(),
        kept,
        positives: kept,
        negatives: kept * (plan.families.len() - 1),
        models,
    }
}
