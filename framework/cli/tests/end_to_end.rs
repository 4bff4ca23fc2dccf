//! The whole way through the binary: a small suite on real networks and real images.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use bertillon::{
    Mode, Model,
    registry::{self, Builder, PluginKind},
};
use bertillon_datasets as _;
use bertillon_torchscript::{Normalisation, TorchScriptModel};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const SUITE: &str = r#"
name = "small"
seed = 7

[data]
source = "fashion-mnist"
pool   = 300

[models]
source = "zoo"
names  = ["lenet-a", "lenet-b", "mlp-a", "resnet-a"]

[[variants]]
plugin = "jpeg"
quality = 60

[[variants]]
plugin = "prune"
grid   = { layers = ["conv", "last"], amount = [0.3] }

[[variants]]
plugin = "randomized-smoothing"
sigma = 0.05
samples = 4

[[fingerprints]]
name     = "FBI"
method   = "fbi"
selector = "random"

[[fingerprints]]
name   = "IP-Guard"
method = "ip-guard"
attack = { name = "bp", steps = 10 }

[evaluation]
budgets = [10, 20]
draws   = 3
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("small.toml"), SUITE).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, out: &str, cache: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_bertillon"))
            .current_dir(self.folder.path())
            .args(["run", "small.toml", "--out", out, "--cache", cache])
            .args(more)
            .output()
            .unwrap()
    }

    fn results(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join("results.json")).unwrap()
    }
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Objects of a cache with the time of their last change.
fn objects(cache: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
        .collect()
}

#[test]
fn the_same_suite_gives_the_same_bytes_whatever_the_threads_and_the_cache() {
    let place = Place::new();
    let first = place.run("one", "cache-a", &["--threads", "1"]);
    succeeded(&first);
    let report = String::from_utf8_lossy(&first.stdout).into_owned();
    for expected in ["FBI", "IP-Guard", "prune/conv", "randomized-smoothing", "jpeg"] {
        assert!(report.contains(expected), "{expected} in the report:\n{report}");
    }
    let results = place.results("one");

    succeeded(&place.run("two", "cache-b", &["--threads", "3"]));
    assert!(results == place.results("two"), "other threads, other cache");

    let before = objects(&place.path("cache-a"));
    succeeded(&place.run("three", "cache-a", &["--threads", "2"]));
    assert!(results == place.results("three"), "warm cache");
    assert_eq!(before, objects(&place.path("cache-a")), "a warm run computes nothing anew");

    // One more variant computes what is new, and touches nothing else.
    succeeded(&place.run("four", "cache-a", &["--set", "variants.1.grid.amount=[0.3, 0.5]"]));
    let after = objects(&place.path("cache-a"));
    assert!(before.iter().all(|(path, time)| after.get(path) == Some(time)));
    // prune/conv on three networks (an MLP has none: its note only), prune/last on four; each a note, the pool and
    // the banks of four owners at most.
    assert!(after.len() > before.len() && after.len() <= before.len() + 8 * 6);

    // A damaged object is computed anew, to the same bytes, with a warning.
    let answers = before.keys().find(|path| path.extension().is_some_and(|e| e == "npy")).unwrap();
    let mut bytes = fs::read(answers).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(answers, &bytes).unwrap();
    let repaired = place.run("five", "cache-a", &[]);
    succeeded(&repaired);
    assert!(String::from_utf8_lossy(&repaired.stderr).contains("is damaged"));
    assert!(results == place.results("five"), "after repair");
}

#[test]
fn results_say_what_was_judged() {
    let place = Place::new();
    succeeded(&place.run("out", "cache", &[]));
    let results: Value = serde_json::from_slice(&place.results("out")).unwrap();
    let population = &results["population"];
    assert_eq!(population["vanillas"], 4);
    assert_eq!(population["variants"], 16);
    let models = population["models"].as_array().unwrap();
    assert_eq!(models.len(), 20);
    let unchanged: Vec<&str> = models
        .iter()
        .filter(|model| model["unchanged"] == true)
        .map(|model| model["name"].as_str().unwrap())
        .collect();
    assert_eq!(unchanged, ["prune/conv/0.3 of mlp-a"], "an MLP has no convolution");
    let kept = models.iter().filter(|model| model["kept"] == true).count();
    assert_eq!(population["kept"], kept);
    assert_eq!(population["positives"], kept);
    assert_eq!(population["negatives"], kept * 3);
    for fingerprint in results["fingerprints"].as_array().unwrap() {
        assert_eq!(fingerprint["positives"], kept);
        for budget in fingerprint["budgets"].as_array().unwrap() {
            let (tpr, fpr) = (&budget["tpr"]["mean"], &budget["fpr"]["mean"]);
            assert!((0.0..=1.0).contains(&tpr.as_f64().unwrap()));
            assert!(fpr.as_f64().unwrap() <= 0.05, "the threshold keeps the target: {fpr}");
            let vanilla = &budget["variations"][0];
            assert_eq!((&vanilla["kind"], &vanilla["positives"]), (&"vanilla".into(), &4.into()));
        }
    }
    let guard = &results["fingerprints"][1];
    assert_eq!(guard["knowledge"][0], "white box");
    assert!(guard["enrolment"]["gradients"].as_f64().unwrap() > 0.0);
}

