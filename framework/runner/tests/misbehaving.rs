//! Plugins that misbehave fail their own cells, by name, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

mod harness;

use std::{thread, time::Duration};

use bertillon::{
    Answers, Configure, Derived, Fingerprint, FingerprintMethod, Group, ImageShape, Images,
    InputSelector, Model, Needs, Owner, Queries, Result, Stream, Suspects, VariantGenerator,
    Variation, Workbench, results::Results,
};
use bertillon_runner::{Options, RunError};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a plugin of this test misbehaves.
#[derive(Debug, Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    Panic,
    Torch,
    WrongShape,
    NotFinite,
    NanDistance,
    OverBudget,
    BeyondPool,
    AsksTwice,
    CraftsUndeclared,
    LargeBank,
    LargeImages,
    ReadsRanks,
    ReferenceOfRanks,
    LooksAround,
    KnowsPlaces,
    Backwards,
    Sleeps,
}

impl Fault {
    fn crafts(self) -> bool {
        matches!(self, Self::LargeBank | Self::LargeImages)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Faulty {
    fault: Fault,
}

impl Configure for Faulty {
    type Parameters = Self;

    fn configure(parameters: Self) -> Result<Self> {
        Ok(parameters)
    }
}

impl VariantGenerator for Faulty {
    fn variation(&self) -> Variation {
        Variation {
            kind: "faulty".into(),
            detail: Some(format!("{:?}", self.fault)),
            parameter: None,
            group: Group::Weights,
        }
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        match self.fault {
            Fault::Panic => panic!("this generator always panics"),
            Fault::Sleeps => thread::sleep(Duration::from_secs(3600)),
            Fault::Torch => {
                let images = workbench.images.images.tensor(workbench.device);
                drop(images.f_matmul(&images.flatten(0, -1))?);
            }
            Fault::NotFinite => {
                let weights = &copy.parameters()[0].tensor;
                drop(tch::no_grad(|| weights.shallow_clone().fill_(f64::NAN)));
            }
            _ => {}
        }
        let changes = bertillon::Changes { summary: "misbehaved".into(), ..Default::default() };
        let model: Box<dyn Model> = match self.fault {
            Fault::WrongShape => Box::new(Cut(copy)),
            _ => copy,
        };
        Ok(Derived { model, changes })
    }
}

/// A model that forgets its last class.
struct Cut(Box<dyn Model>);

impl Model for Cut {
    fn input(&self) -> bertillon::ImageShape {
        self.0.input()
    }

    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn logits(&self, images: &tch::Tensor, mode: bertillon::Mode) -> Result<tch::Tensor> {
        Ok(self.0.logits(images, mode)?.narrow(1, 0, 9))
    }

    fn parameters(&self) -> Vec<bertillon::Parameter> {
        self.0.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self(self.0.fork()?)))
    }
}

impl FingerprintMethod for Faulty {
    fn needs(&self) -> Needs {
        Needs { crafts: self.fault.crafts(), ..Needs::default() }
    }

    fn enroll(
        &self,
        owner: &Owner,
        _selector: Option<&dyn InputSelector>,
        budget: usize,
        _stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let queries: Vec<u32> = (0..budget as u32).collect();
        let mut fingerprint = Fingerprint::benign(owner, queries);
        match self.fault {
            // One owner of three fails; the others are judged.
            Fault::Panic if owner.name == "lenet-a" => panic!("no fingerprint for lenet-a"),
            Fault::Sleeps if owner.name == "lenet-a" => thread::sleep(Duration::from_secs(3600)),
            Fault::OverBudget => {
                fingerprint = Fingerprint::benign(owner, (0..=budget as u32).collect());
            }
            Fault::BeyondPool => {
                fingerprint.queries = Queries::benign(vec![1_000_000; budget]);
            }
            Fault::AsksTwice => fingerprint.queries.pool[0] = 7,
            Fault::CraftsUndeclared => {
                fingerprint.queries.pool.pop();
                fingerprint.queries.crafted = Some(owner.images()?.gather(&[0]));
            }
            Fault::LargeBank => {
                let images: Vec<u32> = (0..=budget as u32).collect();
                fingerprint = Fingerprint::benign(owner, images.clone());
                fingerprint.queries = Queries::crafted(owner.images()?.gather(&images));
            }
            Fault::LargeImages => {
                let shape = ImageShape { channels: 1, height: 56, width: 56 };
                let images = Images::new(vec![0; budget * shape.samples()], shape)?;
                fingerprint.queries = Queries::crafted(images);
            }
            Fault::ReferenceOfRanks => {
                fingerprint.reference = Answers::new(vec![0; 2 * budget], 2)?;
            }
            _ => {}
        }
        Ok(fingerprint)
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        bertillon::Statistic::LabelMatch.distances(&fingerprint.reference, None, suspects, out)?;
        match self.fault {
            Fault::NanDistance => out[0] = f64::NAN,
            // Declared is the best label only.
            Fault::ReadsRanks => out[0] = f64::from(suspects.labels_at(0, 1)[0]),
            Fault::LooksAround => {
                let least = out.iter().copied().fold(f64::INFINITY, f64::min);
                out.iter_mut().for_each(|distance| *distance -= least);
            }
            Fault::KnowsPlaces => {
                out.iter_mut().enumerate().for_each(|(place, distance)| *distance = place as f64);
            }
            Fault::Backwards => out.iter_mut().for_each(|distance| *distance = 1.0 - *distance),
            _ => {}
        }
        Ok(())
    }
}

