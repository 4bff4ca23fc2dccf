//! The command line as a user meets it: messages, exit codes, documentation of every plugin.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::{fs, process::Stdio};

use bertillon::{Entry, registry};
use bertillon_command as _;
use bertillon_datasets as _;
use bertillon_methods as _;
use bertillon_selectors as _;
use bertillon_variants as _;
use place::Place;

const SUITE: &str = r#"name = "demo"

[data]
source = "fashion-mnist"
pool = 200

[models]
source = "zoo"

[[variants]]
plugin = "prune"
grid = { layers = ["conv"], amount = [0.1] }

[[fingerprints]]
name = "FBI"
method = "fbi"
selector = { plugin = "random" }

[evaluation]
budgets = [20]
draws = 1
"#;

const RESULTS: &str = r#"{
  "schema": 1, "suite": "demo", "seed": 7,
  "evaluation": { "task": "detection", "protocol": "pooled", "negatives": "all", "false_positive_rate": 0.05,
    "max_accuracy_drop": 0.15, "primary_budget": 20, "draws": 1, "pool": 200 },
  "population": { "vanillas": 2, "variants": 2, "kept": 4, "positives": 4, "negatives": 4, "models": [] },
  "fingerprints": [ { "name": "FBI", "method": "fbi", "parameters": "", "access": "top1", "knowledge": ["labels"],
    "positives": 4, "negatives": 4, "failed": 0, "enrolment": { "forwards": 0.0, "gradients": 0.0, "notes": [] },
    "budgets": [ { "budget": 20, "draws": 1, "ddof": 1,
      "tpr": { "mean": 0.5, "sd": null, "ci95": null },
      "tpr_randomised": { "mean": 0.625, "sd": null, "ci95": null },
      "tpr_without_vanillas": { "mean": 0.25, "sd": null, "ci95": null },
      "fpr": { "target": 0.05, "mean": 0.0 }, "by_draw": [], "threshold": { "mean": null }, "auc": null, "roc": [],
      "variations": [], "overlap": null } ] } ],
  "failures": [], "warnings": []
}
"#;

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

fn entries() -> &'static [&'static Entry] {
    registry::entries().unwrap()
}

#[test]
fn a_suite_that_is_not_there_is_named() {
    let stderr = Place::with(SUITE).mistake(&["run", "other.toml"]);
    assert_says(&stderr, &["other.toml", "No such file"]);
}

#[test]
fn all_unknown_keys_are_marked_at_once_with_the_nearest_name() {
    let suite = SUITE.replace("budgets", "budgts").replace("draws", "drawz");
    let stderr = Place::with(&suite).mistake(&["run", "demo.toml"]);
    assert_says(&stderr, &["demo.toml:20:1", "budgts = [20]", "did you mean `budgets`?"]);
    assert_says(&stderr, &["demo.toml:21:1", "drawz = 1", "did you mean `draws`?", "2 mistakes"]);
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    let stderr = Place::with(SUITE.replace("[data]", "[data")).mistake(&["run", "demo.toml"]);
    assert_says(&stderr, &["demo.toml:3:", "[data"]);
}

#[test]
fn unknown_plugins_are_marked_with_the_nearest_name() {
    let suite = SUITE.replace("\"fbi\"", "\"fib\"").replace("\"prune\"", "\"prunne\"");
    let stderr = Place::with(&suite).mistake(&["run", "demo.toml", "--dry-run"]);
    assert_says(&stderr, &["demo.toml:11:", "`prune`", "demo.toml:16:", "`fbi`"]);
}

#[test]
fn unknown_parameters_are_marked_with_the_nearest_name() {
    let suite = SUITE.replace("amount", "amuont");
    let stderr = Place::with(&suite).mistake(&["run", "demo.toml", "--dry-run"]);
    assert_says(&stderr, &["demo.toml:12:", "amuont", "`amount`"]);
}

#[test]
fn overrides_are_checked_like_the_suite() {
    let folder = Place::with(SUITE);
    let stderr = folder.mistake(&["run", "demo.toml", "--set", "evaluation.drawz=2"]);
    assert_says(&stderr, &["drawz", "did you mean `draws`?"]);
    assert_says(&folder.mistake(&["run", "demo.toml", "--set", "nonsense"]), &["nonsense"]);
    let stderr = folder.mistake(&["run", "demo.toml", "--set", "evaluation.draws=many"]);
    assert_says(&stderr, &["draws", "many"]);
}

