//! What holds for every plugin compiled in: it is found, documented, and does what its trait promises.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::collections::BTreeSet;

use bertillon::{
    Access, Answers, Entry, Error, FingerprintMethod, InputSelector, Mode, Model, Oracle, Owner,
    Queries, Result, Stream, VariantGenerator, answer,
    registry::{self, Builder, PluginKind},
    testkit::{self, ToyModel},
};
use bertillon_datasets as _;
use bertillon_methods as _;
use bertillon_selectors as _;
use bertillon_variants as _;
use tch::Device;

/// Images in the pool of the toy owners.
const POOL: usize = 256;

/// Queries of a fingerprint here.
const BUDGET: usize = 16;

fn of_kind(kind: PluginKind) -> Vec<&'static Entry> {
    registry::of_kind(kind).unwrap()
}

fn names(kind: PluginKind) -> Vec<&'static str> {
    of_kind(kind).iter().map(|entry| entry.name).collect()
}

fn variant(entry: &Entry) -> Result<Box<dyn VariantGenerator>> {
    match entry.builder {
        Builder::Variant(build) => build("{}"),
        _ => panic!("{entry:?} is no variant generator"),
    }
}

fn selector(entry: &Entry) -> Box<dyn InputSelector> {
    match entry.builder {
        Builder::Selector(build) => build("{}").unwrap(),
        _ => panic!("{entry:?} is no selector"),
    }
}

fn method(entry: &Entry) -> Box<dyn FingerprintMethod> {
    match entry.builder {
        Builder::Method(build) => build("{}").unwrap(),
        _ => panic!("{entry:?} is no method"),
    }
}

fn stream() -> Stream {
    Stream::named(5, ["conformance"])
}

#[test]
fn the_plugins_compiled_in_are_these() {
    let variants = [
        "adversarial-finetune",
        "blur",
        "chain",
        "finetune",
        "half",
        "histogram",
        "jpeg",
        "posterize",
        "prune",
        "randomized-smoothing",
    ];
    assert_eq!(names(PluginKind::Variant), variants);
    let selectors = ["correctness", "entropy", "entropy-lexicographic", "random"];
    assert_eq!(names(PluginKind::Selector), selectors);
    assert_eq!(names(PluginKind::Method), ["akh", "fbi", "ip-guard", "marks"]);
    assert_eq!(names(PluginKind::Images), ["fashion-mnist", "image-folder", "recorded"]);
    assert_eq!(names(PluginKind::Models), ["recorded", "torchscript", "zoo"]);
}

#[test]
fn every_plugin_and_each_of_its_parameters_is_documented() {
    for entry in registry::entries().unwrap() {
        let documentation = entry.documentation();
        let title = documentation.lines().next().unwrap_or_default();
        assert!(!title.trim().is_empty(), "{entry:?} has no documentation");
        assert_ne!(entry.source_digest(), entry.module, "{entry:?} has no digest of its source");
        let schema = entry.schema();
        let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else {
            continue;
        };
        for (name, property) in properties {
            let description = property["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "`{name}` of {entry:?} has no description");
        }
    }
}

#[test]
fn every_plugin_refuses_a_parameter_it_does_not_have() {
    for entry in registry::entries().unwrap() {
        let unknown = r#"{"no_such_parameter": 1}"#;
        let error = match entry.builder {
            Builder::Variant(build) => build(unknown).err(),
            Builder::Selector(build) => build(unknown).err(),
            Builder::Method(build) => build(unknown).err(),
            Builder::Images(build) => build(unknown).err(),
            Builder::Models(build) => build(unknown).err(),
        };
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("unknown field `no_such_parameter`"), "{entry:?}: {text:?}");
    }
}

#[test]
fn variants_answer_in_the_shape_of_their_vanilla_and_repeat_to_the_bit() {
    tch::set_num_threads(1);
    for entry in of_kind(PluginKind::Variant) {
        let generator = variant(entry).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert_eq!(generator.variation().kind, entry.name);
        let images = testkit::images(64, 3).tensor(Device::Cpu);
        let logits = || {
            let mut workbench = testkit::workbench(2);
            let derived = generator.derive(Box::new(ToyModel::new(0)), &mut workbench).unwrap();
            assert!(!derived.changes.summary.is_empty(), "{} does not say what it did", entry.name);
            let fork = derived.model.fork().unwrap();
            let [logits, forked] = [&derived.model, &fork].map(|model| {
                let logits = tch::no_grad(|| model.logits(&images, Mode::Evaluation)).unwrap();
                assert_eq!(logits.size(), [64, testkit::CLASSES as i64], "{}", entry.name);
                assert_eq!(logits.kind(), tch::Kind::Float, "{}", entry.name);
                Vec::<f32>::try_from(logits.contiguous().view(-1)).unwrap()
            });
            assert_eq!(logits, forked, "{}: a fork answers otherwise", entry.name);
            logits
        };
        let first = logits();
        assert!(first.iter().all(|logit| logit.is_finite()), "{}", entry.name);
        assert_eq!(first, logits(), "{} does not repeat", entry.name);
    }
}