bertillon::register_variant!("faulty", Faulty);
bertillon::register_method!("faulty", Faulty);

fn run_suite(variants: &str, fingerprints: &str) -> Result<(Results, tempfile::TempDir), RunError> {
    run_limited(variants, fingerprints, None)
}

fn run_limited(
    variants: &str,
    fingerprints: &str,
    cell_timeout: Option<Duration>,
) -> Result<(Results, tempfile::TempDir), RunError> {
    let folder = tempfile::tempdir().unwrap();
    let rest = format!(
        r#"
        {variants}
        [[fingerprints]]
        name = "sound"
        method = "fbi"
        selector = "random"
        {fingerprints}
        [evaluation]
        budgets = [50]
        draws = 2
        "#
    );
    let options = Options { cell_timeout, ..harness::options(folder.path()) };
    let results = harness::run(
        &harness::suite("misbehaving", &["lenet-a", "lenet-b", "mlp-a"], &rest),
        &options,
    )?;
    Ok((results, folder))
}

fn reasons(results: &Results) -> Vec<(&str, &str, &str)> {
    results
        .failures
        .iter()
        .map(|f| (f.step.as_str(), f.subject.as_str(), f.reason.as_str()))
        .collect()
}

#[test]
fn a_broken_variant_fails_alone_and_by_name() {
    for (fault, step, fragment) in [
        ("panic", "derive", "panicked: this generator always panics"),
        ("torch", "derive", "libtorch: "),
        ("wrong-shape", "answer", "logits has shape [64, 9], expected [64, 10]"),
        ("not-finite", "answer", "NaN or infinite"),
    ] {
        let variants = format!(
            "[[variants]]\nplugin = \"posterize\"\nbits = 6\n[[variants]]\nplugin = \"faulty\"\nfault = \"{fault}\""
        );
        let (results, _) = run_suite(&variants, "").unwrap();
        assert_eq!(results.failures.len(), 3, "one a vanilla: {:?}", results.failures);
        for (at, subject, reason) in reasons(&results) {
            assert_eq!(at, step, "{fault}");
            assert!(subject.starts_with("faulty/"), "{subject}");
            assert!(reason.contains(fragment), "{fault}: {reason}");
            assert_eq!(reason.lines().count(), 1, "no wall of frames: {reason}");
        }
        assert_eq!(results.population.kept, 6, "three vanillas and their posterized variants");
        assert_eq!(results.fingerprints[0].budgets.len(), 1);
    }
}

#[test]
fn a_broken_method_fails_its_own_cells() {
    for (fault, failures, fragment) in [
        ("panic", 1, "panicked: no fingerprint for lenet-a"),
        ("nan-distance", 3, "NaN"),
        ("over-budget", 3, "51 queries for a budget of 50"),
        ("beyond-pool", 3, "query 1000000 is beyond the pool of 200 images"),
        ("asks-twice", 3, "image 7 of the pool is asked twice"),
        ("crafts-undeclared", 3, "1 crafted queries of a method that does not declare any"),
        ("large-bank", 3, "a fingerprint of 61 queries for a budget of 60"),
        ("large-images", 3, "crafted queries of 1x56x56, where images of 1x28x28 are sent"),
        ("reads-ranks", 3, "panicked: rank 1 of 1"),
        ("reference-of-ranks", 3, "a reference of 2 labels a query, declared is top1"),
        ("looks-around", 3, "a method must judge every suspect by its own answers"),
        ("knows-places", 3, "is 0 when it is judged by itself, and "),
    ] {
        let variants = "[[variants]]\nplugin = \"posterize\"\nbits = 6";
        let bank = if fault.starts_with("large-") { "bank = 60" } else { "" };
        let fingerprints = format!(
            "[[fingerprints]]\nname = \"broken\"\nmethod = \"faulty\"\nfault = \"{fault}\"\n{bank}"
        );
        let (results, _) = run_suite(variants, &fingerprints).unwrap();
        assert_eq!(results.failures.len(), failures, "{:?}", results.failures);
        for (step, subject, reason) in reasons(&results) {
            assert_eq!(step, "enrol");
            assert!(subject.starts_with("broken of "), "{subject}");
            assert!(reason.contains(fragment), "{fault}: {reason}");
        }
        let [sound, broken] = &results.fingerprints[..] else { panic!("two fingerprints") };
        assert_eq!((sound.positives, sound.negatives, sound.failed), (6, 12, 0));
        // Pairs of a failed owner leave the counts: 2 positives and 4 negatives each.
        assert_eq!(broken.failed, failures * 6);
        assert_eq!(broken.budgets.len(), usize::from(failures < 3));
    }
}

