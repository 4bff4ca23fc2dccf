//! What answers say of single models: unchanged, twice there, broken, missing, more accurate than they can be.

use std::collections::BTreeMap;

use super::{
    Finding, Rule, Severity,
    finding::{named, percent},
};
use crate::Answers;

/// Images that equal answers must be over to tell anything: of fewer, weak variants of a good network often change none.
const ENOUGH: usize = 1000;

/// Share of the images with one label from which on a model answers nothing.
const CONSTANT: f64 = 0.9;

/// Standard errors, and accuracy, by which a variant must surpass its vanilla.
const SURPASSES: (f64, f64) = (5.0, 0.01);

/// Times chance that a model must be right to answer anything.
const CHANCES: f64 = 2.0;

/// Share of the families, and their number, that must have a variation before it is missed in the others.
const COMMON: (f64, usize) = (0.8, 5);

/// A family as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedFamily {
    /// Name of its vanilla.
    pub name: String,
    /// Ancestry group.
    pub ancestry: String,
    /// Accuracy that is claimed for the vanilla.
    pub claimed: Option<f64>,
}

/// A model with what it answered.
#[derive(Debug, Clone)]
pub struct AuditedModel {
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: usize,
    /// Kind of variant with its parameters; none for a vanilla.
    pub variation: Option<String>,
    /// Whether it passes the accuracy filter.
    pub kept: bool,
    /// Whether its generator says that it changed nothing.
    pub unchanged: bool,
    /// Its answers to the pool; none where it failed or is unchanged.
    pub answers: Option<Answers>,
}

/// All models of a suite.
#[derive(Debug, Clone)]
pub struct AuditedPopulation {
    /// Families.
    pub families: Vec<AuditedFamily>,
    /// Models.
    pub models: Vec<AuditedModel>,
    /// True labels of the pool.
    pub truth: Vec<u16>,
    /// Number of classes.
    pub classes: usize,
}

impl AuditedPopulation {
    /// Answers of the vanilla of each family.
    pub(super) fn vanillas(&self) -> Vec<Option<&Answers>> {
        let mut vanillas = vec![None; self.families.len()];
        for model in self.models.iter().filter(|model| model.variation.is_none()) {
            vanillas[model.family] = model.answers.as_ref();
        }
        vanillas
    }
}

/// Findings about single models.
pub fn models(population: &AuditedPopulation) -> Vec<Finding> {
    let mut findings = unchanged(population);
    findings.extend(duplicates(population));
    findings.extend(broken(population));
    findings.extend(surpassing(population));
    findings.extend(missing(population));
    findings
}

/// Variants that no image of the pool tells from their vanilla, family by family.
fn unchanged(population: &AuditedPopulation) -> Vec<Finding> {
    let vanillas = population.vanillas();
    let images = population.truth.len();
    let mut findings = Vec::new();
    for (family, vanilla) in vanillas.iter().enumerate() {
        let names = |counts: &dyn Fn(&AuditedModel) -> bool| -> Vec<String> {
            let variants = population.models.iter().filter(|model| {
                model.family == family && model.variation.is_some() && counts(model)
            });
            variants.map(|model| model.name.clone()).collect()
        };
        let said = names(&|model| model.unchanged);
        let same = names(&|model| vanilla.is_some() && model.answers.as_ref() == *vanilla);
        findings.extend(unchanged_of(&population.families[family].name, said, same, images));
    }
    findings
}

/// Findings of a family: variants of which it is `said` that nothing changed, and those with the `same` answers.
pub(super) fn unchanged_of(
    family: &str,
    said: Vec<String>,
    same: Vec<String>,
    images: usize,
) -> Vec<Finding> {
    let weight = if images < ENOUGH { Severity::Note } else { Severity::Warning };
    let said_message = format!(
        "{} of `{family}` left it as it was, as their generators say; they count nowhere",
        counted(said.len(), "variant")
    );
    let same_message = format!(
        "{} of `{family}` answer all {images} images as it does: as suspects they are copies, and lift every rate",
        counted(same.len(), "variant")
    );
    [(said, Severity::Note, said_message), (same, weight, same_message)]
        .into_iter()
        .filter(|(names, ..)| !names.is_empty())
        .map(|(names, severity, message)| {
            let listed = named(&names);
            Finding::new(Rule::UnchangedVariant, severity, names, message)
                .because("variants", listed)
        })
        .collect()
}

/// Models with the same answers, variants that equal their vanilla aside.
fn duplicates(population: &AuditedPopulation) -> Vec<Finding> {
    let vanillas = population.vanillas();
    let images = population.truth.len();
    let mut same: BTreeMap<[u8; 32], Vec<&AuditedModel>> = BTreeMap::new();
    for model in &population.models {
        let Some(answers) = &model.answers else { continue };
        same.entry(*answers.digest().as_bytes()).or_default().push(model);
    }
    let mut findings = Vec::new();
    for group in same.into_values().filter(|group| group.len() > 1) {
        let names: Vec<String> = group.iter().map(|model| model.name.clone()).collect();
        let is_foreign = group.iter().any(|model| model.family != group[0].family);
        if !is_foreign && group[0].answers.as_ref() == vanillas[group[0].family] {
            continue;
        }
        let constant =
            group[0].answers.as_ref().is_some_and(|answers| commonest(answers).1 >= CONSTANT);
        let (severity, message) = match is_foreign {
            // Those that answer nothing are alike whatever they come from.
            true if !constant => (
                Severity::Error,
                format!(
                    "{} of different families give the same {images} answers: one model stands under several names",
                    counted(group.len(), "model")
                ),
            ),
            _ => (
                if images < ENOUGH || constant { Severity::Note } else { Severity::Warning },
                format!(
                    "{} give the same {images} answers: to a black box they are one, and count as several",
                    counted(group.len(), "model")
                ),
            ),
        };
        let listed = named(&names);
        findings.push(
            Finding::new(Rule::DuplicateModel, severity, names, message).because("models", listed),
        );
    }
    findings.sort_by(|a, b| a.subjects.cmp(&b.subjects));
    findings
}

