//! Which vanilla enrols, by which fingerprint, within which budget.

use bertillon::suite::suggestion;

use super::Enrolment;
use crate::{
    RunError,
    plan::{Plan, PlannedFingerprint},
};

/// Who enrols, by what.
pub(super) struct Chosen {
    pub(super) fingerprint: usize,
    pub(super) owner: usize,
    pub(super) budget: usize,
    pub(super) draw: usize,
    pub(super) false_positive_rate: f64,
}

impl Chosen {
    pub(super) fn find(plan: &Plan, enrolment: &Enrolment) -> Result<Self, RunError> {
        let evaluation = &plan.suite.evaluation;
        let vanillas: Vec<&str> =
            plan.families.iter().map(|family| family.vanilla.name.as_str()).collect();
        let owner = vanillas.iter().position(|name| *name == enrolment.model);
        let owner = owner.ok_or_else(|| unknown("vanilla", &enrolment.model, &vanillas))?;
        let fingerprint = fingerprint(plan, &enrolment.fingerprint)?;
        let planned = &plan.fingerprints[fingerprint];
        let budget = enrolment.budget.unwrap_or(evaluation.primary_budget);
        let (most, of) = match planned.bank {
            Some(bank) => (bank, "queries in the bank"),
            None => (plan.pool.len(), "images in the pool"),
        };
        if budget == 0 || budget > most {
            return Err(RunError::User(format!(
                "a budget of {budget} is impossible: `{}` has {most} {of}, and asks 1 at least",
                planned.name
            )));
        }
        let false_positive_rate =
            enrolment.false_positive_rate.unwrap_or(evaluation.false_positive_rate);
        Ok(Self { fingerprint, owner, budget, draw: enrolment.draw, false_positive_rate })
    }

    pub(super) fn planned<'a>(&self, plan: &'a Plan) -> &'a PlannedFingerprint {
        &plan.fingerprints[self.fingerprint]
    }
}

fn fingerprint(plan: &Plan, name: &str) -> Result<usize, RunError> {
    let all = || plan.fingerprints.iter();
    if let Some(index) = all().position(|fingerprint| fingerprint.name == name) {
        return Ok(index);
    }
    let by_method: Vec<usize> =
        (0..).zip(all()).filter(|(_, f)| f.recipe.plugin == name).map(|(i, _)| i).collect();
    match by_method[..] {
        [index] => Ok(index),
        [] => {
            let names: Vec<&str> = all().map(|fingerprint| fingerprint.name.as_str()).collect();
            Err(unknown("fingerprint", name, &names))
        }
        _ => {
            let names: Vec<String> = by_method
                .iter()
                .map(|&index| format!("`{}`", plan.fingerprints[index].name))
                .collect();
            Err(RunError::User(format!(
                "{} fingerprints of the suite use the method `{name}`; name one of them: {}",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

/// A name that nothing has, with the nearest that something has.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> RunError {
    let help = suggestion(name, known).map(|help| format!("; {help}")).unwrap_or_default();
    RunError::User(format!("the suite has no {what} `{name}`{help}"))
}
