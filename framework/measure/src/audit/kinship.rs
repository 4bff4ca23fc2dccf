//! Who is related to whom, by the mistakes that two models share.
//!
//! What two models both have right says little: good models agree. Of the images that a model has wrong, a relative gives
//! more often the same wrong label. But a badly damaged model comes to share the mistakes of robust ones, so a variant is
//! only taken for another's where it gives more of all its answers as that one does, too.

use rayon::prelude::*;

use super::{AuditedModel, AuditedPopulation, Finding, Rule, Severity, finding::percent};
use crate::Answers;

/// Standard errors by which a variant must share more answers, and more mistakes, with another vanilla than with its own.
const ERRORS: f64 = 5.0;

/// Images that two models must both have wrong.
const BOTH_WRONG: usize = 100;

/// Pairs of vanillas declared apart that tell what is usual: those of six families.
const USUAL: usize = 15;

/// Median absolute deviations from the median, of the log-odds of shared mistakes, from which on a pair is a relative.
const DEVIATIONS: f64 = 6.0;

/// Findings about who is whose relative.
pub fn kinship(population: &AuditedPopulation) -> Vec<Finding> {
    let vanillas: Vec<Option<Vec<u16>>> =
        population.vanillas().into_iter().map(|answers| answers.map(best)).collect();
    let mut findings: Vec<Finding> = population
        .models
        .par_iter()
        .filter_map(|model| astray(population, &vanillas, model))
        .collect();
    findings.extend(relatives(population, &vanillas));
    findings
}

/// Best labels.
fn best(answers: &Answers) -> Vec<u16> {
    answers.as_slice().iter().step_by(answers.ranks()).copied().collect()
}

/// How a variant's answers compare with those of its own vanilla and of another, over some images.
#[derive(Debug, Clone, Copy, Default)]
struct Shared {
    images: u32,
    own: u32,
    other: u32,
    own_only: u32,
    other_only: u32,
}

impl Shared {
    fn add(&mut self, is_own: bool, is_other: bool) {
        self.images += 1;
        self.own += u32::from(is_own);
        self.other += u32::from(is_other);
        self.own_only += u32::from(is_own && !is_other);
        self.other_only += u32::from(is_other && !is_own);
    }

    /// By how many standard errors the other is nearer (McNemar's test, which is paired).
    fn in_errors(&self) -> f64 {
        let (own, other) = (f64::from(self.own_only), f64::from(self.other_only));
        (other - own) / (other + own).max(1.0).sqrt()
    }

    fn said(&self, own: &str, other: &str) -> String {
        let share = |count: u32| percent(f64::from(count) / f64::from(self.images.max(1)));
        format!(
            "{} shared with `{own}`, {} with `{other}`, {:.1} standard errors between them",
            share(self.own),
            share(self.other),
            self.in_errors()
        )
    }
}

/// A variant that shares more answers and more mistakes with a vanilla of another ancestry than with its own.
fn astray(
    population: &AuditedPopulation,
    vanillas: &[Option<Vec<u16>>],
    model: &AuditedModel,
) -> Option<Finding> {
    model.variation.as_ref()?;
    let answers = best(model.answers.as_ref()?);
    let own = vanillas[model.family].as_ref()?;
    let families = &population.families;
    let mut nearest: Option<(f64, usize, Shared, Shared)> = None;
    for (family, vanilla) in vanillas.iter().enumerate() {
        let Some(vanilla) = vanilla else { continue };
        if families[family].ancestry == families[model.family].ancestry {
            continue;
        }
        let (mut all, mut mistakes) = (Shared::default(), Shared::default());
        for (((&label, &own), &other), &truth) in
            answers.iter().zip(own).zip(vanilla).zip(&population.truth)
        {
            all.add(label == own, label == other);
            if label != truth {
                mistakes.add(label == own, label == other);
            }
        }
        let in_errors = all.in_errors().min(mistakes.in_errors());
        if nearest.is_none_or(|(most, ..)| in_errors > most) {
            nearest = Some((in_errors, family, all, mistakes));
        }
    }
    let (in_errors, other, all, mistakes) = nearest?;
    if in_errors <= ERRORS {
        return None;
    }
    let (own, other) = (&families[model.family].name, &families[other].name);
    // What the filter leaves out harms no rate.
    let severity = if model.kept { Severity::Error } else { Severity::Warning };
    let message = format!(
        "`{}` answers more like `{other}` than like its vanilla `{own}`: it may be filed under the wrong family",
        model.name
    );
    Some(
        Finding::new(Rule::MislabelledVariant, severity, [model.name.clone()], message)
            .because(&format!("{} answers", all.images), all.said(own, other))
            .because(&format!("{} mistakes", mistakes.images), mistakes.said(own, other)),
    )
}

