//! What vanillas say of the labels, and the labels of them.

use super::{AuditedPopulation, Finding, Rule, Severity, finding::percent};

/// Standard errors, and accuracy, by which a claim must be missed; a shortfall of so much stops a run.
const MISSES: (f64, f64) = (3.0, 0.01);

/// Vanillas that must have answered before they are believed more than a label.
const WITNESSES: usize = 5;

/// Share of the vanillas that must agree on another label.
const AGREE: f64 = 0.9;

/// Images named in evidence.
const NAMED: usize = 8;

/// Findings about labels and about accuracies that are claimed.
pub fn labels(population: &AuditedPopulation) -> Vec<Finding> {
    let mut findings = off_claim(population);
    findings.extend(doubted(population));
    findings
}

fn off_claim(population: &AuditedPopulation) -> Vec<Finding> {
    let images = population.truth.len();
    let (errors, slack) = MISSES;
    let finding = |(family, answers): (&super::AuditedFamily, _)| {
        let (claimed, answers): (f64, &crate::Answers) = (family.claimed?, answers?);
        let found = answers.accuracy(&population.truth);
        let error = (claimed * (1.0 - claimed) / images as f64).sqrt();
        let off = found - claimed;
        (off.abs() > slack + errors * error).then(|| {
            let name = &family.name;
            let (severity, why) = match off < 0.0 {
                true => (
                    Severity::Error,
                    "its images, classes, labels or weights are not those of the claim",
                ),
                false => (
                    Severity::Warning,
                    "it may have been trained on these images, or the claim is of another",
                ),
            };
            let message = format!(
                "`{name}` answers {} of {images} images rightly, and is said to reach {}: {why}",
                percent(found),
                percent(claimed)
            );
            Finding::new(Rule::AccuracyOffClaim, severity, [name.clone()], message)
                .because("standard error of the claim", percent(error))
        })
    };
    population.families.iter().zip(population.vanillas()).filter_map(finding).collect()
}

/// Labels that nearly all vanillas contradict with one voice.
fn doubted(population: &AuditedPopulation) -> Option<Finding> {
    let vanillas: Vec<_> = population.vanillas().into_iter().flatten().collect();
    if vanillas.len() < WITNESSES {
        return None;
    }
    let mut doubted = Vec::new();
    let mut said = vec![0_usize; population.classes];
    for (image, &truth) in population.truth.iter().enumerate() {
        said.fill(0);
        for answers in &vanillas {
            if let Some(count) = said.get_mut(usize::from(answers.label(image))) {
                *count += 1;
            }
        }
        let most = (0..said.len()).max_by_key(|&label| said[label])?;
        let share = said[most] as f64 / vanillas.len() as f64;
        if most != usize::from(truth) && share >= AGREE {
            doubted.push((image, truth, most, said[most]));
        }
    }
    if doubted.is_empty() {
        return None;
    }
    doubted.sort_by_key(|&(image, _, _, count)| (std::cmp::Reverse(count), image));
    let share = doubted.len() as f64 / population.truth.len() as f64;
    let message = format!(
        "{} of {} labels ({}) are contradicted by at least {:.0} % of the vanillas with one voice: they may be wrong, \
         or the mistakes common",
        doubted.len(),
        population.truth.len(),
        percent(share),
        100.0 * AGREE
    );
    let examples: Vec<String> = doubted
        .iter()
        .take(NAMED)
        .map(|(image, truth, most, count)| {
            format!("image {image}: label {truth}, {count} of {} say {most}", vanillas.len())
        })
        .collect();
    let subjects = doubted.iter().take(NAMED).map(|(image, ..)| format!("image {image}"));
    Some(
        Finding::new(Rule::DoubtedLabel, Severity::Note, subjects, message)
            .because("for example", examples.join("; ")),
    )
}
