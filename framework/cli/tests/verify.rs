//! `enroll` and `verify`, through the binary: thresholds against the pairs of a run, suspects of every form against each other,
//! and what is wrong told in words.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use bertillon::{Access, ImageShape, Images, answer, npy};
use bertillon_reports::{self as reports, pairs};
use bertillon_runner::Enrolled;
use bertillon_torchscript::{Normalisation, TorchScriptModel};
use place::Place;
use serde_json::Value;
use tch::Device;

const SUITE: &str = r#"name = "small"
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

[[fingerprints]]
name     = "FBI"
method   = "fbi"
selector = "random"

[[fingerprints]]
name     = "FBI top-3"
method   = "fbi"
selector = { plugin = "entropy", head = 0.5 }
top_k    = 3

[[fingerprints]]
name   = "IP-Guard"
method = "ip-guard"
attack = { name = "bp", steps = 10 }

[evaluation]
budgets             = [40, 60]
draws               = 2
false_positive_rate = 0.1
"#;

const PRUNED: &str = "prune/conv/0.3 of lenet-a";

/// Runs a command that must do its work, and gives what it wrote.
fn done(place: &Place, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = place.run(arguments);
    assert_eq!(code, 0, "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// A place with the fingerprints `fbi.bert` and `ipg.bert` of lenet-a.
fn enrolled() -> Place {
    let place = Place::with(SUITE);
    for (name, file) in [("FBI", "fbi.bert"), ("ip-guard", "ipg.bert")] {
        done(&place, &["enroll", "demo.toml", "lenet-a", "--method", name, "-o", file]);
    }
    place
}

fn verdict(place: &Place, arguments: &[&str]) -> Value {
    let all = [&["verify"], arguments, &["--json"]].concat();
    serde_json::from_str(&done(place, &all)).unwrap()
}

fn of_suite(place: &Place, file: &str, name: &str) -> Value {
    verdict(place, &[file, "--suite", "demo.toml", "--model", name])
}

/// The largest threshold that accepts at most `alpha` of these distances, by trying each of them.
fn by_trial(strangers: &[f64], alpha: f64) -> f64 {
    let accepted = |threshold: f64| strangers.iter().filter(|&&d| d < threshold).count() as f64;
    let fits = |&threshold: &f64| accepted(threshold) <= alpha * strangers.len() as f64 + 1e-9;
    strangers.iter().copied().filter(fits).max_by(f64::total_cmp).unwrap()
}

#[test]
fn the_threshold_is_that_of_the_owners_own_pairs_in_a_run() {
    let place = Place::with(SUITE);
    done(&place, &["run", "demo.toml", "--out", "out", "--quiet"]);
    let results = reports::read(&place.path("out")).unwrap();
    let pairs = pairs::read(&place.path("out"), &results).unwrap();
    for (method, name, draw, budget) in
        [("FBI", "FBI", 1, 40), ("FBI top-3", "FBI top-3", 0, 60), ("ip-guard", "IP-Guard", 1, 40)]
    {
        let (shown_draw, shown_budget) = (draw.to_string(), budget.to_string());
        let arguments = [
            &["enroll", "demo.toml", "lenet-a", "--method", method, "-o", "one.bert"][..],
            &["--draw", &shown_draw, "--budget", &shown_budget],
        ];
        let (code, stdout, stderr) = place.run(&arguments.concat());
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("no answer had to be computed"), "the run did it all: {stderr}");
        let card = Enrolled::read(&place.path("one.bert")).unwrap().card;
        let group = pairs.iter().find(|g| g.fingerprint == name && g.budget == budget).unwrap();
        let rows = (0..group.distance.len())
            .filter(|&row| group.draw[row] == draw && group.owner.get(row) == Some("lenet-a"));
        let (own, strange): (Vec<usize>, Vec<usize>) = rows.partition(|&row| group.positive[row]);
        let mut strangers: Vec<f64> = strange.iter().map(|&row| group.distance[row]).collect();
        strangers.sort_by(f64::total_cmp);
        assert_eq!(card.threshold.strangers, strangers, "{name}");
        assert_eq!(card.threshold.distance, by_trial(&strangers, 0.1), "{name}");
        let variants = own.iter().filter(|&&row| group.kind.get(row) != Some("vanilla"));
        let variants: Vec<(String, f64)> = variants
            .map(|&row| (group.suspect.get(row).unwrap().to_owned(), group.distance[row]))
            .collect();
        let found: Vec<(String, f64)> =
            card.own.iter().map(|model| (model.name.clone(), model.distance)).collect();
        assert_eq!(found, variants, "{name}");
        assert!(stdout.contains(&format!("of {} models", strangers.len())), "{stdout}");
        assert!(stdout.contains("warning: fewer than 10 false pairs"), "{stdout}");
    }
}

#[test]
fn a_pruned_copy_is_accepted_and_another_network_rejected() {
    let place = enrolled();
    for file in ["fbi.bert", "ipg.bert"] {
        let card = Enrolled::read(&place.path(file)).unwrap().card;
        let itself = of_suite(&place, file, "lenet-a");
        assert_eq!((&itself["accepted"], &itself["distance"]), (&true.into(), &0.0.into()));
        let pruned = of_suite(&place, file, PRUNED);
        let known = card.own.iter().find(|model| model.name == PRUNED).unwrap();
        assert_eq!(pruned["distance"], known.distance, "as when it was enrolled");
        assert_eq!(pruned["accepted"], true, "{file}: {pruned}");
        assert_eq!((&pruned["queries_spent"], &pruned["budget"]), (&60.into(), &60.into()));
        let other = of_suite(&place, file, "mlp-a");
        assert_eq!(other["accepted"], false, "{file}: {other}");
        let near = other["distance"].as_f64().map_or(f64::INFINITY, |distance| distance);
        assert!(card.threshold.strangers.contains(&near), "{file}: {other}");
    }
    let arguments = ["verify", "fbi.bert", "--suite", "demo.toml", "--model", "mlp-a"];
    let (code, stdout, _) = place.run(&[&arguments[..], &["--exit-code"]].concat());
    assert_eq!(code, 1);
    for part in
        ["mlp-a: rejected: not shown to be lenet-a", "evidence, no proof", "60 queries of 60"]
    {
        assert!(stdout.contains(part), "{part}\n{stdout}");
    }
    assert_eq!(place.run(&arguments).0, 0, "a verdict is a verdict");
}

#[test]
fn modules_recorded_answers_and_tables_give_the_distance_of_the_model() {
    let place = enrolled();
    let expected = |file: &str| of_suite(&place, file, "lenet-b")["distance"].clone();
    done(&place, &["zoo", "export", "--out", "zoo", "lenet-b"]);
    done(&place, &["record", "demo.toml", "--out", "recorded", "--quiet"]);
    for file in ["fbi.bert", "ipg.bert"] {
        let distance = expected(file);
        let module = verdict(&place, &[file, "zoo/lenet-b.pt"]);
        assert_eq!(module["distance"], distance, "the zoo's own normalisation is in the file");
        // Another normalisation is another model.
        let wrong = verdict(&place, &[file, "zoo/lenet-b.pt", "--mean", "0.5", "--std", "0.1"]);
        assert_ne!(wrong["distance"], distance);

        done(&place, &["verify", file, "--export", "queries", "--quiet"]);
        let labels = labels_of_queries(&place, "lenet-b");
        fs::write(place.path("labels.npy"), npy::to_bytes(&labels, 1)).unwrap();
        assert_eq!(verdict(&place, &[file, "labels.npy"])["distance"], distance);
        // Answers of several ranks reveal the best as well; rows of a table may come in any order.
        let ranked: Vec<u16> = labels.iter().flat_map(|&label| [label, 9 - label]).collect();
        fs::write(place.path("ranked.npy"), npy::to_bytes(&ranked, 2)).unwrap();
        assert_eq!(verdict(&place, &[file, "ranked.npy"])["distance"], distance);
        let blank = fs::read_to_string(place.path("queries/answers.csv")).unwrap();
        let rows = blank.lines().skip(1).zip(&labels);
        let mut lines: Vec<String> = rows.map(|(row, label)| format!("{row}{label}\n")).collect();
        lines.reverse();
        let table = format!("query,image,file,label\n{}", lines.concat());
        fs::write(place.path("filled.csv"), table).unwrap();
        assert_eq!(verdict(&place, &[file, "filled.csv"])["distance"], distance);
        fs::remove_dir_all(place.path("queries")).unwrap();
    }
    let whole = verdict(&place, &["fbi.bert", &recorded_file(&place, "lenet-b")]);
    assert_eq!(whole["distance"], expected("fbi.bert"), "among answers to the whole pool");
}

/// The file of a model's answers in the folder `recorded`.
fn recorded_file(place: &Place, name: &str) -> String {
    let files = fs::read_dir(place.path("recorded")).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let ending = format!("-{name}.npy");
    let found = names.find(|file| file.len() == 4 + ending.len() && file.ends_with(&ending));
    format!("recorded/{}", found.unwrap())
}

/// What a module of the zoo answers to the queries that were exported.
fn labels_of_queries(place: &Place, name: &str) -> Vec<u16> {
    let bytes = fs::read(place.path("queries/queries.npy")).unwrap();
    let header = npy::Header::parse(&bytes).unwrap();
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    let images = Images::new(bytes[header.offset..].to_vec(), shape).unwrap();
    let file = place.path(format!("zoo/{name}.pt"));
    let module =
        TorchScriptModel::load(file, shape, 10, Normalisation::default(), Device::Cpu).unwrap();
    answer(&module, &images, Access::Top1, Device::Cpu).unwrap().as_slice().to_vec()
}

#[test]
fn exported_pictures_are_the_queries() {
    let place = enrolled();
    done(&place, &["verify", "ipg.bert", "--export", "queries", "--quiet"]);
    let enrolled = Enrolled::read(&place.path("ipg.bert")).unwrap();
    let queries = enrolled.queries.unwrap();
    for index in [0, 59] {
        let file = fs::File::open(place.path(format!("queries/{index:04}.png"))).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; 784];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, queries.image(index));
    }
    assert!(place.mistake(&["verify", "ipg.bert", "--export", "queries"]).contains("not empty"));
}

