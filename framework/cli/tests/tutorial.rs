//! The tutorial of docs/PLUGINS.md, word for word: every block marked `sh tested` is run, in one shell after the other.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Commands of the blocks with this mark, in their order.
fn commands(text: &str, mark: &str) -> String {
    let opening = format!("```{mark}\n");
    let blocks = text.split(&opening).skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

/// A folder whose `python3` finds the numpy that `make test` fetched, or any that it finds by itself; none, with the
/// reason printed, where there is none.
fn python(folder: &Path) -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python");
    let found = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap().stdout;
    let found = String::from_utf8(found).unwrap();
    let shim = folder.join("python3");
    let text = format!(
        "#!/bin/sh\nPYTHONPATH=\"$PYTHONPATH:{}\" exec '{}' \"$@\"\n",
        fetched.display(),
        found.trim()
    );
    fs::write(&shim, text).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let imports = Command::new(&shim).args(["-c", "import numpy"]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(folder.to_owned());
    }
    println!("skipped: python3 has no numpy");
    None
}

#[test]
fn the_tutorial_does_what_it_says() {
    let text = include_str!("../../../docs/PLUGINS.md");
    let script = commands(text, "sh tested");
    for kind in ["variant", "selector", "method"] {
        assert!(script.contains(&format!("bertillon new {kind}")), "{script}");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_bertillon"));
    let bin = program.parent().unwrap();
    // Always the same folder, so that cargo finds again what it built for the last test.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let path = env::join_paths(
        [bin.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(&folder)
        .env("PATH", path.unwrap())
        // The same compiler and the same folder of builds as this test's own.
        .env("CARGO_TARGET_DIR", bin.parent().unwrap())
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("BERTILLON_PLUGINS")
        .output()
        .unwrap();
    let (said, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    for shown in ["brighten", "by-class", "mislabels"] {
        let results = folder.join(shown).join("results").join(shown).join("results.json");
        let results = fs::read_to_string(results).unwrap();
        assert!(results.contains(&format!("\"{shown}")) || results.contains(shown));
        assert!(results.contains("\"failures\": []"), "{shown}: {results}");
    }
    assert!(said.contains("test result: ok"), "the tests of the new crates ran: {said}");
}

#[test]
fn the_python_tutorial_and_the_examples_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python(folder.path()) else { return };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/command/examples");
    let script = commands(include_str!("../../../docs/PLUGINS.md"), "sh tested python")
        + &format!("cp '{}'/* .\n", examples.display())
        + "bertillon run suite.toml --allow-commands --set data.pool=1000 --set evaluation.draws=2\n";
    let bin = Path::new(env!("CARGO_BIN_EXE_bertillon")).parent().unwrap();
    let path = env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = env::join_paths([python, bin.to_owned()].into_iter().chain(path)).unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for (results, rows) in [
        ("darken/results/darken", ["\"kind\": \"darken\"", "\"parameter\": \"-0.1\""]),
        ("classwise/results/classwise", ["\"FBI, classwise\"", "classwise_selector.py"]),
        ("blunders/results/blunders", ["\"blunders\"", "\"method\": \"command\""]),
        ("results/python", ["\"sharpen\"", "\"surprise\""]),
    ] {
        let results = folder.path().join(results).join("results.json");
        let results = fs::read_to_string(results).unwrap();
        assert!(results.contains("\"failures\": []"), "{results}");
        for row in rows {
            assert!(results.contains(row), "{row} in {results}");
        }
    }
}
