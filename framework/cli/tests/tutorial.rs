//! The tutorial of docs/PLUGINS.md, word for word: every block marked `sh tested` is run, in one shell after the other.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{env, fs, path::Path, process::Command};

/// Commands of the blocks marked for it, in their order.
fn commands(text: &str) -> String {
    let blocks = text.split("```sh tested\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_tutorial_does_what_it_says() {
    let text = include_str!("../../../docs/PLUGINS.md");
    let script = commands(text);
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
