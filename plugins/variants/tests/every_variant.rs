//! What holds for every registered generator.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bertillon::{
    Derived, Mode, Model, VariantGenerator,
    registry::{self, Builder, PluginKind},
    testkit,
};
use bertillon_variants as _;
use tch::Device;

const NAMES: [&str; 10] = [
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

fn with_defaults() -> Vec<(&'static registry::Entry, Box<dyn VariantGenerator>)> {
    let entries = registry::of_kind(PluginKind::Variant).unwrap().into_iter();
    let built = entries.map(|entry| match entry.builder {
        Builder::Variant(build) => (entry, build("{}").unwrap()),
        _ => unreachable!("asked for generators"),
    });
    built.collect()
}

fn derive(plugin: &dyn VariantGenerator) -> Derived {
    let model = Box::new(testkit::ToyModel::new(0));
    plugin.derive(model, &mut testkit::workbench(0)).unwrap()
}

#[test]
fn the_generators_are_these() {
    let names: Vec<&str> = with_defaults().iter().map(|(entry, _)| entry.name).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn a_kind_is_named_as_its_plugin_and_documented() {
    for (entry, plugin) in with_defaults() {
        assert_eq!(plugin.variation().kind, entry.name);
        let documentation = entry.documentation();
        assert!(documentation.contains("# Differences from the paper"), "{}", entry.name);
        let schema = serde_json::to_value(entry.schema()).unwrap();
        for (key, field) in schema["properties"].as_object().into_iter().flatten() {
            let described =
                field["description"].as_str().is_some_and(|text| text.contains("Default"));
            assert!(described, "{}: {key} lacks its default", entry.name);
        }
    }
}

#[test]
fn the_same_workbench_gives_the_same_variant_twice() {
    let images = testkit::images(9, 3).tensor(Device::Cpu);
    for (entry, plugin) in with_defaults() {
        let first = derive(plugin.as_ref());
        assert!(!first.changes.unchanged && !first.changes.summary.is_empty(), "{}", entry.name);
        let logits = first.model.logits(&images, Mode::Evaluation).unwrap();
        assert_eq!(logits.size(), [9, testkit::CLASSES as i64], "{}", entry.name);
        let second = derive(plugin.as_ref());
        assert_eq!(second.changes, first.changes, "{}", entry.name);
        assert_eq!(second.model.logits(&images, Mode::Evaluation).unwrap(), logits);
        let fork = first.model.fork().unwrap();
        assert_eq!(fork.logits(&images, Mode::Evaluation).unwrap(), logits, "{}", entry.name);
    }
}

#[test]
fn no_variant_answers_as_its_vanilla_does() {
    let images = testkit::images(9, 3).tensor(Device::Cpu);
    let vanilla = testkit::ToyModel::new(0).logits(&images, Mode::Evaluation).unwrap();
    for (entry, plugin) in with_defaults() {
        let logits = derive(plugin.as_ref()).model.logits(&images, Mode::Evaluation).unwrap();
        // 8x8 images are too small to be equalised: the integer step is 0.
        assert_eq!(logits == vanilla, entry.name == "histogram", "{}", entry.name);
    }
}
