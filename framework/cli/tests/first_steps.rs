//! What a newcomer does first: init, schema, doctor, completions, a run that tells how it gets on.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use place::{Place, SUITE, is_unsafe, said};
use serde_json::Value;

#[test]
fn a_suite_on_the_zoo_runs_as_it_was_written() {
    let place = Place::new();
    let (code, stdout, stderr) = place.run(&["init", "my suite.toml"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("my suite.toml") && stdout.contains("--dry-run"), "{stdout}");
    let (code, stdout, stderr) = place.run(&["run", "my suite.toml", "--dry-run"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("Plan of my-suite"), "{stdout}");
    let schema = fs::read_to_string(place.path(".bertillon/suite.schema.json")).unwrap();
    let (_, printed, _) = place.run(&["schema"]);
    assert_eq!(schema, printed);
}

#[test]
fn a_suite_on_recorded_answers_runs_as_it_was_written() {
    let place = Place::with(SUITE);
    let (code, _, stderr) =
        place.run(&["record", "demo.toml", "--set", "data.pool=1000", "--out", "answers"]);
    assert_eq!(code, 0, "{stderr}");
    fs::create_dir(place.path("suites")).unwrap();
    for file in ["recorded.toml", "suites/recorded.toml"] {
        let (code, _, stderr) = place.run(&["init", file, "--recorded", "answers"]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        let (code, stdout, stderr) = place.run(&["run", file, "--dry-run"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.contains("2 vanillas, 1 variations"), "{stdout}");
    }
    let (code, _, stderr) = place.run(&["init", "x.toml", "--recorded", "nowhere"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("nowhere: is no folder") && !place.path("x.toml").exists(), "{stderr}");
}

#[test]
fn answers_named_as_the_papers_authors_do_need_no_manifest() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fbi-predictions");
    let Ok(files) = fs::read_dir(&shared) else {
        println!("skipped: no {}", shared.display());
        return;
    };
    let place = Place::new();
    fs::create_dir(place.path("answers")).unwrap();
    let wanted = |name: &str| {
        name == "ground_truth.npy"
            || name.contains("coat_lite_small")
            || name.contains("convit_small")
    };
    for file in files.map(|file| file.unwrap()) {
        if wanted(&file.file_name().to_string_lossy()) {
            fs::copy(file.path(), place.path("answers").join(file.file_name())).unwrap();
        }
    }
    assert_eq!(place.run(&["init", "--recorded", "answers"]).0, 0);
    let (code, stdout, stderr) = place.run(&["run", "suite.toml", "--dry-run"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[test]
fn init_never_overwrites_unasked() {
    let place = Place::with("mine");
    let (code, stdout, stderr) = place.run(&["init", "demo.toml"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("demo.toml is there already") && stderr.contains("--force"),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(place.path("demo.toml")).unwrap(), "mine");
    assert_eq!(place.run(&["init", "demo.toml", "--force"]).0, 0);
    assert!(fs::read_to_string(place.path("demo.toml")).unwrap().contains("name = \"demo\""));
    let (code, _, stderr) = place.run(&["init", "no/such/folder.toml"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no/such/folder.toml can't be written"), "{stderr}");
}

/// What doctor finds, by check.
fn findings(output: &std::process::Output) -> (i32, Vec<Value>) {
    let (code, stdout, stderr) = said(output);
    let findings: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    (code, findings.as_array().unwrap().clone())
}

#[track_caller]
fn found<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let found = findings.iter().find(|f| f["check"].as_str().unwrap().contains(check));
    found.unwrap_or_else(|| panic!("{check} in {findings:#?}"))
}

#[test]
fn doctor_names_what_is_broken_and_what_to_do() {
    let place = Place::with("no library");
    let (code, findings_) = findings(&place.command(&["doctor", "--json"]).output().unwrap());
    assert_eq!(code, 0, "{findings_:#?}");
    for check in
        ["libtorch", "CUDA", "threads", "fashion-mnist", "zoo", "results", "cache", "terminal"]
    {
        assert_ne!(found(&findings_, check)["state"], "failed");
    }
    let broken = place
        .command(&["doctor", "--json", "--cache", "demo.toml/cache"])
        .env("BERTILLON_PLUGINS", "gone.so:demo.toml")
        .env("PATH", "")
        .output()
        .unwrap();
    let (code, findings) = findings(&broken);
    assert_eq!(code, 2);
    for (check, state, remedy) in [
        ("cache", "failed", "--cache DIR"),
        ("plugins in gone.so", "failed", "BERTILLON_PLUGINS"),
        ("plugins in demo.toml", "failed", "BERTILLON_PLUGINS"),
        ("rustc", "note", "rustup toolchain install"),
        ("python3", "note", "python3 --version"),
    ] {
        let finding = found(&findings, check);
        assert_eq!(finding["state"], state, "{finding}");
        assert!(finding["remedy"].as_str().unwrap().contains(remedy), "{finding}");
    }
    for finding in findings {
        assert_eq!(finding["state"] != "ok", finding.get("remedy").is_some(), "{finding}");
    }
}

#[test]
fn doctor_notices_a_libtorch_of_another_version() {
    let place = Place::new();
    let (_, all) = findings(&place.command(&["doctor", "--json"]).output().unwrap());
    let said = found(&all, "libtorch")["found"].as_str().unwrap().to_owned();
    let Some(library) = said.split_once(", from ").map(|(_, path)| Path::new(path).to_owned())
    else {
        println!("skipped: where libtorch is can't be told here");
        return;
    };
    // The same libraries under another version. Beside the build, so that links to them can be made.
    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (torch, lib) = (other.path().join("torch"), other.path().join("torch/lib"));
    fs::create_dir_all(&lib).unwrap();
    // Libraries that it finds beside itself.
    let beside = library.ancestors().nth(3).unwrap().join("nvidia");
    if beside.is_dir() {
        std::os::unix::fs::symlink(beside, other.path().join("nvidia")).unwrap();
    }
    for file in fs::read_dir(library.parent().unwrap()).unwrap().map(|file| file.unwrap()) {
        if let Err(error) = fs::hard_link(file.path(), lib.join(file.file_name())) {
            println!("skipped: libtorch can't be linked here ({error})");
            return;
        }
    }
    fs::write(torch.join("build-version"), "2.7.1\n").unwrap();
    let mut command = place.command(&["doctor", "--json"]);
    let output = command.env("LD_LIBRARY_PATH", lib).output().unwrap();
    let (code, findings) = findings(&output);
    let finding = found(&findings, "libtorch");
    assert_eq!((code, finding["state"].as_str()), (2, Some("failed")), "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("2.7.1"), "{finding}");
    assert!(finding["remedy"].as_str().unwrap().contains("LD_LIBRARY_PATH"), "{finding}");
}

/// Runs a shell's own check of a script; none where the shell is not installed.
fn shell(shell: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(shell).args(arguments).stdin(Stdio::null()).output();
    let Ok(output) = output else {
        println!("skipped: {shell} is not installed");
        return None;
    };
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn shells_take_their_completions_and_bash_completes_plugins() {
    let place = Place::new();
    for shell_name in ["bash", "zsh", "fish", "powershell"] {
        let (code, script, stderr) = place.run(&["completions", shell_name]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell_name}");
        for word in ["init", "schema", "doctor", "dry-run", "enroll", "verify", "exit-code"] {
            assert!(script.contains(word), "{shell_name}: {word}");
        }
        fs::write(place.path(shell_name), script).unwrap();
    }
    let script = |name: &str| place.path(name).display().to_string();
    shell("zsh", &["-n", &script("zsh")]);
    shell("fish", &["-n", &script("fish")]);
    let complete = |words: &str, count: usize| {
        let command = format!(
            "source '{}'; COMP_WORDS=(bertillon {words}); COMP_CWORD={count}; _bertillon bertillon \
             \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script("bash")
        );
        shell("bash", &["-c", &command])
    };
    let Some(plugins) = complete("describe ran", 2) else { return };
    assert_eq!(plugins.trim(), "random randomized-smoothing");
    assert_eq!(complete("sch", 1).unwrap().trim(), "schema");
    assert_eq!(complete("list var", 2).unwrap().trim(), "variants");
}

#[test]
fn progress_in_a_log_is_plain_lines_and_quiet_is_quiet() {
    let place = Place::with(SUITE);
    let (code, stdout, stderr) = place.run(&["run", "demo.toml", "--quiet"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("FBI"), "results are no noise: {stdout}");
    fs::remove_dir_all(place.path(".bertillon")).unwrap();
    let (code, again, stderr) = place.run(&["run", "demo.toml"]);
    assert_eq!((code, &again), (0, &stdout));
    for line in [
        "vanillas answer the pool: 2 in ",
        "models are derived and answer: 4 in ",
        "distances: 2 in ",
    ] {
        assert!(stderr.contains(line), "{line} in\n{stderr}");
    }
    assert!(!is_unsafe(&stderr), "{stderr:?}");
    let (_, _, stderr) = place.run(&["run", "demo.toml"]);
    assert!(stderr.contains("vanillas answer the pool: 2, all in the cache"), "{stderr}");
    assert!(stderr.contains("models are derived and answer: 4, all in the cache"), "{stderr}");
    let (code, stdout, stderr) = place.run(&["record", "demo.toml", "--quiet", "--out", "answers"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let (code, _, stderr) = place.run(&["record", "demo.toml", "--quiet", "--out", "answers"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("answers is not empty"), "an error is told: {stderr}");
}
