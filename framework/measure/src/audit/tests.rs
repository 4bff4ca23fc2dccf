//! Faults planted in made-up populations.

use super::*;
use crate::{Answers, Stream};

const IMAGES: usize = 3000;
const CLASSES: u32 = 20;

/// A population of families whose vanillas have four images of five right, with weak variants.
struct Made {
    stream: Stream,
    population: AuditedPopulation,
}

impl Made {
    /// Eight families, each with these variants that give the same answer as their vanilla with this chance.
    fn new(variants: &[(&str, f64)]) -> Self {
        let mut stream = Stream::named(7, ["audit"]);
        let mut labels = || (0..IMAGES).map(|_| label(&mut stream)).collect::<Vec<u16>>();
        // The label that an image is most easily mistaken for.
        let (truth, mistaken) = (labels(), labels());
        let population = AuditedPopulation {
            families: Vec::new(),
            models: Vec::new(),
            truth,
            classes: CLASSES as usize,
        };
        let mut made = Self { stream, population };
        for family in 0..8 {
            let name = format!("net-{family}");
            let ancestry = name.clone();
            made.population.families.push(AuditedFamily { name, ancestry, claimed: None });
            let vanilla = made.vanilla(&mistaken);
            made.add(family, None, vanilla.clone());
            for &(variation, share) in variants {
                let answers = made.derived(&vanilla, share);
                made.add(family, Some(variation), answers);
            }
        }
        made
    }

    fn vanilla(&mut self, mistaken: &[u16]) -> Vec<u16> {
        (0..IMAGES)
            .map(|image| match self.stream.uniform() {
                chance if chance < 0.8 => self.population.truth[image],
                chance if chance < 0.87 => mistaken[image],
                _ => label(&mut self.stream),
            })
            .collect()
    }

    fn derived(&mut self, from: &[u16], share: f64) -> Vec<u16> {
        let answer = |&from: &u16| match self.stream.uniform() < share {
            true => from,
            false => label(&mut self.stream),
        };
        from.iter().map(answer).collect()
    }

    fn add(&mut self, family: usize, variation: Option<&str>, answers: Vec<u16>) {
        let vanilla = &self.population.families[family].name;
        self.population.models.push(AuditedModel {
            name: variation.map_or_else(|| vanilla.clone(), |v| format!("{v} of {vanilla}")),
            family,
            variation: variation.map(str::to_owned),
            kept: true,
            unchanged: false,
            answers: Some(Answers::top1(answers)),
        });
    }

    fn model(&mut self, name: &str) -> &mut AuditedModel {
        self.population.models.iter_mut().find(|model| model.name == name).unwrap()
    }

    fn labels_of(&mut self, name: &str) -> Vec<u16> {
        self.model(name).answers.as_ref().unwrap().as_slice().to_vec()
    }

    fn answers(&mut self, name: &str, answers: Vec<u16>) {
        self.model(name).answers = Some(Answers::top1(answers));
    }

    /// Every finding: rule, severity, subjects.
    fn findings(&self) -> Vec<(Rule, Severity, Vec<String>)> {
        let all = [models(&self.population), kinship(&self.population), labels(&self.population)];
        let all = all.concat().into_iter();
        all.map(|found| (found.rule, found.severity, found.subjects)).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "twenty classes")]
fn label(stream: &mut Stream) -> u16 {
    stream.below(CLASSES) as u16
}