#[test]
fn selectors_choose_distinct_images_and_a_smaller_budget_is_a_prefix() {
    let owner = testkit::owner(POOL);
    for entry in of_kind(PluginKind::Selector) {
        let selector = selector(entry);
        let select = |budget| selector.select(&owner, budget, &mut stream()).unwrap();
        let images = select(BUDGET);
        let distinct: BTreeSet<u32> = images.iter().copied().collect();
        assert_eq!((images.len(), distinct.len()), (BUDGET, BUDGET), "{}", entry.name);
        assert!(images.iter().all(|&image| (image as usize) < POOL), "{}", entry.name);
        assert_eq!(select(BUDGET), images, "{} does not repeat", entry.name);
        for budget in 1..BUDGET {
            assert_eq!(select(budget), images[..budget], "{} with {budget}", entry.name);
        }
        let other = selector.select(&owner, BUDGET, &mut stream().child("other")).unwrap();
        assert_ne!(other, images, "{} draws the same images always", entry.name);
    }
}

#[test]
fn selectors_refuse_a_budget_above_the_pool() {
    let owner = testkit::owner(8);
    for entry in of_kind(PluginKind::Selector) {
        let selector = selector(entry);
        assert!(selector.check(8, 9).is_err(), "{} plans it", entry.name);
        assert!(selector.select(&owner, 9, &mut stream()).is_err(), "{} tries it", entry.name);
    }
}

/// Answers of a toy model to the queries of a fingerprint of `owner`.
fn ask(model: &dyn Model, owner: &Owner, queries: &Queries, access: Access) -> Result<Answers> {
    let mut labels = Vec::new();
    let images = owner.images()?.gather(&queries.pool);
    for images in std::iter::once(&images).chain(&queries.crafted) {
        labels.extend_from_slice(answer(model, images, access, Device::Cpu)?.as_slice());
    }
    Ok(Answers::new(labels, access.ranks())?)
}

/// Distances of the toy models 0 to 4 to a fingerprint of model 0.
fn distances(method: &dyn FingerprintMethod, owner: &Owner) -> Result<Vec<f64>> {
    let random = of_kind(PluginKind::Selector).into_iter().find(|entry| entry.name == "random");
    let random = random.map(selector).filter(|_| method.needs().selector);
    let fingerprint = method.enroll(owner, random.as_deref(), BUDGET, &mut stream())?;
    assert!(fingerprint.queries.len() <= BUDGET, "more queries than the budget");
    assert_eq!(fingerprint.reference.len(), fingerprint.queries.len());
    let distances = (0..5).map(|seed| {
        let model = ToyModel::new(seed);
        let access = method.needs().access;
        let mut oracle = Oracle::new(BUDGET, |queries| ask(&model, owner, queries, access));
        method.interrogate(&fingerprint, &mut oracle)
    });
    distances.collect()
}

#[test]
fn methods_find_the_owners_model_closest_and_repeat_to_the_bit() {
    tch::set_num_threads(1);
    let owner = testkit::owner(POOL);
    for entry in of_kind(PluginKind::Method) {
        let method = method(entry);
        let first = distances(&*method, &owner).unwrap();
        println!("{}: {first:?}", entry.name);
        assert!(first.iter().all(|distance| !distance.is_nan()), "{}: {first:?}", entry.name);
        assert!(first[0].is_finite(), "{}: {first:?}", entry.name);
        assert!(first.iter().all(|&other| first[0] <= other), "{}: {first:?}", entry.name);
        assert!(first[1..].iter().any(|&other| first[0] < other), "{}: {first:?}", entry.name);
        let again = distances(&*method, &owner).unwrap();
        assert_eq!(first, again, "{} does not repeat", entry.name);
    }
}

#[test]
fn methods_without_the_white_box_they_need_are_refused_without_a_panic() {
    let recorded = Owner { model: None, ..testkit::owner(POOL) };
    for entry in of_kind(PluginKind::Method) {
        let method = method(entry);
        if method.needs().knowledge.model {
            let error = distances(&*method, &recorded).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{}: {error}", entry.name);
        } else {
            assert!(distances(&*method, &recorded).is_ok(), "{}", entry.name);
        }
    }
}
