//! Plugins of a shared library, the worst that there are: every panic comes back as an error, through a real boundary.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

mod harness;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use bertillon::{
    ImageRequest, Mode, Model as _, Stream,
    registry::{self, Builder, Origin, PluginKind},
    results::Results,
    suite::Suite,
    testkit::{self, ToyModel},
};
use bertillon_runner::{RunError, SuiteLibraries, load_libraries_of, load_library};
use tch::Device;

/// The library, which cargo builds beside this test.
fn file() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libbertillon_panicking.so")
}

fn load() {
    load_library(&file()).unwrap();
}

fn parameters(at: &str) -> String {
    format!(r#"{{"at": "{at}"}}"#)
}

fn builder(kind: PluginKind) -> Builder {
    load();
    registry::find(kind, "panicking").unwrap().expect("the library has one").builder
}

#[track_caller]
fn panicked<T>(outcome: bertillon::Result<T>, place: &str) {
    let error = outcome.err().expect("it was told to panic").to_string();
    let expected = format!("panicked: told to panic in {place} (at ");
    assert!(error.starts_with(&expected), "{place}: {error}");
}

#[test]
fn every_panic_of_a_generator_and_of_its_model_comes_back_as_an_error() {
    let Builder::Variant(build) = builder(PluginKind::Variant) else { panic!("a generator") };
    for at in ["configure", "variation", "ingredients"] {
        panicked(build(&parameters(at)), at);
    }
    let generator = build(&parameters("cost")).unwrap();
    assert_eq!(generator.cost(64), bertillon::Cost::default());
    let derive = |at: &str| {
        let generator = build(&parameters(at)).unwrap();
        let derived = generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0));
        derived.map(|derived| derived.model)
    };
    for at in ["derive", "input", "classes", "parameters"] {
        panicked(derive(at), at);
    }
    let images = testkit::images(2, 0).tensor(Device::Cpu);
    panicked(derive("logits").unwrap().logits(&images, Mode::Evaluation), "logits");
    panicked(derive("fork").unwrap().fork(), "fork");
    panicked(derive("to-half").unwrap().to_half(), "to-half");
    let sound = derive("nowhere").unwrap().fork().unwrap();
    let expected = ToyModel::new(0).logits(&images, Mode::Evaluation).unwrap();
    assert_eq!(sound.logits(&images, Mode::Evaluation).unwrap(), expected);
    drop(derive("model-drop").unwrap());
    drop(build(&parameters("drop")).unwrap());
}

#[test]
fn a_panic_within_no_grad_does_not_leave_gradients_off() {
    let Builder::Variant(build) = builder(PluginKind::Variant) else { panic!("a generator") };
    let generator = build(&parameters("derive")).unwrap();
    assert!(generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).is_err());
    let images = testkit::images(2, 0).tensor(Device::Cpu).set_requires_grad(true);
    let logits = ToyModel::new(0).logits(&images, Mode::Evaluation).unwrap();
    assert!(logits.requires_grad());
}

#[test]
fn every_panic_of_a_selector_or_a_method_comes_back_as_an_error() {
    let Builder::Selector(build) = builder(PluginKind::Selector) else { panic!("a selector") };
    panicked(build(&parameters("knowledge")), "knowledge");
    panicked(build(&parameters("check")).unwrap().check(8, 2), "check");
    let owner = testkit::owner(32);
    let stream = || Stream::named(0, ["draw"]);
    for at in ["select", "remembered"] {
        panicked(build(&parameters(at)).unwrap().select(&owner, 4, &mut stream()), at);
    }
    build(&parameters("memory-drop")).unwrap().select(&owner, 4, &mut stream()).unwrap();
    drop(owner);

    let Builder::Method(build) = builder(PluginKind::Method) else { panic!("a method") };
    panicked(build(&parameters("needs")), "needs");
    let owner = testkit::owner(32);
    let enrolled = build(&parameters("enroll")).unwrap().enroll(&owner, None, 4, &mut stream());
    panicked(enrolled, "enroll");
}

#[test]
fn every_panic_of_a_collection_comes_back_as_an_error() {
    let Builder::Images(build) = builder(PluginKind::Images) else { panic!("a source") };
    panicked(build("{}").unwrap().load(&ImageRequest::default()), "load");
    let Builder::Models(build) = builder(PluginKind::Models) else { panic!("a collection") };
    panicked(build(&parameters("vanillas")), "vanillas");
    let collection = build("{}").unwrap();
    panicked(collection.load(0, Device::Cpu), "load");
    panicked(collection.recorded(Path::new(".")), "recorded");
}

#[test]
fn a_library_is_loaded_once_and_its_plugins_say_where_they_come_from() {
    load();
    load();
    let entry = registry::find(PluginKind::Variant, "panicking").unwrap().unwrap();
    let Origin::Library(library) = entry.origin() else { panic!("{entry:?} is of a library") };
    assert_eq!(library.path, file().canonicalize().unwrap());
    assert!(library.built_from.starts_with("bertillon-panicking "), "{library:?}");
    assert_eq!(library.digest, blake3::hash(&fs::read(file()).unwrap()).to_hex().as_str());
    assert!(entry.recipe().contains(&library.digest) && entry.recipe() != entry.source_digest());
    assert!(entry.documentation().starts_with("Plugins that panic"), "{}", entry.documentation());
}

/// A changed copy of the library is refused.
fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(file()).unwrap();
    change(&mut bytes);
    let copy = folder.path().join("copy.so");
    fs::write(&copy, bytes).unwrap();
    // A library that is refused stays open too, so that nothing of it may go away.
    let error = load_library(&copy).unwrap_err().to_string();
    assert!(error.contains("copy.so: "), "{error}");
    error
}