fn subjects(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_sound_population_has_no_findings() {
    assert_eq!(Made::new(&[("weak", 0.98), ("strong", 0.8)]).findings(), []);
}

#[test]
fn a_variant_that_changes_nothing_is_found_and_one_that_says_so_is_a_note() {
    let mut made = Made::new(&[("weak", 0.98), ("none", 1.0)]);
    made.model("weak of net-3").unchanged = true;
    made.model("weak of net-3").answers = None;
    let findings = made.findings();
    let unchanged: Vec<_> = findings.iter().filter(|found| found.1 == Severity::Warning).collect();
    assert_eq!(unchanged.len(), 8);
    assert_eq!(unchanged[5].2, ["none of net-5"]);
    let said = (Rule::UnchangedVariant, Severity::Note, subjects(&["weak of net-3"]));
    assert!(findings.contains(&said), "{findings:?}");
    assert_eq!(findings.len(), 9);
}

#[test]
fn a_variant_under_the_wrong_family_is_found() {
    let mut made = Made::new(&[("weak", 0.98), ("strong", 0.6)]);
    let others = made.labels_of("strong of net-1");
    made.answers("strong of net-4", others);
    // The same answers stand under two families as well.
    let findings = made.findings();
    let astray = (Rule::MislabelledVariant, Severity::Error, subjects(&["strong of net-4"]));
    let twice = subjects(&["strong of net-1", "strong of net-4"]);
    let twice = (Rule::DuplicateModel, Severity::Error, twice);
    assert_eq!(findings, [twice, astray]);
    // Of families that are declared as of one ancestry nothing is told.
    made.population.families[4].ancestry = "net-1".to_owned();
    let rules: Vec<Rule> = made.findings().into_iter().map(|found| found.0).collect();
    assert_eq!(rules, [Rule::DuplicateModel]);
}

#[test]
fn models_with_the_same_answers_are_one() {
    let mut made = Made::new(&[("a", 0.9), ("b", 0.9)]);
    let same = made.labels_of("a of net-2");
    made.answers("b of net-2", same);
    let twice = subjects(&["a of net-2", "b of net-2"]);
    assert_eq!(made.findings(), [(Rule::DuplicateModel, Severity::Warning, twice)]);
}

#[test]
fn vanillas_that_share_mistakes_are_relatives_unless_they_are_declared_so() {
    let mut made = Made::new(&[]);
    let from = made.labels_of("net-0");
    let derived = made.derived(&from, 0.7);
    made.answers("net-7", derived);
    let related = subjects(&["net-0", "net-7"]);
    assert_eq!(made.findings(), [(Rule::SharedAncestry, Severity::Warning, related)]);
    made.population.families[7].ancestry = "net-0".to_owned();
    assert_eq!(made.findings(), []);
}

#[test]
fn a_model_that_answers_nothing_is_broken() {
    let mut made = Made::new(&[("weak", 0.98)]);
    made.answers("weak of net-6", vec![3; IMAGES]);
    let found = |severity| (Rule::BrokenModel, severity, subjects(&["weak of net-6"]));
    let constant = |made: &Made| {
        let mut findings = made.findings();
        findings.retain(|finding| finding.0 == Rule::BrokenModel);
        findings
    };
    assert_eq!(constant(&made), [found(Severity::Error)]);
    made.model("weak of net-6").kept = false;
    assert_eq!(constant(&made), [found(Severity::Note)]);
}

#[test]
fn a_model_that_guesses_is_broken_and_one_that_is_not_there_is_missed() {
    let mut made = Made::new(&[("weak", 0.98), ("strong", 0.8)]);
    let truth = made.population.truth.clone();
    let guessed = made.derived(&truth, 0.0);
    made.answers("weak of net-2", guessed);
    made.population.models.retain(|model| model.name != "strong of net-5");
    let expected = [
        (Rule::BrokenModel, Severity::Error, subjects(&["weak of net-2"])),
        (Rule::MissingModel, Severity::Note, subjects(&["strong of net-5"])),
    ];
    assert_eq!(made.findings(), expected);
}

#[test]
fn accuracies_that_can_not_be_are_found() {
    let mut made = Made::new(&[("weak", 0.98)]);
    // 81 % are right: 1/20 of the rest by luck. Three standard errors and a hundredth are 3.2 points.
    let claims = [(0, 0.81), (1, 0.86), (2, 0.76), (3, 0.82)];
    claims.iter().for_each(|&(f, claim)| made.population.families[f].claimed = Some(claim));
    let truth = made.population.truth.clone();
    let better = made.derived(&truth, 0.9);
    made.answers("weak of net-5", better);
    let findings = made.findings();
    let expected = [
        (Rule::AccurateVariant, Severity::Warning, subjects(&["weak of net-5"])),
        (Rule::AccuracyOffClaim, Severity::Error, subjects(&["net-1"])),
        (Rule::AccuracyOffClaim, Severity::Warning, subjects(&["net-2"])),
    ];
    assert_eq!(findings, expected);
}

#[test]
fn labels_that_all_vanillas_contradict_are_doubted() {
    let mut made = Made::new(&[]);
    for family in 0..8 {
        let mut answers = made.labels_of(&format!("net-{family}"));
        let truth = made.population.truth.clone();
        // Image 17 by all eight, image 40 by seven, which is less than nine tenths.
        answers[17] = (truth[17] + 1) % 20;
        answers[40] = if family == 0 { truth[40] } else { (truth[40] + 1) % 20 };
        made.answers(&format!("net-{family}"), answers);
    }
    assert_eq!(made.findings(), [(Rule::DoubtedLabel, Severity::Note, subjects(&["image 17"]))]);
}

/// Images of 64 samples at random, 8 bits.
fn pictures(count: usize) -> Vec<Vec<u8>> {
    let mut stream = Stream::named(3, ["pictures"]);
    #[expect(clippy::cast_possible_truncation, reason = "below 256")]
    let mut picture = || (0..64).map(|_| stream.below(256) as u8).collect();
    (0..count).map(|_| picture()).collect()
}

#[test]
fn images_that_are_twice_there_clash_or_were_trained_on_are_found() {
    let (mut pool, mut thief) = (pictures(60), pictures(90).split_off(60));
    let labels = |count: u16| (0..count).map(|label| label % 5).collect::<Vec<u16>>();
    let (pool_labels, thief_labels) = (labels(60), labels(30));
    let found = |pool: &[Vec<u8>], thief: &[Vec<u8>]| {
        let (pool, thief) = (pool.concat(), thief.concat());
        let pool = ImageBytes { data: &pool, labels: &pool_labels };
        let (findings, left_out) =
            images(pool, Some(ImageBytes { data: &thief, labels: &thief_labels }));
        assert!(left_out.is_empty());
        findings.into_iter().map(|f| (f.rule, f.severity, f.subjects)).collect::<Vec<_>>()
    };
    assert_eq!(found(&pool, &thief), []);
    // Of one label; of two; trained on; and next to the same.
    pool[15] = pool[10].clone();
    pool[21] = pool[7].clone();
    thief[4] = pool[30].clone();
    thief[3] = pool[34].clone();
    pool[50] = pool[49].iter().map(|&sample| sample.saturating_add(1)).collect();
    thief[9] = pool[3].iter().map(|&sample| sample.saturating_sub(1)).collect();
    let expected = [
        (
            Rule::DuplicateImage,
            Severity::Warning,
            vec!["image 7 = image 21", "image 10 = image 15"],
        ),
        (
            Rule::LabelClash,
            Severity::Warning,
            vec![
                "image 7 (label 2) = image 21 (label 1)",
                "image 30 (label 0) = training image 4 (label 4)",
                "image 34 (label 4) = training image 3 (label 3)",
            ],
        ),
        (
            Rule::ImageInBoth,
            Severity::Error,
            vec!["image 30 = training image 4", "image 34 = training image 3"],
        ),
    ];
    let exact = found(&pool, &thief);
    for (found, (rule, severity, names)) in exact.iter().zip(expected) {
        assert_eq!(*found, (rule, severity, subjects(&names)));
    }
    let near: Vec<(Rule, bool)> = exact[3..]
        .iter()
        .map(|(rule, _, names)| (*rule, names[0].contains("mean difference")))
        .collect();
    assert_eq!(near, [(Rule::NearDuplicateImage, true), (Rule::ImageInBoth, true)]);
    assert!(exact[3].2[0].starts_with("image 49 ~ image 50"), "{exact:?}");
    assert!(exact[4].2[0].starts_with("image 3 ~ training image 9"), "{exact:?}");
}
