//! `bertillon audit`, through the binary: faults planted in recorded answers, in a suite of the zoo and in its pictures.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::fs;

use bertillon::{Answers, Configure, Group, ImageRequest, ImageSource, Stream, Variation};
use bertillon_datasets::{
    FashionMnist,
    recorded::{self, ManifestRow},
};
use place::Place;
use serde_json::{Value, json};

const IMAGES: usize = 4000;

const REST: &str = r#"
[[fingerprints]]
name = "FBI"
method = "fbi"
selector = { plugin = "random" }

[evaluation]
budgets = [20]
draws = 2
"#;

/// Severity, rule and subjects of every finding of an audit as JSON.
fn findings(audit: &str) -> Vec<(String, String, String)> {
    let audit: Value = serde_json::from_str(audit).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = |finding: &Value| {
        let subjects = finding["subjects"].as_array().unwrap();
        let subjects: Vec<String> = subjects.iter().map(text).collect();
        (text(&finding["severity"]), text(&finding["rule"]), subjects.join(", "))
    };
    audit["findings"].as_array().unwrap().iter().map(found).collect()
}

fn expected(findings: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    findings.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

/// Seven families of three models in the folder `answers`: `weak` and `strong` variants of `net-0` to `net-6`.
/// `spoil` has a model's family, kind and answers, and those of all vanillas so far, for a variant its own the last.
fn record(place: &Place, spoil: impl Fn(&str, &str, Vec<u16>, &[Vec<u16>]) -> Vec<u16>) {
    let mut stream = Stream::named(5, ["recorded"]);
    let mut labels =
        |count: usize| (0..count).map(|_| stream.below(30) as u16).collect::<Vec<u16>>();
    let truth = labels(IMAGES);
    let mut mixed = |from: &[u16], share: f64| -> Vec<u16> {
        from.iter()
            .map(|&from| if stream.uniform() < share { from } else { stream.below(30) as u16 })
            .collect()
    };
    let mut vanillas: Vec<Vec<u16>> = Vec::new();
    let mut models = Vec::new();
    for family in 0..7 {
        let name = format!("net-{family}");
        let vanilla = spoil(&name, "vanilla", mixed(&truth, 0.8), &vanillas);
        vanillas.push(vanilla.clone());
        for (kind, share) in [("vanilla", 1.0), ("weak", 0.97), ("strong", 0.85)] {
            let answers = match kind {
                "vanilla" => vanilla.clone(),
                _ => spoil(&name, kind, mixed(&vanilla, share), &vanillas),
            };
            let variation = (kind != "vanilla").then(|| Variation {
                kind: kind.to_owned(),
                detail: None,
                parameter: None,
                group: Group::Weights,
            });
            let row = ManifestRow { family: name.clone(), variation, ancestry: None };
            models.push((row, Answers::top1(answers)));
        }
    }
    let models = models.iter().map(|(row, answers)| (row.clone(), answers));
    recorded::write(&place.path("answers"), &truth, 30, models).unwrap();
    let suite = "name = \"made\"\n[data]\nsource = \"recorded\"\npath = \"answers\"\n[models]\nsource = \"recorded\"\n";
    fs::write(place.path("made.toml"), format!("{suite}{REST}")).unwrap();
}

#[test]
fn faults_of_recorded_answers_are_found_and_nothing_else() {
    let place = Place::new();
    record(&place, |_, _, answers, _| answers);
    let (code, stdout, stderr) = place.run(&["audit", "made.toml", "--quiet", "--format", "json"]);
    assert_eq!((code, findings(&stdout)), (0, Vec::new()), "{stderr}");

    let place = Place::new();
    record(&place, |name, kind, answers, vanillas| match (name, kind) {
        // Nothing changed; filed under the wrong family; trained from another; broken.
        ("net-3", "weak") => vanillas[3].clone(),
        ("net-4", "strong") => vanillas[2].iter().map(|&l| if l == 7 { 8 } else { l }).collect(),
        ("net-5", "vanilla") => {
            let like = |(i, own): (usize, u16)| if i % 4 == 0 { own } else { vanillas[1][i] };
            answers.into_iter().enumerate().map(like).collect()
        }
        ("net-6", "strong") => vec![4; IMAGES],
        _ => answers,
    });
    let (code, stdout, stderr) = place.run(&["audit", "made.toml", "--quiet", "--format", "json"]);
    let found = findings(&stdout);
    let wanted = expected(&[
        ("error", "mislabelled-variant", "strong of net-4"),
        ("warning", "unchanged-variant", "weak of net-3"),
        ("warning", "shared-ancestry", "net-1, net-5"),
        ("note", "broken-model", "strong of net-6"),
    ]);
    assert_eq!((code, found), (1, wanted), "{stderr}");

    let (code, stdout, _) = place.run(&["audit", "made.toml", "--quiet"]);
    assert_eq!(code, 1);
    assert!(
        stdout.starts_with("Audit of made\n") && stdout.ends_with("1 error, 2 warnings, 1 note\n"),
        "{stdout}"
    );
    let arguments = ["audit", "made.toml", "--quiet", "--format", "sarif", "-o", "audit.sarif"];
    let (code, stdout, _) = place.run(&arguments);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let sarif: Value =
        serde_json::from_slice(&fs::read(place.path("audit.sarif")).unwrap()).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["ruleId"], "mislabelled-variant");
    let location = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(location["uri"], "made.toml");

    // The run tells a part of it.
    let (code, _, stderr) = place.run(&["run", "made.toml", "--quiet", "--out", "out"]);
    assert_eq!(code, 0, "{stderr}");
    let (_, stdout, stderr) = place.run(&["audit", "out", "--format", "json"]);
    let found = findings(&stdout);
    let unchanged = expected(&[("warning", "unchanged-variant", "weak of net-3")]);
    assert!(found.contains(&unchanged[0]), "{found:?}\n{stderr}");
    let astray = expected(&[("warning", "mislabelled-variant", "strong of net-4")]);
    assert!(found.contains(&astray[0]), "{found:?}");
}