#[test]
fn a_copy_clashes_by_name_and_both_places_are_told() {
    load();
    let error = refused(|_| ());
    assert!(
        error.contains("two plugins are registered as variant generator `panicking`"),
        "{error}"
    );
    assert!(error.contains("libbertillon_panicking.so") && error.contains("copy.so)"), "{error}");
}

#[test]
fn a_stale_library_is_refused_with_what_differs_and_what_to_do() {
    load();
    let error = refused(|bytes| {
        let digest = blake3_of_interface();
        let mut found = 0;
        for at in 0..bytes.len().saturating_sub(64) {
            if bytes[at..].starts_with(digest.as_bytes()) {
                bytes[at..at + 64].fill(b'0');
                found += 1;
            }
        }
        assert!(found > 0, "the handshake holds the digest of the interface");
    });
    assert!(error.contains("source of bertillon: 0000000000000000, this program has "), "{error}");
    assert!(error.contains("build it again, with rustc "), "{error}");
}

/// What the program itself holds its libraries against.
fn blake3_of_interface() -> &'static str {
    bertillon::library::INTERFACE_DIGEST
}

#[test]
fn a_library_cut_short_is_refused_before_it_is_opened() {
    let error = refused(|bytes| bytes.truncate(bytes.len() / 2));
    assert!(error.ends_with("it is cut short"), "{error}");
}

fn suite(variants: &str, fingerprints: &str) -> String {
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
    harness::suite("panicking", &["lenet-a", "lenet-b", "mlp-a"], &rest)
}

fn run(variants: &str, fingerprints: &str) -> Result<Results, RunError> {
    load();
    let folder = tempfile::tempdir().unwrap();
    harness::run(&suite(variants, fingerprints), &harness::options(folder.path()))
}

fn variants(at: &[&str]) -> String {
    let one = |at: &&str| format!("[[variants]]\nplugin = \"panicking\"\nat = \"{at}\"\n");
    "[[variants]]\nplugin = \"posterize\"\nbits = 6\n".to_owned()
        + &at.iter().map(one).collect::<String>()
}

#[test]
fn a_run_goes_on_around_plugins_that_panic() {
    let harmless = ["cost", "drop", "model-drop", "fork", "nowhere"];
    let results = run(&variants(&harmless), "").unwrap();
    assert_eq!(results.failures, []);
    assert_eq!(results.population.kept, 3 * (2 + harmless.len()));

    let results = run(&variants(&["derive", "logits", "classes"]), "").unwrap();
    assert_eq!(results.failures.len(), 9, "{:?}", results.failures);
    for failure in &results.failures {
        assert_eq!(failure.plugin.as_deref(), Some("panicking"));
        assert!(failure.reason.starts_with("panicked: told to panic in "), "{}", failure.reason);
    }
    assert_eq!(results.population.kept, 6);

    let method = "[[fingerprints]]\nname = \"broken\"\nmethod = \"panicking\"\nat = \"distances\"";
    let results = run(&variants(&[]), method).unwrap();
    assert_eq!(results.failures.len(), 3, "{:?}", results.failures);
    assert_eq!((results.fingerprints[0].failed, results.fingerprints[1].failed), (0, 18));
}

#[test]
fn a_plugin_that_panics_while_it_is_built_is_a_mistake_at_its_place() {
    let RunError::Suite(error) = run(&variants(&["variation"]), "").unwrap_err() else {
        panic!("a mistake in the suite")
    };
    assert_eq!(error.diagnostics.len(), 1, "{error:?}");
    let message = &error.diagnostics[0].message;
    assert!(message.contains("panicked: told to panic in variation"), "{message}");
    assert!(error.text[error.diagnostics[0].at.clone()].contains("variation"));
}

#[test]
fn what_a_selector_edits_is_its_own_owner_and_nobody_elses() {
    let fingerprint = |at: &str| {
        format!(
            "[[fingerprints]]\nname = \"other\"\nmethod = \"fbi\"\n\
             selector = {{ plugin = \"panicking\", at = \"{at}\" }}"
        )
    };
    let edited = run(&variants(&[]), &fingerprint("edits")).unwrap();
    let sound = run(&variants(&[]), &fingerprint("nowhere")).unwrap();
    assert_eq!(edited.failures, []);
    assert_eq!(edited.fingerprints[0], sound.fingerprints[0]);
    assert_eq!(edited.fingerprints[1].budgets, sound.fingerprints[1].budgets);
    assert_eq!(edited.population, sound.population);

    let beyond = run(&variants(&[]), &fingerprint("beyond")).unwrap();
    assert_eq!(beyond.failures.len(), 3);
    let reason = &beyond.failures[0].reason;
    assert_eq!(reason, "the selector chose image 4294967295, beyond the pool of 200 images");
}

#[test]
fn a_suite_loads_its_libraries_only_where_the_user_allows_it() {
    let text = format!("plugins = [{:?}, \"absent.so\"]\n{}", file(), suite("", ""));
    let suite = Suite::parse(Path::new("suites/suite.toml"), &text, &[]).unwrap();
    let refused = load_libraries_of(&suite, SuiteLibraries::Refused).unwrap_err();
    assert_eq!(refused.diagnostics.len(), 2);
    assert_eq!(refused.diagnostics[0].message, "a suite that runs code of its own");
    assert_eq!(&text[refused.diagnostics[1].at.clone()], "\"absent.so\"");
    assert!(refused.diagnostics[0].help.as_ref().unwrap().contains("--allow-plugins"));
    let absent = load_libraries_of(&suite, SuiteLibraries::Allowed).unwrap_err();
    assert_eq!(absent.diagnostics.len(), 1, "the first is loaded");
    assert!(absent.diagnostics[0].message.starts_with("suites/absent.so: "), "{absent:?}");
}