#[test]
fn flags_are_checked_before_anything_is_read() {
    let folder = Place::with(SUITE);
    let cases: [(&[&str], &str); 7] = [
        (&["run", "demo.toml", "--frobnicate"], "--frobnicate"),
        (&["run", "demo.toml", "--threads", "0"], "--threads"),
        (&["run", "demo.toml", "--device", "gpu"], "auto, cpu or cuda:N"),
        (&["run", "demo.toml", "--seed", "-1"], "-1"),
        (&["run"], "SUITE"),
        (&["report", "demo", "--format", "pdf"], "terminal, markdown"),
        (&["repport"], "'report'"),
    ];
    for (arguments, part) in cases {
        assert_says(&folder.mistake(arguments), &[part]);
    }
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let stderr = Place::with(SUITE).mistake(&["run", "demo.toml", "--device", "cuda:99"]);
    assert!(stderr.contains("CUDA"), "{stderr}");
}

#[test]
fn a_wrong_log_filter_is_a_users_mistake() {
    let folder = Place::with(SUITE);
    let output = folder.command(&["list"]).env("BERTILLON_LOG", "bertillon=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_says(&String::from_utf8_lossy(&output.stderr), &["BERTILLON_LOG"]);
}

#[test]
fn help_and_version_are_no_mistakes() {
    let folder = Place::with(SUITE);
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let (code, stdout, stderr) = folder.run(arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains("bertillon"), "{stdout}");
    }
}