/// A program that answers what a file holds, whatever it is sent, without any library.
const CANNED: &str = "\
import json, shutil, sys
for line in sys.stdin:
    request = json.loads(line)
    assert request['call'] == 'answer' and request['classes'] == 10, request
    shutil.copy(sys.argv[1], request['output'])
    print(json.dumps({'id': request['id'], 'ok': {}}), flush=True)
";

fn has_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok();
    if !there {
        println!("skipped: there is no python3");
    }
    there
}

#[test]
fn a_program_gives_the_distance_of_the_model_that_it_asks() {
    if !has_python() {
        return;
    }
    let place = enrolled();
    done(&place, &["zoo", "export", "--out", "zoo", "lenet-b"]);
    fs::write(place.path("canned.py"), CANNED).unwrap();
    for file in ["fbi.bert", "ipg.bert"] {
        let distance = of_suite(&place, file, "lenet-b")["distance"].clone();
        done(&place, &["verify", file, "--export", "queries", "--quiet"]);
        let labels = labels_of_queries(&place, "lenet-b");
        fs::write(place.path("labels.npy"), npy::to_bytes(&labels, 1)).unwrap();
        fs::remove_dir_all(place.path("queries")).unwrap();
        let arguments = ["verify", file, "--json", "--command", "canned.py", "labels.npy"];
        let found: Value = serde_json::from_str(&done(&place, &arguments)).unwrap();
        assert_eq!(found["distance"], distance);
        assert_eq!(found["suspect"], "canned.py labels.npy");
    }
    let fails = |script: &str, parts: &[&str]| {
        fs::write(place.path("bad.py"), script).unwrap();
        let arguments = ["verify", "fbi.bert", "--time-limit", "5", "--command", "bad.py"];
        let error = place.mistake(&arguments);
        for part in parts {
            assert!(error.contains(part), "{part}\n{error}");
        }
    };
    fails("import sys; sys.exit('no key')", &["bad.py can't be judged", "exit code 1", "no key"]);
    fails("input()\nprint('{}')\ninput()", &["bad.py", "it answered `{}"]);
    let answers =
        "import json\nr = json.loads(input())\nprint(json.dumps({'id': r['id'], 'ok': {}}))";
    fails(answers, &["they were not written, though it says so"]);
    let mistake = place.mistake(&["verify", "fbi.bert", "--command", "./no-such-program"]);
    assert!(mistake.contains("can't be started"), "{mistake}");
}