/// The label that a model gives most often, and to what share of the images.
fn commonest(answers: &Answers) -> (u16, f64) {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    (0..answers.len()).for_each(|query| *counts.entry(answers.label(query)).or_default() += 1);
    let most = counts.into_iter().max_by_key(|&(label, count)| (count, u16::MAX - label));
    most.map_or((0, 0.0), |(label, count)| (label, count as f64 / answers.len() as f64))
}

/// Models that give everything one label, or are right no oftener than chance is.
fn broken(population: &AuditedPopulation) -> Vec<Finding> {
    let mut truth: BTreeMap<u16, usize> = BTreeMap::new();
    population.truth.iter().for_each(|&label| *truth.entry(label).or_default() += 1);
    let largest = truth.values().max().copied().unwrap_or(0) as f64;
    // A pool that is mostly of one class is answered so by a good model.
    let expected = largest / population.truth.len().max(1) as f64;
    let chance = 1.0 / population.classes.max(1) as f64;
    let finding = |model: &AuditedModel| {
        let answers = model.answers.as_ref()?;
        let (label, share) = commonest(answers);
        let accuracy = answers.accuracy(&population.truth);
        let what = match (share >= CONSTANT && share > 2.0 * expected, accuracy <= CHANCES * chance)
        {
            (true, _) => format!("gives class {label} to {} of the images", percent(share)),
            (false, true) => format!(
                "is right on {:.2} % of the images, where chance is {:.2} %",
                100.0 * accuracy,
                100.0 * chance
            ),
            (false, false) => return None,
        };
        // What the filter leaves out harms no rate.
        let severity = if model.kept { Severity::Error } else { Severity::Note };
        let message =
            format!("`{}` {what}: it is broken, or its answers are of something else", model.name);
        Some(Finding::new(Rule::BrokenModel, severity, [model.name.clone()], message))
    };
    population.models.iter().filter_map(finding).collect()
}

/// Variations that nearly all families have, and some lack.
fn missing(population: &AuditedPopulation) -> Vec<Finding> {
    let families = population.families.len();
    let mut have: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for model in &population.models {
        if let Some(variation) = &model.variation {
            have.entry(variation).or_insert_with(|| vec![false; families])[model.family] = true;
        }
    }
    let (share, least) = COMMON;
    let finding = |(variation, have): (&str, Vec<bool>)| {
        let count = have.iter().filter(|&&has| has).count();
        let is_common = count >= least && count as f64 >= share * families as f64;
        if !is_common || count == families {
            return None;
        }
        let lacking = population.families.iter().zip(have).filter(|(_, has)| !has);
        let names: Vec<String> =
            lacking.map(|(family, _)| format!("{variation} of {}", family.name)).collect();
        let message = format!(
            "{} not there, and {count} of {families} families have this variation",
            named(&names)
        );
        Some(Finding::new(Rule::MissingModel, Severity::Note, names, message))
    };
    have.into_iter().filter_map(finding).collect()
}

/// Variants that are more accurate than their vanilla beyond chance: by a paired test on what one of the two has right.
fn surpassing(population: &AuditedPopulation) -> Vec<Finding> {
    let vanillas = population.vanillas();
    let truth = &population.truth;
    let (errors, least) = SURPASSES;
    let finding = |model: &AuditedModel| {
        let (answers, vanilla) = (model.answers.as_ref()?, vanillas[model.family]?);
        model.variation.as_ref()?;
        let right = |answers: &Answers, image: usize| answers.label(image) == truth[image];
        let (mut gained, mut lost) = (0_u32, 0_u32);
        for image in 0..truth.len() {
            match (right(answers, image), right(vanilla, image)) {
                (true, false) => gained += 1,
                (false, true) => lost += 1,
                _ => {}
            }
        }
        let difference = f64::from(gained) - f64::from(lost);
        let in_errors = difference / f64::from(gained + lost).sqrt();
        let gain = difference / truth.len() as f64;
        (in_errors > errors && gain > least).then(|| {
            let message = format!(
                "`{}` is right on {} of the images, its vanilla on {}: what a thief does costs accuracy, as a rule, \
                 so one of the two may be filed wrongly or have been asked otherwise",
                model.name,
                percent(answers.accuracy(truth)),
                percent(vanilla.accuracy(truth))
            );
            let subjects = [model.name.clone()];
            Finding::new(Rule::AccurateVariant, Severity::Warning, subjects, message)
                .because("right where its vanilla is wrong, and the reverse", format!("{gained}, {lost}"))
                .because("standard errors", format!("{in_errors:.1}"))
        })
    };
    population.models.iter().filter_map(finding).collect()
}

/// `1 variant`, `3 variants`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