#[test]
fn every_plugin_is_listed_under_its_kind() {
    let folder = Place::with(SUITE);
    let (code, all, _) = folder.run(&["list"]);
    assert_eq!(code, 0);
    let names = |text: &str| {
        let rows = text.lines().filter(|line| line.starts_with("  "));
        let names = rows.filter_map(|row| row.split_whitespace().next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut listed = names(&all);
    let mut registered: Vec<String> = entries().iter().map(|entry| entry.name.to_owned()).collect();
    listed.sort();
    registered.sort();
    assert_eq!(listed, registered);
    assert!(!registered.is_empty());
    for kind in ["variants", "selectors", "methods", "models", "images"] {
        let (code, some, _) = folder.run(&["list", kind]);
        assert_eq!(code, 0, "{kind}");
        assert!(!names(&some).is_empty(), "no {kind}");
        assert_says(&all, &[some.trim_end()]);
    }
}

#[test]
fn every_plugin_is_described_with_its_documentation_and_parameters() {
    let folder = Place::with(SUITE);
    for entry in entries() {
        let (code, text, stderr) = folder.run(&["describe", entry.name]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{}", entry.name);
        let first = entry.documentation().lines().next().unwrap_or_default();
        assert!(!first.is_empty(), "{} has no documentation", entry.name);
        assert_says(&text, &[&format!("{} ({})", entry.name, entry.kind()), first, entry.module]);
        let schema = serde_json::to_value(entry.schema()).unwrap();
        for parameter in schema["properties"].as_object().into_iter().flatten() {
            assert_says(&text, &[&format!("  {}: ", parameter.0)]);
            assert!(parameter.1.get("description").is_some(), "{}: {}", entry.name, parameter.0);
        }
    }
}

#[test]
fn a_misspelt_plugin_is_guessed() {
    let stderr = Place::with(SUITE).mistake(&["describe", "ipguard"]);
    assert_says(&stderr, &["no plugin is called `ipguard`", "did you mean `ip-guard`?"]);
}

#[test]
fn suites_of_this_folder_are_listed_with_or_without_mistakes() {
    let folder = Place::with(SUITE);
    let stderr = folder.mistake(&["list", "suites"]);
    assert_says(&stderr, &["benchmarks/suites"]);
    let suites = folder.path("benchmarks/suites");
    fs::create_dir_all(&suites).unwrap();
    fs::write(suites.join("demo.toml"), SUITE).unwrap();
    fs::write(suites.join("wrong.toml"), "name = 3").unwrap();
    let (code, stdout, _) = folder.run(&["list", "suites"]);
    assert_eq!(code, 0);
    assert_says(&stdout, &["demo.toml  demo: 1 fingerprints, budgets 20", "wrong.toml", "mistake"]);
}

#[test]
fn completions_know_the_commands() {
    let (code, stdout, _) = Place::with(SUITE).run(&["completions", "bash"]);
    assert_eq!(code, 0);
    assert_says(&stdout, &["complete -F _bertillon", "--dry-run", "doctor"]);
}

#[test]
fn a_report_of_nothing_says_what_to_do() {
    let folder = Place::with(SUITE);
    assert_says(
        &folder.mistake(&["report", "nowhere"]),
        &["nowhere/results.json", "bertillon run"],
    );
    let half = &RESULTS[..RESULTS.len() / 2];
    fs::create_dir(folder.path("half")).unwrap();
    fs::write(folder.path("half/results.json"), half).unwrap();
    let stderr = folder.mistake(&["report", "half"]);
    assert_says(&stderr, &["half/results.json is cut off", "run the suite again"]);
}

#[test]
fn a_report_comes_in_every_format_and_into_a_file() {
    let folder = Place::with(SUITE);
    fs::create_dir(folder.path("run")).unwrap();
    fs::write(folder.path("run/results.json"), RESULTS).unwrap();
    let (code, terminal, stderr) = folder.run(&["report", "run"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_says(&terminal, &["Results of demo", "62.5"]);
    assert!(!terminal.contains('\u{1b}'), "colours in a pipe: {terminal}");
    let (_, markdown, _) = folder.run(&["report", "run", "--format", "markdown"]);
    assert_says(&markdown, &["# Results of demo", "| FBI | labels | 0 | 0 | 62.5 |"]);
    let (_, html, _) = folder.run(&["report", "run", "--format", "html"]);
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    let (_, svg, _) = folder.run(&["report", "run", "--figure", "budget"]);
    assert!(svg.starts_with("<svg "), "{svg}");
    let stderr = folder.mistake(&["report", "run", "--figure", "tsne"]);
    assert_says(&stderr, &["no data for the figure `tsne`", "[figures]", "budget"]);
    let (_, json, _) = folder.run(&["report", "run", "--format", "json"]);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&json), value(RESULTS));
    let (code, stdout, _) = folder.run(&["report", "run", "--format", "markdown", "-o", "out.md"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(folder.path("out.md")).unwrap(), markdown);
    let (code, _, stderr) = folder.run(&["report", "run", "-o", "no/such/folder.txt"]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["no/such/folder.txt"]);
}

#[test]
fn a_report_into_a_pipe_has_colours_only_when_they_are_forced() {
    let folder = Place::with(SUITE);
    fs::create_dir(folder.path("run")).unwrap();
    fs::write(folder.path("run/results.json"), RESULTS).unwrap();
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "0")], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let mut command = folder.command(&["report", "run"]);
        command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.stdout.contains(&0x1b), coloured, "{variables:?}");
    }
}

#[test]
fn doctor_looks_at_libtorch_models_and_folders() {
    let folder = Place::with(SUITE);
    let (code, stdout, stderr) = folder.run(&["doctor"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert_says(&stdout, &["libtorch", "CUDA", "threads", "models load", "results", "cache"]);
    assert!(!stdout.lines().any(|line| line.starts_with("NO ")), "{stdout}");
    fs::write(folder.path("file"), "").unwrap();
    let (code, stdout, _) = folder.run(&["doctor", "--cache", "file/cache"]);
    assert_eq!(code, 2, "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("NO  cache")), "{stdout}");
}

#[test]
fn the_zoo_is_listed_with_its_accuracy() {
    let (code, stdout, stderr) = Place::with(SUITE).run(&["zoo", "list"]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["Name", "Accuracy", " %"]);
    assert!(stdout.lines().count() >= 15, "{stdout}");
}

#[test]
fn training_without_data_is_a_users_mistake() {
    let folder = Place::with(SUITE);
    let stderr = folder.mistake(&["zoo", "train", "--data", "nowhere", "--out", "new"]);
    assert_says(&stderr, &["nowhere"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Place::with(SUITE);
    let mut command = folder.command(&["list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
