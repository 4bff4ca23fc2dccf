//! Every model of the run: who was kept, who was not, and why.

use std::collections::HashMap;

use bertillon_measure::results::{ModelRow, Results};
use maud::{Markup, html};

use super::said;
use crate::text::{count, percent, plural, target};

/// Models listed at most, so that a page stays small.
const MOST_MODELS: usize = 2000;

/// The models of a run, folded where they are many.
pub(super) fn population(results: &Results) -> Markup {
    let models = &results.population.models;
    if models.is_empty() {
        return html! {};
    }
    let vanillas: HashMap<&str, f64> = models
        .iter()
        .filter(|model| model.kind == "vanilla")
        .filter_map(|model| Some((model.family.as_str(), model.accuracy?)))
        .collect();
    let drop = results.evaluation.max_accuracy_drop;
    let state = |model: &ModelRow| state(model, vanillas.get(model.family.as_str()).copied(), drop);
    let left_out = models.iter().filter(|model| !model.kept).count();
    html! {
        p {
            (plural(models.len(), "model", "models")) ", " (count(models.len().saturating_sub(left_out) as f64))
            " kept: they are suspects, and true or false pairs are counted of them."
            @if left_out > 0 {
                " " (count(left_out as f64)) " left out, each with its reason below."
            }
        }
        details open[models.len() <= 40] {
            summary { "All models (" (count(models.len() as f64)) ")" }
            @if models.len() > MOST_MODELS {
                p .remark {
                    "Those left out first, " (count(MOST_MODELS as f64)) " rows in all; results.json has every model."
                }
            }
            div .scroll role="region" tabindex="0" aria-label="All models" {
                table #models .sortable .filterable {
                    caption .hidden { "All models" }
                    thead {
                        tr {
                            th scope="col" { "Model" }
                            th scope="col" data-filter { "Family" }
                            th scope="col" data-filter { "Kind" }
                            th scope="col" .n { "Accuracy, %" }
                            th scope="col" .n { "As its vanilla, %" }
                            th scope="col" data-filter { "State" }
                            th scope="col" { "Reason, or what was done" }
                        }
                    }
                    tbody { @for model in listed(models) { (row(model, state(model))) } }
                }
            }
        }
    }
}

/// In their order; where they are too many, those left out first.
fn listed(models: &[ModelRow]) -> Vec<&ModelRow> {
    if models.len() <= MOST_MODELS {
        return models.iter().collect();
    }
    let (kept, left_out): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.kept);
    left_out.into_iter().chain(kept).take(MOST_MODELS).collect()
}

fn row(model: &ModelRow, (state, reason): (&'static str, String)) -> Markup {
    let kind = match &model.detail {
        Some(detail) => format!("{}/{detail}", model.kind),
        None => model.kind.clone(),
    };
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), percent);
    html! {
        tr {
            th scope="row" { span .name { (said(&model.name)) } }
            td { (said(&model.family)) }
            td { (said(&kind)) }
            td .n { (share(model.accuracy)) }
            td .n { (share(model.agreement)) }
            td { (state) }
            td { (said(&reason)) }
        }
    }
}

/// What became of a model, and why.
fn state(model: &ModelRow, vanilla: Option<f64>, drop: f64) -> (&'static str, String) {
    let done = model.changes.clone().unwrap_or_default();
    match (model.kept, model.unchanged, model.accuracy) {
        (true, ..) => ("kept", done),
        (false, true, _) => ("unchanged", format!("its generator left it as it was; {done}")),
        (false, false, None) => ("failed", "it gave no answers: see the failures".to_owned()),
        (false, false, Some(accuracy)) => {
            let reason = match vanilla {
                Some(vanilla) => format!(
                    "accuracy {} %, more than {} below its vanilla's {} %",
                    percent(accuracy),
                    target(drop),
                    percent(vanilla)
                ),
                None => format!("accuracy {} %, too far below its vanilla's", percent(accuracy)),
            };
            ("rejected", if done.is_empty() { reason } else { format!("{reason}; {done}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn each_model_that_is_left_out_has_its_reason() {
        let models = fixture::results().population.models;
        let said: Vec<_> = models.iter().map(|model| state(model, Some(0.9), 0.15)).collect();
        let states: Vec<&str> = said.iter().map(|(state, _)| *state).collect();
        assert_eq!(states, ["failed", "failed", "rejected", "unchanged", "rejected", "kept"]);
        assert_eq!(said[2].1, "accuracy 30.0 %, more than 15 % below its vanilla's 90.0 %");
    }

    #[test]
    fn of_too_many_models_none_that_was_left_out_is_missing() {
        let mut results = fixture::results();
        let kept = results.population.models.pop().unwrap();
        let mut models = vec![kept; MOST_MODELS];
        models.append(&mut results.population.models);
        let listed = listed(&models);
        assert_eq!(listed.len(), MOST_MODELS);
        assert_eq!(listed.iter().filter(|model| !model.kept).count(), 5);
    }
}
