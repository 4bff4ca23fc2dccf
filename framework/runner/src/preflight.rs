//! Before anything else: do the vanillas answer as their providers mean them to?
//!
//! A wrong normalisation leaves a network running, a little worse. So each vanilla's accuracy is held against the one that
//! is claimed; without a claim against chance, and its answers against those with its images prepared in other ways that
//! people take for the right one.

use bertillon::{Answers, Mode, Model, chunk};
use serde::{Deserialize, Serialize};
use tch::Kind;

use crate::{
    RunError,
    cache::Note,
    context::Context,
    plan::Plan,
    worker::{Site, for_each},
};

/// Images on which ways to prepare them are compared, at most.
const SAMPLE: usize = 256;

/// Standard errors by which a claim or chance must be missed.
const ERRORS: f64 = 3.0;

/// Accuracy that may be missing for other reasons than chance: another decoder, another resizing.
const SLACK: f64 = 0.01;

/// Least `t` of the paired differences of log-likelihood for another way to pass for the right one. Where the way given
/// was right, the others came to -5 and less, or within 1 of 0 where they are as good as the same (three networks, 400
/// images); where it was wrong, the right one to 5 and more.
const LIKELIER: f64 = 4.0;

/// Least gain of accuracy of such a way.
const GAIN: f64 = 0.02;

/// How another way to prepare the images compares with the one given, on the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// What it is called.
    way: String,
    /// Share answered rightly, and the same as given.
    accuracy: [f64; 2],
    /// Mean paired difference of the true label's log-likelihood, in standard errors; above 0 where this way is likelier.
    likelier: f64,
}

impl Compared {
    fn gain(&self) -> f64 {
        self.accuracy[0] - self.accuracy[1]
    }

    fn is_better(&self) -> bool {
        self.likelier > LIKELIER && self.gain() > GAIN
    }
}

/// Stops a run whose vanillas are used wrongly, with all that was found.
pub(crate) fn check(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
) -> Result<(), RunError> {
    refuse(findings(context, vanillas)?.into_iter().map(|(_, message)| message))
}

/// Stops a run if this vanilla is used wrongly.
pub(crate) fn check_one(
    context: &Context<'_>,
    family: usize,
    answers: &Answers,
) -> Result<(), RunError> {
    refuse(checked(context, family, answers)?)
}

fn refuse(messages: impl IntoIterator<Item = String>) -> Result<(), RunError> {
    let messages: Vec<String> = messages.into_iter().collect();
    match messages.is_empty() {
        true => Ok(()),
        false => Err(RunError::User(messages.join("\n"))),
    }
}

/// What is wrong with vanillas, each with its family.
pub(crate) fn findings(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
) -> Result<Vec<(usize, String)>, RunError> {
    if context.plan.recorded.is_some() {
        return Ok(Vec::new());
    }
    let answering: Vec<(usize, &Answers)> = vanillas
        .iter()
        .enumerate()
        .filter_map(|(family, answers)| Some((family, answers.as_ref().ok()?)))
        .collect();
    let findings =
        for_each(context.workers, context.interrupt, &answering, |&(family, answers)| {
            Ok(checked(context, family, answers)?.map(|message| (family, message)))
        })?;
    Ok(findings.into_iter().flatten().collect())
}

/// What is wrong with how a vanilla is used, if anything is.
fn checked(
    context: &Context<'_>,
    family: usize,
    answers: &Answers,
) -> Result<Option<String>, RunError> {
    let plan = context.plan;
    let accuracy = answers.accuracy(&plan.pool.truth);
    let vanilla = &plan.families[family].vanilla;
    if vanilla.accuracy.is_some() && !misses_claim(plan, family, accuracy) {
        return Ok(None);
    }
    Ok(match compare(context, family)? {
        Ok(compared) => finding(plan, family, accuracy, &compared),
        Err(reason) => Some(format!(
            "`{}` can't be tried with its images prepared otherwise: {reason}",
            vanilla.name
        )),
    })
}

fn misses_claim(plan: &Plan, family: usize, accuracy: f64) -> bool {
    let claimed = plan.families[family].vanilla.accuracy;
    claimed.is_some_and(|claimed| {
        let error = (claimed * (1.0 - claimed) / plan.pool.len() as f64).sqrt();
        accuracy < claimed - SLACK - ERRORS * error
    })
}

