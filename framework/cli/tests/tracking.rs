//! Tracking, through the binary: recorded runs compared, gated, kept over time; and what can't be compared or read.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may stop at what it does not expect"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use bertillon_measure::Stream;
use serde_json::Value;

const FAMILIES: usize = 10;
const IMAGES: usize = 600;

const SUITE: &str = r#"
name = "tracked"
seed = 7
[data]
source = "recorded"
path   = "answers"
layout = "fbi"
[models]
source = "recorded"
path   = "answers"
layout = "fbi"
[[fingerprints]]
name     = "Entropy"
method   = "fbi"
selector = { plugin = "entropy", head = 0.25 }
[[fingerprints]]
name     = "Random"
method   = "fbi"
selector = "random"
[evaluation]
budgets = [10, 20]
primary_budget = 20
draws   = 8
"#;

/// Answers of ten families with a variant of each of four kinds: half of the images are easy for everybody.
fn write_answers(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut stream = Stream::named(1, ["answers"]);
    let truth: Vec<u8> = (0..IMAGES).map(|_| stream.below(10) as u8).collect();
    let other = |label: u8, stream: &mut Stream| (label + 1 + stream.below(9) as u8) % 10;
    let write = |name: &str, labels: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({IMAGES},), }}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(118_u16.to_le_bytes());
        bytes.extend(format!("{header:<117}\n").bytes());
        bytes.extend(labels);
        fs::write(folder.join(format!("{name}.npy")), bytes).unwrap();
    };
    write("ground_truth", &truth);
    for family in 0..FAMILIES {
        let errs =
            |image: usize, stream: &mut Stream| image.is_multiple_of(2) && stream.uniform() < 0.3;
        let vanilla: Vec<u8> = (0..IMAGES)
            .map(|image| match errs(image, &mut stream) {
                true => other(truth[image], &mut stream),
                false => truth[image],
            })
            .collect();
        write(&format!("net{family}"), &vanilla);
        for (kind, noise) in [
            ("HALF-net-", 0.02),
            ("JPEG-net-80", 0.1),
            ("JPEG-net-40", 0.18),
            ("PRUNE-net-conv-0.2", 0.14),
        ] {
            let answers: Vec<u8> = vanilla
                .iter()
                .enumerate()
                .map(|(image, &label)| match image.is_multiple_of(2) && stream.uniform() < noise {
                    true if label == truth[image] => other(label, &mut stream),
                    true => truth[image],
                    false => label,
                })
                .collect();
            let name = kind.replace("net", &format!("net{family}"));
            write(name.trim_end_matches('-'), &answers);
        }
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_answers(&folder.path().join("answers"));
        fs::write(folder.path().join("tracked.toml"), SUITE).unwrap();
        Self { folder }
    }

    fn bertillon(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_bertillon"))
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    fn run(&self, out: &str, more: &[&str]) {
        let arguments = ["run", "tracked.toml", "--quiet", "--out", out];
        let output = self.bertillon(&[&arguments, more].concat());
        assert!(output.status.success(), "{}", text(&output));
    }

    /// Exit code and all that was said.
    fn compare(&self, base: &str, new: &str, more: &[&str]) -> (i32, String) {
        let output = self.bertillon(&[&["compare", base, new], more].concat());
        (output.status.code().unwrap(), text(&output))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

fn text(output: &Output) -> String {
    let out = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", out(&output.stdout), out(&output.stderr))
}

/// The weakened run: the fingerprint called Entropy chooses at random among all images, half of them easy.
const WEAKENED: [&str; 2] = ["--set", "fingerprints.0.selector=random"];

#[test]
fn the_gate_tells_luck_from_loss() {
    let place = Place::new();
    place.run("base", &[]);
    place.run("same", &[]);
    place.run("other-seed", &["--seed", "8"]);
    place.run("weakened", &WEAKENED);

    let (code, said) = place.compare("base", "same", &["--gate", "--tolerance", "0"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("No loss beyond noise") && said.contains("same"), "{said}");
    assert!(!said.contains("What else differs"), "{said}");

    let (code, said) = place.compare("base", "other-seed", &["--gate", "--tolerance", "0"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("noise") && said.contains("seed: 7 → 8"), "{said}");
    assert!(said.contains("power: a loss of "), "{said}");

    let (code, said) = place.compare("base", "weakened", &["--gate"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("The gate fails.\n  loss: Entropy at L = 20, "), "{said}");
    assert!(!said.contains("loss: Random"), "{said}");
    assert!(said.contains("suite: fingerprints[Entropy].selector"), "{said}");
    // Without --gate the same is shown, and is no failure; a tolerance may let it pass.
    assert_eq!(place.compare("base", "weakened", &[]).0, 0);
    assert_eq!(place.compare("base", "weakened", &["--gate", "--tolerance", "100"]).0, 0);
    // The other way round is a gain.
    let (code, said) = place.compare("weakened", "base", &["--gate"]);
    assert!(code == 0 && said.contains("gain"), "{said}");

    // A baseline says the same as the folder it was made of, and is small.
    let made = place.bertillon(&["baseline", "base", "-o", "base.json"]);
    assert!(made.status.success(), "{}", text(&made));
    assert!(place.read("base.json").len() < 60_000);
    let json = |base: &str| place.compare(base, "weakened", &["--gate", "--format", "json"]);
    assert_eq!(json("base.json"), json("base"));
    assert_eq!(json("base/results.json"), json("base"));
    let found: Value = serde_json::from_str(&json("base").1).unwrap();
    assert_eq!(found["gate"]["outcome"], "failed");
    assert_eq!(found["rows"][0]["verdict"], Value::Null, "10 queries are not the primary budget");
    let (code, markdown) = place.compare("base.json", "weakened", &["--format", "markdown"]);
    assert!(code == 0 && markdown.contains("❌ **The gate fails.**"), "{markdown}");
}

#[test]
fn runs_that_cannot_be_compared_or_decided_say_why() {
    let place = Place::new();
    place.run("base", &[]);
    place.run("stricter", &["--set", "evaluation.false_positive_rate=0.01"]);
    place.run("fewer", &["--set", "fingerprints.0.name=Renamed"]);
    let few = ["--set", "evaluation.draws=2"];
    place.run("few", &few);
    place.run("few-weakened", &[&few[..], &WEAKENED[..]].concat());

    let (code, said) = place.compare("base", "stricter", &["--gate"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("not comparable: target false-positive rate differs: 0.05 and 0.01"),
        "{said}"
    );
    assert_eq!(place.compare("base", "stricter", &[]).0, 0, "no gate, no failure");

    let (code, said) = place.compare("base", "fewer", &["--gate"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("missing in NEW: Entropy") && said.contains("- Renamed"), "{said}");

    let (code, said) = place.compare("few", "few-weakened", &["--gate"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("undecided: Entropy at L = 20") && said.contains("both runs need "),
        "{said}"
    );

    // Other answers of one model are another population.
    fs::copy(
        place.folder.path().join("answers/HALF-net1.npy"),
        place.folder.path().join("answers/HALF-net2.npy"),
    )
    .unwrap();
    place.run("other-models", &[]);
    let (code, said) = place.compare("base", "other-models", &["--gate"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("half of net2"), "{said}");
}

#[test]
fn files_that_are_no_runs_are_told_apart() {
    let place = Place::new();
    place.run("base", &[]);
    let made = place.bertillon(&["baseline", "base", "-o", "base.json"]);
    assert!(made.status.success(), "{}", text(&made));
    let baseline = place.read("base.json");
    place.write("cut.json", &baseline[..baseline.len() / 2]);
    place.write(
        "newer.json",
        &baseline.replacen("\"baseline_schema\": 1", "\"baseline_schema\": 2", 1),
    );
    place.write("prose.json", "rates were fine\n");
    place.write("list.json", "[1, 2]\n");
    for (file, expected) in [
        ("cut.json", "cut.json is cut off at line "),
        ("newer.json", "newer.json is a baseline of format 2, this bertillon reads up to 1"),
        ("prose.json", "prose.json holds no results of bertillon"),
        ("list.json", "it has no `schema`"),
        ("nowhere", "no results at nowhere/results.json"),
    ] {
        for pair in [["base", file], [file, "base"]] {
            let (code, said) = place.compare(pair[0], pair[1], &["--gate"]);
            assert_eq!(code, 2, "{file}: {said}");
            assert!(said.contains(expected), "{file}: {said}");
        }
    }
    for points in ["-1", "101", "many", "NaN"] {
        let (code, said) = place.compare("base", "base", &[&format!("--tolerance={points}")]);
        assert!(code == 2 && said.contains("percentage points"), "{points}: {said}");
    }
    let refused = place.bertillon(&["baseline", "base", "-o", "no/such/folder/base.json"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_history_keeps_runs_of_several_programs_and_shows_them() {
    let place = Place::new();
    place.run("one", &[]);
    place.run("two", &WEAKENED);
    // Several programs at once, on a file that none has made yet.
    let programs: Vec<_> = (0..6)
        .map(|i| {
            Command::new(env!("CARGO_BIN_EXE_bertillon"))
                .current_dir(place.folder.path())
                .args(["history", "--db", "h.sqlite", "--wait", "60", "add", "one"])
                .args(["--commit", &format!("c{i}"), "--date", &format!("2026-01-0{}", i + 1)])
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for program in programs {
        let output = program.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let history = |arguments: &[&str]| {
        let output = place.bertillon(&[&["history", "--db", "h.sqlite"], arguments].concat());
        (output.status.code().unwrap(), text(&output))
    };
    assert!(history(&["add", "one", "--commit", "c0"]).1.contains("nothing was added"));
    assert!(history(&["add", "two", "--commit", "c9"]).1.contains("added to h.sqlite"));

    let (code, said) = history(&["show"]);
    assert_eq!(code, 0, "{said}");
    let row = said.lines().find(|line| line.contains("Entropy")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        (cells[..5].to_vec(), cells[7]),
        (vec!["tracked", "Entropy", "all", "20", "7"], "c9")
    );
    // Six equal rates and one far below.
    let line: Vec<char> = cells[6].chars().collect();
    assert!(line[..6].iter().all(|bar| *bar == line[0]) && line[6] < line[0], "{row}");
    let (_, said) =
        history(&["show", "--fingerprint", "Random", "--kind", "prune/conv", "--budget", "10"]);
    assert!(said.contains("2026-01-06T00:00:00Z") && said.contains("prune/conv"), "{said}");
    let (code, said) = history(&["show", "--fingerprint", "Nobody"]);
    assert!(code == 2 && said.contains("its fingerprints are: Entropy, Random"), "{said}");

    assert_eq!(history(&["html", "-o", "page.html"]).0, 0);
    let page = place.read("page.html");
    assert!(page.contains("<svg") && !page.contains("<script") && page.len() < 100_000);
    let (code, csv) = history(&["export"]);
    assert_eq!(code, 0);
    // Seven runs of two fingerprints at two budgets: over all and of four kinds.
    assert_eq!(csv.lines().count(), 1 + 7 * 2 * 2 * 5);

    let bytes = fs::read(place.folder.path().join("h.sqlite")).unwrap();
    place.write("prose.sqlite", &"not a history\n".repeat(100));
    fs::write(place.folder.path().join("cut.sqlite"), &bytes[..bytes.len() / 3]).unwrap();
    for (file, expected) in [
        ("prose.sqlite", "is no history of bertillon"),
        ("cut.sqlite", "is damaged"),
        ("none.sqlite", "no history at none.sqlite"),
    ] {
        let output = place.bertillon(&["history", "--db", file, "show"]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(text(&output).contains(expected), "{file}: {}", text(&output));
    }
    let output = place.bertillon(&["history", "--db", "prose.sqlite", "add", "one"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(place.read("prose.sqlite").starts_with("not a history"), "nothing is overwritten");
}
