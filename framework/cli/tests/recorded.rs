//! Recorded answers, through the binary: the paper's suite on its authors' data, and populations recorded and scored again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn bertillon(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bertillon"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The authors' answers beside the repository; none where they are absent.
fn shared() -> Option<PathBuf> {
    let folder = root().join("../shared");
    let there = folder.join("fbi-predictions/ground_truth.npy").is_file();
    if !there {
        println!("skipped: no recorded answers in ../shared");
    }
    there.then(|| folder.canonicalize().unwrap())
}

/// The name of a model's file in the authors' layout.
fn stem(model: &Value) -> String {
    let text = |key: &str| model[key].as_str().unwrap_or_default().to_owned();
    let (family, parameter) = (text("family"), text("parameter"));
    match (text("kind").as_str(), text("detail").as_str()) {
        ("vanilla", _) => family,
        ("finetune", "all") => format!("FINETUNE-{family}-all_model"),
        ("finetune", _) => format!("FINETUNE-{family}-last_layer"),
        ("half", _) => format!("HALF-{family}"),
        ("histogram", _) => format!("HIST-{family}-equalize"),
        ("jpeg", _) => format!("JPEG-{family}-{parameter}"),
        ("posterize", _) => format!("POSTERIZE-{family}-{parameter}"),
        ("prune", layers) => format!("PRUNE-{family}-{layers}-{parameter}"),
        ("randomized-smoothing", _) => format!("RS-{family}-{parameter}-100"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_papers_suite_gives_the_reference_values_and_stands_beside_the_paper() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let suite = root().join("benchmarks/suites/paper-recorded.toml");
    let data = format!("data.path={}", shared.join("fbi-predictions").display());
    let arguments = ["run", suite.to_str().unwrap(), "--set", &data, "--quiet", "--out", "out"];
    let output = bertillon(folder.path(), &arguments);
    assert!(output.status.success(), "{}", errors(&output));
    let results = json(&folder.path().join("out/results.json"));
    let reference = json(&shared.join("fbi-reference.json"));

    let population = &results["population"];
    for (ours, theirs) in [("kept", "kept"), ("positives", "positives"), ("negatives", "negatives")]
    {
        assert_eq!(population[ours], reference[theirs], "{ours}");
    }
    let models = population["models"].as_array().unwrap();
    let rejected: BTreeSet<String> =
        models.iter().filter(|model| model["kept"] == false).map(stem).collect();
    let expected = reference["rejected"].as_array().unwrap().iter();
    assert_eq!(rejected, expected.map(|name| name.as_str().unwrap().to_owned()).collect());

    let fingerprints = results["fingerprints"].as_array().unwrap();
    let at = |name: &str, budget: u64| {
        let fingerprint = fingerprints.iter().find(|found| found["name"] == name).unwrap();
        let budgets = fingerprint["budgets"].as_array().unwrap();
        budgets.iter().find(|at| at["budget"] == budget).unwrap()
    };
    let tables = reference["tables"].as_object().unwrap();
    assert_eq!(tables.len(), 8);
    for (title, theirs) in tables {
        let (selection, budget) = title.split_once(" L=").unwrap();
        let name = match selection {
            "all" => "All",
            "entropy" => "Entropy",
            other => other,
        };
        let ours = at(name, budget.parse().unwrap());
        let (mean, sd) =
            (theirs["tpr_mean"].as_f64().unwrap(), theirs["tpr_std"].as_f64().unwrap());
        let found = ours["tpr"]["mean"].as_f64().unwrap();
        assert!((found - mean).abs() <= sd, "{title}: {found}, the reference has {mean} ± {sd}");
        let fpr = ours["fpr"]["mean"].as_f64().unwrap();
        assert!(fpr <= 0.05 && (fpr - theirs["fpr"].as_f64().unwrap()).abs() < 1.5e-3, "{title}");
    }

    let published = results["published"]["rates"].as_array().unwrap();
    assert_eq!(published.len(), 4 + 4 + 20);
    assert!(published.iter().all(|rate| rate["tpr"]["ci95"].is_array()), "{published:?}");
    let maps = results["figures"]["maps"].as_array().unwrap();
    assert_eq!(maps.len(), 3);
    for map in maps {
        assert_eq!(map["points"].as_array().unwrap().len(), 697);
        // Half of the families have thirty members: neighbours on 20,000 images are nearly all relatives.
        assert!(map["purity"].as_f64().unwrap() > 0.9, "{}", map["purity"]);
    }
    for histogram in results["figures"]["histograms"].as_array().unwrap() {
        let pairs = histogram["classes"].as_array().unwrap().iter();
        let pairs: u64 = pairs.map(|class| class["pairs"].as_u64().unwrap()).sum();
        assert_eq!(pairs, 697 * 696 / 2);
    }
    let shown = String::from_utf8(output.stdout).unwrap();
    for text in ["Table II as published", "IP-Guard's row of Table III", "leave-one-family-out"] {
        assert!(shown.contains(text), "{text}\n{shown}");
    }
}

const ZOO: &str = r#"
name = "small"
seed = 7
[data]
source = "fashion-mnist"
pool   = 300
[models]
source = "zoo"
names  = ["lenet-a", "lenet-b", "mlp-a", "vgg-a"]
[[variants]]
plugin = "posterize"
grid   = { bits = [3, 4, 6] }
[[variants]]
plugin = "prune"
grid   = { layers = ["last"], amount = [0.2] }
"#;

const SCORED: &str = r#"
[[fingerprints]]
name     = "FBI"
method   = "fbi"
selector = "entropy"
top_k    = 3
[[fingerprints]]
name       = "FBI far"
method     = "fbi"
selector   = "random"
delegate   = "far"
rehearsals = [{ plugin = "posterize", bits = 4 }]
[[fingerprints]]
name   = "AKH"
method = "akh"
[evaluation]
task    = ["detection", "identification", "sequential"]
budgets = [10, 20]
draws   = 3
"#;

const RECORDED: &str = r#"
name = "small"
seed = 7
[data]
source = "recorded"
path   = "answers"
[models]
source = "recorded"
"#;

#[test]
fn a_recorded_population_is_scored_as_its_models_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("zoo.toml"), format!("{ZOO}{SCORED}")).unwrap();
    fs::write(path("recorded.toml"), format!("{RECORDED}{SCORED}")).unwrap();
    let commands: [&[&str]; 3] = [
        &["run", "zoo.toml", "--quiet", "--out", "direct"],
        &["record", "zoo.toml", "--quiet", "--out", "answers"],
        &["run", "recorded.toml", "--quiet", "--out", "again"],
    ];
    for arguments in commands {
        let output = bertillon(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
    }
    let (direct, again) = (json(&path("direct/results.json")), json(&path("again/results.json")));
    for part in ["fingerprints", "identification", "sequential"] {
        assert!(direct[part].as_array().is_some_and(|found| !found.is_empty()), "{part}");
        assert!(direct[part] == again[part], "{part} differ");
    }
    let accuracies = |results: &Value| -> Vec<Value> {
        let models = results["population"]["models"].as_array().unwrap();
        models.iter().map(|model| model["accuracy"].clone()).collect()
    };
    assert_eq!(accuracies(&direct), accuracies(&again));
    let record = bertillon(folder.path(), &["record", "zoo.toml", "--out", "more"]);
    assert!(errors(&record).contains("answers of 20 models to 300 images in more"), "{record:?}");
    let record = bertillon(folder.path(), &["record", "zoo.toml", "--quiet", "--out", "more"]);
    assert_eq!(record.status.code(), Some(2));
    assert!(errors(&record).contains("more is not empty"), "{record:?}");
}

#[test]
fn what_recorded_answers_cannot_serve_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("zoo.toml"), format!("{ZOO}{SCORED}")).unwrap();
    let recorded = bertillon(folder.path(), &["record", "zoo.toml", "--quiet", "--out", "answers"]);
    assert!(recorded.status.success(), "{}", errors(&recorded));
    let cases = [
        (
            "[[fingerprints]]\nname = \"F\"\nmethod = \"ip-guard\"\n",
            "a method that needs the model itself",
        ),
        (
            "[[fingerprints]]\nname = \"F\"\nmethod = \"fbi\"\nselector = \"random\"\ntop_k = 7\n",
            "more is asked than was recorded",
        ),
        (
            "[[fingerprints]]\nname = \"F\"\nmethod = \"akh\"\n[[variants]]\nplugin = \"half\"\n",
            "variants of recorded answers",
        ),
        (
            "[[fingerprints]]\nname = \"F\"\nmethod = \"fbi\"\nselector = \"random\"\n\
             delegate = \"far\"\nrehearsals = [{ plugin = \"jpeg\", quality = 50 }]\n",
            "a rehearsal that was not recorded",
        ),
    ];
    for (rest, message) in cases {
        let text = format!("{RECORDED}{rest}[evaluation]\nbudgets = [10]\n");
        fs::write(path("suite.toml"), text).unwrap();
        let output = bertillon(folder.path(), &["run", "suite.toml", "--quiet", "--out", "out"]);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(errors(&output).contains(message), "{message}\n{}", errors(&output));
        assert!(!path("out/results.json").exists());
    }
}