#[test]
fn a_run_says_what_it_checked_and_flags_a_method_to_which_copies_are_far() {
    let fingerprints =
        "[[fingerprints]]\nname = \"backwards\"\nmethod = \"faulty\"\nfault = \"backwards\"";
    let variants = "[[variants]]\nplugin = \"posterize\"\nbits = 6";
    let (results, _) = run_suite(variants, fingerprints).unwrap();
    let checks = results.checks.as_ref().unwrap();
    let [sound, backwards] = &checks.copies[..] else { panic!("{:?}", checks.copies) };
    // Three owners, two draws.
    assert_eq!((sound.compared, sound.farther, sound.worst.as_ref()), (6, 0, None));
    assert_eq!((backwards.compared, backwards.farther), (6, 6));
    let worst = backwards.worst.as_ref().unwrap();
    // An identical copy agrees with every answer.
    assert_eq!(worst.copy, Some(1.0));
    let named = |name: &str| results.population.models.iter().any(|model| model.name == name);
    assert!(named(&worst.owner) && named(&worst.suspect) && worst.distance < 1.0, "{worst:?}");
    for check in &checks.exchanged {
        assert_eq!((check.families, check.rate), (3, None));
        assert_eq!(check.unchecked.as_deref(), Some("fewer than 8 families"));
    }
    // 5 % of 12 is less than one.
    for thin in &checks.thin {
        assert_eq!((thin.budget, thin.negatives, thin.accepted), (50, 12, Some(0)));
    }
    assert_eq!(checks.thin.len(), 2);
    let warned = |what: &str| results.warnings.iter().filter(|w| w.contains(what)).count();
    assert_eq!(warned("nearer than an identical copy"), 1);
    assert_eq!(warned("so few false pairs can't measure the target"), 1);
    let nearer = results.warnings.iter().find(|w| w.contains("nearer than")).unwrap();
    assert!(nearer.contains("backwards (L = 50: 6 of 6, worst for "), "{nearer}");
    assert!(!nearer.contains("sound"), "{nearer}");
}

#[test]
fn what_takes_too_long_fails_by_name_and_the_rest_is_as_without_it() {
    let limit = Some(Duration::from_secs(8));
    let posterize = "[[variants]]\nplugin = \"posterize\"\nbits = 6\n";
    let slow = format!("{posterize}[[variants]]\nplugin = \"faulty\"\nfault = \"sleeps\"");
    let method = "[[fingerprints]]\nname = \"slow\"\nmethod = \"faulty\"\nfault = \"sleeps\"";
    let (results, _) = run_limited(&slow, method, limit).unwrap();
    let derived = results.failures.iter().filter(|f| f.step == "derive");
    assert_eq!(derived.count(), 3, "one a vanilla: {:?}", results.failures);
    assert_eq!(results.failures.len(), 4);
    for failure in &results.failures {
        assert_eq!(failure.plugin.as_deref(), Some("faulty"));
        assert_eq!(failure.reason, "took longer than 8 s (--cell-timeout) and was abandoned");
    }
    let (expected, _) = run_suite(posterize, "").unwrap();
    // It is compared with the slow one, which is not there in the other run.
    let mut sound = results.fingerprints[0].clone();
    for at in &mut sound.budgets {
        at.against_best = None;
        at.variations.iter_mut().for_each(|row| row.against_best = None);
    }
    assert_eq!(sound, expected.fingerprints[0]);
}

const BARE: &str = "name = \"bare\"\n[data]\nsource = \"fashion-mnist\"\n[models]\nsource = \"zoo\"\n\
                    [[fingerprints]]\nname = \"a\"\nmethod = \"fbi\"\nselector = \"random\"\n";

#[test]
fn a_single_family_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let one = BARE.replace("\"zoo\"\n", "\"zoo\"\nnames = [\"mlp-a\"]\n");
    let error = harness::run(&one, &harness::options(folder.path())).unwrap_err();
    let RunError::Suite(error) = error else { panic!("{error}") };
    assert_eq!(error.diagnostics[0].message, "no negatives");
    assert_eq!(&error.text[error.diagnostics[0].at.clone()], "\"zoo\"");
}

#[test]
fn an_interrupted_run_leaves_no_results() {
    let folder = tempfile::tempdir().unwrap();
    let options = harness::options(folder.path());
    options.interrupt.set();
    assert!(matches!(harness::run(BARE, &options), Err(RunError::Interrupted)));
    assert!(!options.out.join("results.json").exists());
}
