//! What a finished run tells of its population.

use std::collections::BTreeMap;

use super::{
    Finding, Rule, Severity,
    finding::{named, percent},
    population::unchanged_of,
};
use crate::results::Results;

/// A suspect to which another owner is nearer than its own, by one fingerprint in every draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// The suspect.
    pub suspect: String,
    /// The fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Its own owner, and the mean distance to her.
    pub own: (String, f64),
    /// The nearest other one, and the mean distance to her.
    pub other: (String, f64),
}

/// Findings from a run's results and from the suspects that `nearest` names, of `judging` fingerprints.
pub fn finished(results: &Results, nearest: &[Nearest], judging: usize) -> Vec<Finding> {
    let mut findings = unchanged(results);
    findings.extend(astray(nearest, judging));
    findings.extend(failures(results));
    findings.extend(checks(results));
    findings
}

fn unchanged(results: &Results) -> Vec<Finding> {
    let images = results.evaluation.pool;
    let mut families: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for model in &results.population.models {
        let (said, same) = families.entry(&model.family).or_default();
        if model.unchanged {
            said.push(model.name.clone());
        } else if model.agreement == Some(1.0) {
            same.push(model.name.clone());
        }
    }
    let of_family = |(family, (said, same)): (&str, _)| unchanged_of(family, said, same, images);
    families.into_iter().flat_map(of_family).collect()
}

/// Suspects that more than half of the fingerprints find nearer to one and the same other owner.
fn astray(nearest: &[Nearest], judging: usize) -> Vec<Finding> {
    let mut of_suspect: BTreeMap<(&str, &str), Vec<&Nearest>> = BTreeMap::new();
    for found in nearest {
        of_suspect.entry((&found.suspect, &found.other.0)).or_default().push(found);
    }
    let many = of_suspect.into_iter().filter(|(_, found)| 2 * found.len() > judging);
    many.map(|((suspect, other), found)| {
        let own = &found[0].own.0;
        let message = format!(
            "{} of {judging} fingerprints find `{suspect}` nearer to `{other}` than to its own `{own}`, in every draw",
            found.len()
        );
        let subjects = [suspect.to_owned()];
        let finding = Finding::new(Rule::MislabelledVariant, Severity::Warning, subjects, message);
        found.iter().fold(finding, |finding, found| {
            let (name, budget) = (&found.fingerprint, found.budget);
            let value = format!("{:.4} to its own, {:.4} to the other", found.own.1, found.other.1);
            finding.because(&format!("mean distance by {name}, L = {budget}"), value)
        })
    })
    .collect()
}

/// One a step, plugin and reason.
fn failures(results: &Results) -> Vec<Finding> {
    let mut alike: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for failure in &results.failures {
        alike.entry((&failure.step, &failure.reason)).or_default().push(failure.subject.clone());
    }
    let finding = |((step, reason), subjects): ((&str, &str), Vec<String>)| {
        let message =
            format!("{} cells failed ({step}): their pairs are in no count", subjects.len());
        let names = named(&subjects);
        Finding::new(Rule::MissingModel, Severity::Warning, subjects, message)
            .because("cells", names)
            .because("reason", reason)
    };
    alike.into_iter().map(finding).collect()
}

fn checks(results: &Results) -> Vec<Finding> {
    let Some(checks) = &results.checks else { return Vec::new() };
    let mut findings = Vec::new();
    let found = |name: &str, severity, message: String| {
        Finding::new(Rule::FailedCheck, severity, [name.to_owned()], message)
    };
    for check in checks.exchanged.iter().filter(|check| check.fails()) {
        let (Some(rate), Some([low, high])) = (check.rate, check.expected) else { continue };
        let message = format!(
            "by {} (L = {}) owners accept {} of another family's models that they take for theirs",
            check.fingerprint,
            check.budget,
            percent(rate)
        );
        findings.push(
            found(&check.fingerprint, Severity::Error, message)
                .because("expected", format!("{} to {}", percent(low), percent(high)))
                .because("chance that a sound run is flagged", percent(check.level)),
        );
    }
    for check in checks.copies.iter().filter(|check| check.farther > 0) {
        let message = format!(
            "by {} (L = {}) another suspect is nearer than an identical copy in {} of {} cases",
            check.fingerprint, check.budget, check.farther, check.compared
        );
        let finding = found(&check.fingerprint, Severity::Warning, message);
        findings.push(match &check.worst {
            None => finding,
            Some(worst) => finding.because(
                "worst case",
                format!(
                    "owner {}, draw {}: {} for the copy, {:.4} for {}",
                    worst.owner,
                    worst.draw,
                    worst.copy.map_or_else(|| "infinite".to_owned(), |copy| format!("{copy:.4}")),
                    worst.distance,
                    worst.suspect
                ),
            ),
        });
    }
    for thin in &checks.thin {
        let (severity, what) = match thin.accepted {
            Some(0) => (Severity::Error, "can't measure the target at all"),
            _ => (Severity::Warning, "has too little behind it"),
        };
        let message = format!(
            "the threshold of {} (L = {}) {what}: {} false pairs",
            thin.fingerprint, thin.budget, thin.negatives
        );
        let mut finding = found(&thin.fingerprint, severity, message);
        if let Some(accepted) = thin.accepted {
            finding = finding.because("of these the target lets pass", accepted.to_string());
        }
        if let Some(pairs) = thin.family_pairs {
            finding = finding.because("pairs of families they come from", format!("{pairs:.1}"));
        }
        findings.push(finding);
    }
    findings
}