#[test]
fn faults_of_a_suite_of_models_and_pictures_are_found() {
    let place = Place::with(format!(
        r#"name = "folder"
[data]
source = "image-folder"
path = "pictures"
channels = 1
size = 28
pool = 60
[models]
source = "zoo"
names = ["lenet-a", "lenet-b"]
[[variants]]
plugin = "posterize"
grid = {{ bits = [4, 8] }}
[[variants]]
plugin = "chain"
steps = [{{ plugin = "posterize", bits = 4 }}]
{REST}"#
    ));
    let source = FashionMnist::configure(serde_json::from_value(json!({})).unwrap()).unwrap();
    let pool = source.load(&ImageRequest::of(Some(120))).unwrap().pool;
    let images = pool.images.unwrap();
    let write = |name: String, class: u16, image: &[u8]| {
        let folder = place.path(format!("pictures/{class}"));
        fs::create_dir_all(&folder).unwrap();
        let file = fs::File::create(folder.join(&name)).unwrap();
        let mut encoder = png::Encoder::new(file, 28, 28);
        // Other bytes, for a folder with a file twice is refused; the same picture.
        encoder.add_text_chunk("Title".to_owned(), name).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(image).unwrap();
    };
    for (i, &label) in pool.truth.iter().enumerate() {
        write(format!("{i}.png"), label, images.image(i));
        // Every picture stands in the folder of another class too.
        if i < 40 {
            write(format!("{i}-again.png"), (label + 1) % 10, images.image(i));
        }
    }
    let (code, stdout, stderr) = place.run(&["audit", "demo.toml", "--quiet", "--format", "json"]);
    assert_eq!(code, 1, "{stderr}");
    let found = findings(&stdout);
    let rules = |severity: &str, rule: &str| {
        found.iter().filter(|(s, r, _)| s == severity && r == rule).count()
    };
    assert_eq!(code, 1, "{stderr}\n{found:?}");
    assert_eq!(rules("error", "image-in-both"), 1, "{found:?}");
    assert_eq!(rules("warning", "label-clash"), 1, "{found:?}");
    // 8 bits of 8 are all there is; a chain of one step is that step.
    assert_eq!(rules("note", "unchanged-variant"), 2, "{found:?}");
    assert_eq!(rules("note", "duplicate-model"), 2, "{found:?}");
}

#[test]
fn what_can_not_be_audited_says_what_to_do() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    let stderr = place.mistake(&["audit", "empty"]);
    assert!(
        stderr.contains("holds no results.json: give the folder of a finished run, or a suite"),
        "{stderr}"
    );
    let stderr = place.mistake(&["audit", "none.toml"]);
    assert!(stderr.contains("none.toml"), "{stderr}");
    let (_, stdout, _) = place.run(&["audit", "--help"]);
    assert!(stdout.contains("exit code 1 when a finding is an error"), "{stdout}");
}