#[test]
fn reports_and_pairs_of_a_run_can_be_read_by_others() {
    let place = Place::new();
    succeeded(&place.run("out", "cache", &[]));
    let folder = place.path("out");
    let results = bertillon_reports::read(&folder).unwrap();
    let groups = bertillon_reports::pairs::read(&folder, &results).unwrap();
    assert_eq!(groups.len(), 2 * 2);
    let rows: usize = groups.iter().map(|group| group.distance.len()).sum();
    assert_eq!(rows as u64, results.pairs.as_ref().unwrap().rows);
    for (group, fingerprint) in groups.iter().zip([0, 0, 1, 1]) {
        let judged = &results.fingerprints[fingerprint];
        assert_eq!(group.fingerprint, judged.name);
        assert_eq!(group.distance.len(), 3 * (judged.positives + judged.negatives));
        let mine = |row: usize| group.owner.get(row) == group.family.get(row);
        assert!((0..group.positive.len()).all(|row| group.positive[row] == mine(row)));
    }

    // The report of another run's results does not take these pairs for its own.
    succeeded(&place.run("other", "cache", &["--set", "seed=8"]));
    let other = bertillon_reports::read(&place.path("other")).unwrap();
    let refused = bertillon_reports::pairs::read(&folder, &other).unwrap_err().to_string();
    assert!(refused.contains("does not belong to the results.json"), "{refused}");

    let report = |format: &str| {
        let arguments = ["report", "out", "--format", format];
        let output = Command::new(env!("CARGO_BIN_EXE_bertillon"))
            .current_dir(place.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    let rows = report("csv").lines().count();
    assert!(rows > 2 * 2 * (3 + 5 * 2), "{rows} rows");
    assert!(report("latex").ends_with("\\end{document}\n"));

    let pandas = Command::new("python3").args(["-c", "import pandas, pyarrow"]).output();
    if !pandas.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with pandas and pyarrow to open pairs.parquet with");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_pairs.py");
    succeeded(&Command::new("python3").arg(script).arg(&folder).output().unwrap());
}

#[test]
fn a_dry_run_computes_and_writes_no_answers() {
    let place = Place::new();
    let planned = place.run("out", "cache", &["--dry-run"]);
    succeeded(&planned);
    let text = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(text.contains("FBI") && text.contains("prune/conv/0.3"), "{text}");
    assert!(!place.path("out/results.json").exists());
    assert!(objects(&place.path("cache")).is_empty());
}

#[test]
fn bad_input_is_refused_with_its_place_and_a_remedy() {
    let place = Place::new();
    for (more, expected) in [
        (vec!["--set", "fingerprints.0.method=fbj"], vec!["fbj", "fbi"]),
        (vec!["--set", "variants.0.quality=500"], vec!["quality", "500"]),
        (vec!["--set", "variants.0.qualty=50"], vec!["qualty", "quality"]),
        (vec!["--set", "data.pool=0"], vec!["pool"]),
        (vec!["--set", "evaluation.budgets=[10, 400]"], vec!["400", "300"]),
        (vec!["--set", "models.names=[\"mlp-a\"]"], vec!["no negatives"]),
        (vec!["--set", "data.path=\"nowhere\""], vec!["nowhere"]),
    ] {
        let output = place.run("refused", "cache", &more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {text}");
        for fragment in expected {
            assert!(text.contains(fragment), "{more:?} should mention {fragment}:\n{text}");
        }
        assert!(!place.path("refused/results.json").exists());
    }
    let output = place.run("small.toml/results", "cache", &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "a file is no folder: {text}");
    assert!(text.contains("small.toml/results") && text.contains("--out"), "{text}");
}

#[test]
fn exported_networks_answer_as_those_of_the_zoo() {
    let folder = tempfile::tempdir().unwrap();
    let export = |names: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertillon"));
        command.args(["zoo", "export", "--out"]).arg(folder.path()).args(names).output().unwrap()
    };
    let refused = export(&["lenet-z"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(export(&[]).status.success());
    let entry = registry::find(PluginKind::Models, "zoo").unwrap().unwrap();
    let Builder::Models(build) = entry.builder else { unreachable!() };
    let zoo = build("{}").unwrap();
    for (index, vanilla) in zoo.vanillas().iter().enumerate() {
        let path = folder.path().join(format!("{}.pt", vanilla.name));
        let network = zoo.load(index, Device::Cpu).unwrap();
        let (input, classes) = (network.input(), network.classes());
        let normalisation = Normalisation::default();
        let file =
            TorchScriptModel::load(path, input, classes, normalisation, Device::Cpu).unwrap();
        let images = Tensor::arange(5 * 784, (Kind::Float, Device::Cpu));
        let images = (images * 0.37).frac().view(input.batch(5));
        let logits = |model: &dyn Model| model.logits(&images, Mode::Evaluation).unwrap();
        let difference = (logits(&file) - logits(&*network)).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{}: {difference}", vanilla.name);
        assert_eq!(file.parameters().len(), network.parameters().len(), "{}", vanilla.name);
    }
}