/// Two vanillas and the mistakes that they share.
struct Pair {
    families: [usize; 2],
    /// Images that both have wrong.
    both_wrong: usize,
    /// Of these, those that they give one label.
    shared: usize,
}

impl Pair {
    fn share(&self) -> f64 {
        self.shared as f64 / self.both_wrong as f64
    }

    /// Log-odds of sharing a mistake, a half added to each side.
    fn log_odds(&self) -> f64 {
        ((self.shared as f64 + 0.5) / ((self.both_wrong - self.shared) as f64 + 0.5)).ln()
    }

    /// Standard error of the log-odds.
    fn error(&self) -> f64 {
        (1.0 / (self.shared as f64 + 0.5) + 1.0 / ((self.both_wrong - self.shared) as f64 + 0.5))
            .sqrt()
    }
}

/// Vanillas declared apart that share far more mistakes than others do.
fn relatives(population: &AuditedPopulation, vanillas: &[Option<Vec<u16>>]) -> Vec<Finding> {
    let families = &population.families;
    let mut pairs = Vec::new();
    for a in 0..families.len() {
        for b in a + 1..families.len() {
            let (Some(x), Some(y)) = (&vanillas[a], &vanillas[b]) else { continue };
            if families[a].ancestry != families[b].ancestry {
                pairs.extend(compared([a, b], x, y, &population.truth));
            }
        }
    }
    if pairs.len() < USUAL {
        return Vec::new();
    }
    let usual = median(pairs.iter().map(Pair::log_odds));
    let deviation = median(pairs.iter().map(|pair| (pair.log_odds() - usual).abs()));
    let share = median(pairs.iter().map(Pair::share));
    let is_related =
        |pair: &&Pair| pair.log_odds() - usual > DEVIATIONS * deviation + 3.0 * pair.error();
    let finding = |pair: &Pair| {
        let [a, b] = pair.families.map(|family| &families[family].name);
        let message = format!(
            "`{a}` and `{b}` are declared apart and give {} of their common mistakes the same label: declare one ancestry \
             where they were trained from, or by, the same model",
            percent(pair.share())
        );
        let subjects = [a.clone(), b.clone()];
        let deviations = (pair.log_odds() - usual) / deviation;
        Finding::new(Rule::SharedAncestry, Severity::Warning, subjects, message)
            .because("images that both have wrong", pair.both_wrong.to_string())
            .because("usual share among vanillas declared apart", percent(share))
            .because("median absolute deviations above it (log-odds)", format!("{deviations:.1}"))
    };
    pairs.iter().filter(is_related).map(finding).collect()
}

fn compared(families: [usize; 2], x: &[u16], y: &[u16], truth: &[u16]) -> Option<Pair> {
    let (mut both_wrong, mut shared) = (0, 0);
    for ((x, y), truth) in x.iter().zip(y).zip(truth) {
        let wrong = x != truth && y != truth;
        both_wrong += usize::from(wrong);
        shared += usize::from(wrong && x == y);
    }
    (both_wrong >= BOTH_WRONG).then_some(Pair { families, both_wrong, shared })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
