//! The answer in a sentence or two, before anything else.

use bertillon_measure::results::{FingerprintResult, Rate, Results, VariationResult, kind_name};
use maud::{Markup, html};

use super::said;
use crate::text::{count, percent, plural, target};

/// What the run found, in words.
pub(super) fn answer(results: &Results) -> Markup {
    let problems = [
        (results.warnings.len(), "warning", "warnings"),
        (results.failures.len(), "failed cell", "failed cells"),
    ];
    let problems = problems.map(|(n, one, many)| (n > 0).then(|| plural(n, one, many)));
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    html! {
        @if results.fingerprints.is_empty() && results.identification.is_empty() && results.sequential.is_empty() {
            p { "This run has no rates." }
        }
        (detection(results))
        (identification(results))
        (sequential(results))
        @if !problems.is_empty() {
            p .problems { "Before you trust a figure: " a href="#remarks" { (problems.join(" and ")) } "." }
        }
    }
}

/// Fingerprints with their rate at the primary budget, the best first.
fn ranked(results: &Results) -> Vec<(&FingerprintResult, &Rate)> {
    let primary = results.evaluation.primary_budget;
    let rate = |fingerprint: &'_ FingerprintResult| {
        fingerprint.budgets.iter().position(|at| at.budget == primary)
    };
    let mut ranked: Vec<_> = results
        .fingerprints
        .iter()
        .filter_map(|f| rate(f).map(|at| (f, &f.budgets[at].tpr_randomised)))
        .collect();
    ranked.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
    ranked
}

/// A share in percent, which no line break parts.
fn share(share: f64) -> String {
    format!("{}\u{a0}%", percent(share))
}

fn with_interval(rate: &Rate) -> Markup {
    html! {
        strong { (share(rate.mean)) }
        @if let Some([low, high]) = rate.ci95 {
            " (95\u{a0}% interval " (percent(low)) " to " (percent(high)) ")"
        }
    }
}

fn detection(results: &Results) -> Markup {
    let ranked = ranked(results);
    let Some(&(best, rate)) = ranked.first() else {
        return html! {};
    };
    let evaluation = &results.evaluation;
    let weakest = weakest(best, evaluation.primary_budget);
    html! {
        p {
            "On this suite, at " (target(evaluation.false_positive_rate).replace(' ', "\u{a0}")) " false positives and "
            (plural(evaluation.primary_budget, "query", "queries")) ", "
            strong { (said(&best.name)) } " recognises " (with_interval(rate)) " of the models of its owner's family"
            @if let Some(&(next, next_rate)) = ranked.get(1) {
                ": the highest rate of " (plural(ranked.len(), "fingerprint", "fingerprints"))
                @if percent(next_rate.mean) == percent(rate.mean) {
                    ", shared with " (said(&next.name))
                } @else {
                    ", before " (said(&next.name)) " with " (share(next_rate.mean))
                }
            }
            "."
            @if let Some(row) = weakest {
                " Its weakest kind of variant is " strong { (kind(row)) } ": "
                (share(row.tpr_randomised.mean)) " of " (count(row.positives as f64)) "."
            }
        }
    }
}

/// The kind of variant that a fingerprint recognises least.
fn weakest(fingerprint: &FingerprintResult, budget: usize) -> Option<&VariationResult> {
    let at = fingerprint.budgets.iter().find(|at| at.budget == budget)?;
    let kinds = at.variations.iter().filter(|row| row.parameter.is_none() && row.positives > 0);
    kinds.min_by(|a, b| a.tpr_randomised.mean.total_cmp(&b.tpr_randomised.mean))
}

fn kind(row: &VariationResult) -> String {
    said(&kind_name(&row.kind, row.detail.as_deref()))
}

fn identification(results: &Results) -> Markup {
    let primary = results.evaluation.primary_budget;
    let best = |group: &str| {
        let found =
            results.identification.iter().filter(|f| f.group == group && f.budget == primary);
        found.max_by(|a, b| a.rates.correct.mean.total_cmp(&b.rates.correct.mean))
    };
    let questions =
        [("family", "the vanilla that a suspect comes from"), ("variation", "its kind of variant")];
    let found = questions.map(|(group, what)| best(group).map(|found| (what, found)));
    html! {
        @for (what, found) in found.into_iter().flatten() {
            p {
                "Asked for " (what) ", " strong { (said(&found.fingerprint)) } " names "
                (with_interval(&found.rates.correct)) " rightly with "
                (plural(primary, "query", "queries")) " an owner."
            }
        }
    }
}

fn sequential(results: &Results) -> Markup {
    let tests = results.sequential.iter().filter(|test| test.goal == "identification");
    let quickest = tests.min_by(|a, b| a.queries.mean.total_cmp(&b.queries.mean));
    html! {
        @if let Some(test) = quickest {
            p {
                "Where every model is known, a sequential test names the " (said(&test.group)) " after "
                strong { (format!("{:.2}", test.queries.mean)) } " queries in the mean, rightly in "
                (share(test.correct)) " of " (plural(test.cases, "case", "cases")) "."
            }
        }
    }
}