#[test]
fn the_example_in_python_answers_as_the_module_does() {
    let python = env::var_os("BERTILLON_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python).args(["-c", "import numpy, torch"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        println!("skipped: Python has no PyTorch (BERTILLON_TEST_PYTHON names another)");
        return;
    }
    let place = enrolled();
    done(&place, &["zoo", "export", "--out", "zoo", "mlp-a"]);
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/command/examples/answers.py");
    let shim = place.path("python");
    fs::write(&shim, format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display())).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    for file in ["fbi.bert", "ipg.bert"] {
        let program = ["./python", script.to_str().unwrap(), "zoo/mlp-a.pt"];
        let arguments = [&["verify", file, "--json", "--command"], &program[..]].concat();
        let found: Value = serde_json::from_str(&done(&place, &arguments)).unwrap();
        assert_eq!(found["distance"], of_suite(&place, file, "mlp-a")["distance"]);
    }
}

#[test]
fn recorded_answers_are_enrolled_and_verified_without_images() {
    let place = Place::with(SUITE);
    done(&place, &["record", "demo.toml", "--out", "recorded", "--quiet"]);
    let recorded =
        SUITE.replace("\"fashion-mnist\"", "\"recorded\"\npath = \"recorded\"\nclasses = 10");
    let recorded = recorded.replace(
        "\"zoo\"\nnames  = [\"lenet-a\", \"lenet-b\", \"mlp-a\", \"resnet-a\"]",
        "\"recorded\"",
    );
    let variants =
        recorded.find("[[variants]]").unwrap()..recorded.find("[[fingerprints]]").unwrap();
    let crafting =
        recorded.rfind("[[fingerprints]]").unwrap()..recorded.find("[evaluation]").unwrap();
    let recorded = recorded
        .replace(&recorded[crafting].to_owned(), "")
        .replace(&recorded[variants].to_owned(), "");
    fs::write(place.path("recorded.toml"), &recorded).unwrap();
    for suite in ["demo.toml", "recorded.toml"] {
        let file = format!("{suite}.bert");
        done(&place, &["enroll", suite, "lenet-a", "--method", "FBI top-3", "-o", &file]);
    }
    let read = |suite: &str| Enrolled::read(&place.path(format!("{suite}.bert"))).unwrap();
    let (asked, looked_up) = (read("demo.toml"), read("recorded.toml"));
    assert_eq!(looked_up.fingerprint, asked.fingerprint, "the same queries and answers");
    assert_eq!(looked_up.card.threshold, asked.card.threshold);
    assert!(asked.queries.is_some() && looked_up.queries.is_none());
    let name = ["--suite", "recorded.toml", "--model", PRUNED];
    let found = verdict(&place, &[&["recorded.toml.bert"], &name[..]].concat());
    let model = ["--suite", "demo.toml", "--model", PRUNED];
    assert_eq!(found, verdict(&place, &[&["demo.toml.bert"], &model[..]].concat()));
    let whole = verdict(&place, &["recorded.toml.bert", &recorded_file(&place, "mlp-a")]);
    let other = of_suite(&place, "demo.toml.bert", "mlp-a");
    assert_eq!(whole["distance"], other["distance"]);
    let error = place.mistake(&[
        "verify",
        "recorded.toml.bert",
        "--suite",
        "demo.toml",
        "--model",
        "mlp-a",
    ]);
    assert!(error.contains("enrolled from recorded answers and holds no images"), "{error}");
    let error = place.mistake(&["verify", "recorded.toml.bert", "--command", "anything"]);
    assert!(error.contains("holds no images"), "{error}");
    // A table can be filled in all the same: it names the images of the pool.
    done(&place, &["verify", "recorded.toml.bert", "--export", "queries", "--quiet"]);
    let table = fs::read_to_string(place.path("queries/answers.csv")).unwrap();
    let first = looked_up.fingerprint.queries.pool[0];
    assert!(
        table.starts_with(&format!("query,image,file,label,label_2,label_3\n0,{first},,,,\n")),
        "{table}"
    );
    let (code, _, stderr) =
        place.run(&["enroll", "recorded.toml", "lenet-a", "--method", "fib", "-o", "x.bert"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no fingerprint `fib`"), "{stderr}");
}

#[test]
fn what_can_not_be_enrolled_is_told_in_words() {
    let place = Place::with(SUITE);
    let says = |arguments: &[&str], parts: &[&str]| {
        let all = [&["enroll", "demo.toml"], arguments, &["-o", "one.bert"]].concat();
        let error = place.mistake(&all);
        for part in parts {
            assert!(error.contains(part), "{part}\n{error}");
        }
        assert!(!place.path("one.bert").exists());
    };
    says(&["lenet-c", "--method", "FBI"], &["no vanilla `lenet-c`", "did you mean"]);
    says(&["lenet-a", "--method", "FBY"], &["no fingerprint `FBY`", "did you mean `FBI`"]);
    says(&["lenet-a", "--method", "fbi"], &["2 fingerprints", "`FBI`, `FBI top-3`"]);
    says(&["lenet-a", "--method", "FBI", "--budget", "301"], &["301", "300 images in the pool"]);
    says(&["lenet-a", "--method", "FBI", "--budget", "0"], &["asks 1 at least"]);
    says(&["lenet-a", "--method", "ip-guard", "--budget", "61"], &["60 queries in the bank"]);
    says(&["lenet-a", "--method", "FBI", "--false-positive-rate", "1"], &["above 0 and below 1"]);
    says(&["lenet-a"], &["--method"]);
    let error =
        place.mistake(&["enroll", "demo.toml", "lenet-a", "--method", "FBI", "-o", "no/x.bert"]);
    assert!(error.contains("its folder does not exist"), "{error}");
}

#[test]
fn what_can_not_be_verified_is_told_in_words() {
    let place = enrolled();
    let says = |arguments: &[&str], parts: &[&str]| {
        let error = place.mistake(&[&["verify"], arguments].concat());
        for part in parts {
            assert!(error.contains(part), "{part}\n{error}");
        }
    };
    let write = |name: &str, bytes: &[u8]| fs::write(place.path(name), bytes).unwrap();
    let whole = fs::read(place.path("fbi.bert")).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    write("flipped.bert", &flipped);
    write("cut.bert", &whole[..last]);
    write("other.bert", b"PK\x03\x04");
    let labels = |n: usize| npy::to_bytes(&vec![3; n], 1);
    write("right.npy", &labels(60));
    says(&["flipped.bert", "right.npy"], &["flipped.bert: it is damaged", "digest differs"]);
    says(&["cut.bert", "right.npy"], &["cut.bert: it is damaged"]);
    says(&["other.bert", "right.npy"], &["no enrolled fingerprint"]);
    says(&["no.bert", "right.npy"], &["no.bert: can't be read"]);

    write("few.npy", &labels(59));
    says(&["fbi.bert", "few.npy"], &["59 answers", "60 queries", "300 images"]);
    says(&["ipg.bert", "few.npy"], &["queries of this fingerprint were crafted"]);
    write("beyond.npy", &npy::to_bytes(&[&[10], &[3; 59][..]].concat(), 1));
    says(&["fbi.bert", "beyond.npy"], &["beyond.npy", "label 10 of image 0"]);
    write("text.npy", b"3\n3\n");
    says(&["fbi.bert", "text.npy"], &["text.npy: no .npy file"]);
    done(&place, &["enroll", "demo.toml", "lenet-a", "--method", "FBI top-3", "-o", "top3.bert"]);
    says(&["top3.bert", "right.npy"], &["top-3 labels are wanted, it has top-1"]);
    says(&["fbi.bert", "no.npy"], &["no.npy"]);
    says(&["fbi.bert", "answers.txt"], &["answers.txt: a suspect is"]);

    let table = |rows: &[&str]| write("t.csv", (rows.join("\n") + "\n").as_bytes());
    let rows: Vec<String> = (0..60).map(|query| format!("{query},3")).collect();
    let mut good: Vec<&str> = vec!["query,label"];
    good.extend(rows.iter().map(String::as_str));
    table(&good);
    let all_three = verdict(&place, &["fbi.bert", "right.npy"])["distance"].clone();
    assert_eq!(verdict(&place, &["fbi.bert", "t.csv"])["distance"], all_three);
    table(&good[..60]);
    says(&["fbi.bert", "t.csv"], &["59 of 60 queries are answered; query 59 is not"]);
    table(&[&good[..], &["60,3"]].concat());
    says(&["fbi.bert", "t.csv"], &["line 62: there is no query 60"]);
    table(&[&good[..], &["5,3"]].concat());
    says(&["fbi.bert", "t.csv"], &["line 62: query 5 was answered before"]);
    table(&[&good[..60], &["59,sneaker"]].concat());
    says(&["fbi.bert", "t.csv"], &["line 61: `sneaker` is no label"]);
    table(&[&good[..60], &["59,10"]].concat());
    says(&["fbi.bert", "t.csv"], &["the answer to query 59 is class 10", "10 classes"]);
    table(&["image,class"]);
    says(&["fbi.bert", "t.csv"], &["no column `query`"]);

    write("broken.pt", b"PK\x03\x04");
    says(&["fbi.bert", "broken.pt"], &["broken.pt"]);
    says(&["fbi.bert", "right.npy", "--scale", "2"], &["this suspect is none"]);
    done(&place, &["zoo", "export", "--out", "zoo", "lenet-b"]);
    says(&["fbi.bert", "zoo/lenet-b.pt", "--input", "32"], &["28x28 pixels", "--resize"]);
    says(
        &["fbi.bert", "zoo/lenet-b.pt", "--scale", "1,1"],
        &["2 values of normalisation for 1 channels"],
    );
    says(&["fbi.bert", "--suite", "demo.toml", "--model", "lenet-c"], &["no model `lenet-c`"]);
    says(&["fbi.bert"], &["required"]);
    says(&["fbi.bert", "right.npy", "--export", "queries"], &["cannot be used"]);
}

#[test]
fn other_code_of_a_method_is_refused_unless_forced() {
    let place = enrolled();
    let mut other = Enrolled::read(&place.path("fbi.bert")).unwrap();
    fs::write(place.path("right.npy"), npy::to_bytes(&[3; 60], 1)).unwrap();
    other.card.method.source = "another digest".to_owned();
    other.write(&place.path("other.bert")).unwrap();
    let error = place.mistake(&["verify", "other.bert", "right.npy"]);
    for part in ["the code of `fbi` is not what", "another digest then", "--force"] {
        assert!(error.contains(part), "{part}\n{error}");
    }
    let forced = verdict(&place, &["other.bert", "right.npy", "--force"]);
    let warnings = forced["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("the threshold may not hold"), "{forced}");
    other.card.method.plugin = "my-method".to_owned();
    other.write(&place.path("other.bert")).unwrap();
    let error = place.mistake(&["verify", "other.bert", "right.npy", "--force"]);
    assert!(error.contains("`my-method`, which is not there; load its library with --plugin"));
}

#[test]
fn the_same_enrolment_writes_the_same_bytes() {
    let place = enrolled();
    let other = enrolled();
    for file in ["fbi.bert", "ipg.bert"] {
        assert!(fs::read(place.path(file)).unwrap() == fs::read(other.path(file)).unwrap());
    }
}

/// Blocks of the page with this mark.
fn blocks(mark: &str) -> Vec<&'static str> {
    let text = include_str!("../../../docs/VERIFY.md");
    let blocks = text.split(mark).skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_page_about_it_does_what_it_says() {
    let mut script = blocks("```sh tested\n").concat();
    assert!(script.contains("bertillon enroll") && script.contains("--export"), "{script}");
    let place = Place::new();
    fs::write(place.path("verify.toml"), blocks("```toml tested\n").concat()).unwrap();
    fs::write(place.path("service.py"), blocks("```python tested\n").concat()).unwrap();
    // Beside the program, a python3 that finds the numpy that `make test` fetched.
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python");
    let found = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap().stdout;
    let python = format!(
        "#!/bin/sh\nPYTHONPATH=\"$PYTHONPATH:{}\" exec '{}' \"$@\"\n",
        fetched.display(),
        String::from_utf8(found).unwrap().trim()
    );
    let shim = place.path("bin/python3");
    fs::create_dir(place.path("bin")).unwrap();
    fs::write(&shim, python).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let imports = Command::new(&shim).args(["-c", "import numpy"]).output();
    match imports.is_ok_and(|output| output.status.success()) {
        true => script.push_str(&blocks("```sh tested python\n").concat()),
        false => println!("skipped in part: python3 has no numpy"),
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_bertillon")).parent().unwrap();
    let path = env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = env::join_paths([place.path("bin"), bin.to_owned()].into_iter().chain(path));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(place.path("."))
        .env("PATH", path.unwrap())
        .output()
        .unwrap();
    let (code, stdout, stderr) = place::said(&output);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    for shown in blocks("```text tested\n") {
        assert!(stdout.contains(shown), "{shown}\nis not in\n{stdout}");
    }
    assert!(stdout.contains("rejected, exit code 1"), "{stdout}");
}