/// What is wrong with a vanilla, if anything is.
fn finding(plan: &Plan, family: usize, accuracy: f64, compared: &[Compared]) -> Option<String> {
    let vanilla = &plan.families[family].vanilla;
    let images = plan.pool.len();
    let chance = 1.0 / vanilla.classes as f64;
    let error = (chance * (1.0 - chance) / images as f64).sqrt();
    let better = compared
        .iter()
        .filter(|compared| compared.is_better())
        .max_by(|a, b| a.gain().total_cmp(&b.gain()));
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let advice = better.map_or_else(String::new, |better| {
        format!(
            "; of the same {} images, {} as given and {} {}",
            SAMPLE.min(images),
            percent(better.accuracy[1]),
            percent(better.accuracy[0]),
            better.way
        )
    });
    let name = &vanilla.name;
    if let Some(claimed) = vanilla.accuracy {
        return Some(format!(
            "`{name}` answers {} of {images} images rightly, and is said to reach {}{advice}; mend how its images are \
             prepared, its classes or the labels, or claim what it reaches here",
            percent(accuracy),
            percent(claimed)
        ));
    }
    if better.is_some() {
        return Some(format!(
            "`{name}` seems to get its images wrongly prepared{advice}; mend that, or state the accuracy that it should \
             reach if this is right"
        ));
    }
    (accuracy <= chance + ERRORS * error).then(|| {
        format!(
            "`{name}` answers {:.1} % of {images} images rightly, no more than chance: its weights, how its images are \
             prepared, the order of the classes or the labels are wrong",
            100.0 * accuracy
        )
    })
}

fn compare(
    context: &Context<'_>,
    family: usize,
) -> Result<Result<Vec<Compared>, String>, RunError> {
    let key = context.plan.preflight_key(family, SAMPLE);
    let compared = context.obtain(key, || {
        context.progress.working_on(&format!(
            "{} with its images prepared otherwise",
            context.plan.families[family].vanilla.name
        ));
        compared(&context.site(), family).map(Note)
    })?;
    Ok(compared.map(|Note(compared)| compared))
}

/// Puts the first images of the pool to a vanilla in every way that its collection knows.
fn compared(site: &Site, family: usize) -> Result<Vec<Compared>, String> {
    site.limited(move |site| {
        let ways = site.plan().collection.mistaken(family, site.device())?;
        if ways.is_empty() {
            return Ok(Vec::new());
        }
        let given = tried(site, site.vanilla(family)?.as_ref())?;
        ways.into_iter()
            .map(|(way, network)| {
                let other = tried(site, site.served(family, network)?.as_ref())?;
                let differences: Vec<f64> =
                    given.iter().zip(&other).map(|(given, other)| other.0 - given.0).collect();
                let right = |answers: &[(f64, bool)]| {
                    answers.iter().filter(|(_, right)| *right).count() as f64 / answers.len() as f64
                };
                let accuracy = [right(&other), right(&given)];
                Ok(Compared { way, accuracy, likelier: in_standard_errors(&differences) })
            })
            .collect()
    })
}

/// Log-likelihood of each true label, and whether it is the best; of the first images of the pool.
fn tried(site: &Site, model: &dyn Model) -> bertillon::Result<Vec<(f64, bool)>> {
    let pool = &site.plan().pool;
    let images = pool.images()?;
    let mut answers = Vec::new();
    let chunk = chunk(images.shape());
    for start in (0..pool.len().min(SAMPLE)).step_by(chunk) {
        let range = start..pool.len().min(SAMPLE).min(start + chunk);
        let batch = images.to_tensor(range.clone(), site.device());
        let logits = tch::no_grad(|| model.logits(&batch, Mode::Evaluation))?;
        let likelihoods = logits.f_log_softmax(1, Kind::Float)?.nan_to_num(-1e3, 0.0, -1e3);
        for (row, (label, &truth)) in
            bertillon::labels(&likelihoods)?.iter().zip(&pool.truth[range]).enumerate()
        {
            let likelihood = likelihoods.f_double_value(&[row as i64, i64::from(truth)])?;
            // One image that is out of the question for one way must not decide by itself.
            answers.push((likelihood.max(-20.0), *label == truth));
        }
    }
    Ok(answers)
}

/// The mean of numbers in units of its standard error; 0 where they don't vary.
fn in_standard_errors(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = mean / (variance / n).sqrt();
    if t.is_finite() { t } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_in_standard_errors_is_students_t() {
        // Mean 2.5, deviation sqrt(5/3).
        let t = in_standard_errors(&[1.0, 2.0, 3.0, 4.0]);
        assert!((t - 2.5 / (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(in_standard_errors(&[1.0, 1.0]), 0.0);
    }

    #[test]
    fn another_way_must_be_likelier_and_more_accurate() {
        let compared = |accuracy, likelier| Compared { way: String::new(), accuracy, likelier };
        assert!(compared([0.42, 0.33], 8.8).is_better());
        assert!(!compared([0.42, 0.33], 3.0).is_better());
        // Softer answers alone are no evidence.
        assert!(!compared([0.42, 0.42], 9.0).is_better());
    }
}
