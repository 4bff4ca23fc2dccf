//! Libraries of plugins from the command line: where they come from, what they may do, what becomes of a bad one.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const SUITE: &str = r#"name = "small"

[data]
source = "fashion-mnist"
pool = 200

[models]
source = "zoo"
names = ["lenet-a", "lenet-b", "mlp-a"]

[[variants]]
plugin = "posterize"
bits = 6

[[variants]]
plugin = "panicking"
at = "nowhere"

[[fingerprints]]
name = "FBI"
method = "fbi"
selector = "random"

[evaluation]
budgets = [50]
draws = 2
"#;

/// The library of misbehaving plugins, which cargo builds beside this test.
fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libbertillon_panicking.so")
}

/// A folder with a suite.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(suite: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path().join("suite.toml"), suite).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertillon"));
        command.args(arguments).current_dir(self.path());
        command.env("NO_COLOR", "1").env_remove("BERTILLON_PLUGINS");
        command
    }

    fn output(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        said(&self.command(arguments).output().unwrap())
    }

    fn results(&self) -> Value {
        let text = fs::read_to_string(self.path().join("results/small/results.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn list_and_describe_tell_where_a_plugin_comes_from() {
    let folder = Folder::with(SUITE);
    let library = library();
    let file = library.to_str().unwrap();
    let (code, listed, _) = folder.output(&["list", "variants", "--plugin", file]);
    assert_eq!(code, Some(0));
    let line = listed.lines().find(|line| line.contains("panicking")).unwrap();
    assert!(line.contains("[library ") && line.contains("libbertillon_panicking.so]"), "{line}");
    assert!(!listed.lines().find(|line| line.contains("jpeg")).unwrap().contains('['));

    let listed = folder.command(&["list"]).env("BERTILLON_PLUGINS", file).output().unwrap();
    assert!(said(&listed).1.contains("panicking"), "the environment names libraries too");

    let (code, described, _) = folder.output(&["describe", "panicking", "--plugin", file]);
    assert_eq!(code, Some(0));
    assert!(described.contains("From: library ") && described.contains("(bertillon-panicking 0."));
    assert!(described.contains("at: text, default \"nowhere\""), "{described}");
}

#[test]
fn a_library_that_can_not_be_used_is_a_user_s_mistake() {
    let folder = Folder::with(SUITE);
    for (content, expected) in [
        (None, "No such file"),
        (Some("#!/bin/sh"), "no shared library"),
        (Some("\x7fELF"), "cut short"),
    ] {
        if let Some(content) = content {
            fs::write(folder.path().join("bad.so"), content).unwrap();
        }
        let (code, _, error) = folder.output(&["list", "--plugin", "bad.so"]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.starts_with("error: bad.so: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_suite_that_names_a_library_needs_the_user_s_word() {
    let folder = Folder::with(&format!("plugins = [{:?}]\n{SUITE}", library()));
    let (code, _, error) = folder.output(&["run", "suite.toml", "--quiet"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("a suite that runs code of its own"), "{error}");
    assert!(error.contains("--allow-plugins") && !error.contains("unknown"), "{error}");
    let (code, _, error) = folder.output(&["run", "suite.toml", "--quiet", "--allow-plugins"]);
    assert_eq!(code, Some(0), "{error}");
    let provenance = fs::read_to_string(folder.path().join("results/small/provenance.json"));
    let provenance: Value = serde_json::from_str(&provenance.unwrap()).unwrap();
    let digest = blake3_of(&library());
    assert_eq!(provenance["libraries"][0][2].as_str(), Some(digest.as_str()));
}

fn blake3_of(path: &Path) -> String {
    blake3::hash(&fs::read(path).unwrap()).to_hex().to_string()
}

#[test]
fn a_library_built_anew_is_not_served_what_the_old_one_computed() {
    let folder = Folder::with(SUITE);
    let file = folder.path().join("plugin.so");
    fs::copy(library(), &file).unwrap();
    let run = || {
        let (code, _, error) = folder.output(&["run", "suite.toml", "--plugin", "plugin.so"]);
        assert_eq!(code, Some(0), "{error}");
        error
    };
    assert!(
        run().contains("(1800 answers computed)"),
        "3 vanillas with 2 variants each, 200 images"
    );
    assert!(run().contains("(no answer had to be computed)"));
    // A byte after all that the linker reads: the same code in another file.
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    assert!(run().contains("(600 answers computed)"), "the plugin's variants of 3 vanillas");

    // A chain that uses it is derived anew too.
    let chain =
        "[[variants]]\nplugin = \"chain\"\nsteps = [{ plugin = \"panicking\", at = \"x\" }]\n";
    let suite = SUITE.replace("[[fingerprints]]", &format!("{chain}[[fingerprints]]"));
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    assert!(run().contains("(600 answers computed)"), "the chain's");
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    assert!(run().contains("(1200 answers computed)"), "the plugin's and the chain's");
}

#[test]
fn plugins_that_panic_or_never_end_fail_their_own_cells_with_exit_code_3() {
    let bad = |at: &str| format!("[[variants]]\nplugin = \"panicking\"\nat = \"{at}\"\n");
    let variants = ["derive", "logits", "forever"].map(bad).concat();
    let folder =
        Folder::with(&SUITE.replace("[[fingerprints]]", &format!("{variants}[[fingerprints]]")));
    let library = library();
    let arguments = ["run", "suite.toml", "--quiet", "--cell-timeout", "10", "--plugin"];
    let (code, shown, error) =
        folder.output(&[&arguments[..], &[library.to_str().unwrap()]].concat());
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("9 cells failed"), "{error}");
    assert!(shown.contains("told to panic in derive"), "{shown}");
    let results = folder.results();
    let failures = results["failures"].as_array().unwrap();
    assert!(failures.iter().all(|failure| failure["plugin"] == "panicking"), "{failures:?}");
    let late = |failure: &&Value| {
        failure["reason"] == "took longer than 10 s (--cell-timeout) and was abandoned"
    };
    assert_eq!(failures.iter().filter(late).count(), 3);
    assert_eq!(
        results["population"]["kept"], 9,
        "vanillas, posterized, and the plugin that behaved"
    );
}

#[test]
fn new_refuses_a_folder_with_something_in_it_and_impossible_names() {
    let folder = Folder::with(SUITE);
    let (code, _, error) = folder.output(&["new", "variant", "mine", "--path", "."]);
    assert_eq!(code, Some(2));
    assert!(error.contains(". is not empty"), "{error}");
    for name in ["My-Attack", "1st", "a_b", "a--b", "", "tch", "bertillon"] {
        let (code, _, error) = folder.output(&["new", "method", name, "--path", "x"]);
        assert_eq!(code, Some(2), "{name}");
        assert!(error.contains("can't name a plugin"), "{error}");
    }
    assert!(!folder.path().join("x").exists());
    let (code, _, error) = folder.output(&["new", "method", "mine", "--bertillon", "."]);
    assert_eq!(code, Some(2));
    assert!(error.contains("no checkout of bertillon"), "{error}");
}

/// The suite with a program in the place of the library.
fn with_program(folder: &str, script: &str) -> Folder {
    let plugin = "plugin = \"command\"\nscript = \"attack.sh\"\ninterpreter = [\"sh\"]";
    let folder = Folder::with(
        &SUITE.replace("plugin = \"panicking\"\nat = \"nowhere\"", plugin).replace("small", folder),
    );
    fs::write(folder.path().join("attack.sh"), script).unwrap();
    folder
}

#[test]
fn a_program_starts_only_if_the_user_says_so_and_what_it_breaks_is_its_own_cells() {
    // It describes itself, touches a file, and ends instead of transforming anything.
    let script = r#"
cd "$(dirname "$0")" && touch started
while read -r request; do
    id=$(expr "$request" : '.*"id":\([0-9]*\)')
    case $request in
        *'"call":"describe"'*)
            echo "{\"id\":$id,\"ok\":{\"role\":\"variant\",\"kind\":\"crash\",\"group\":\"input\",\"acts_on\":\"images\"}}" ;;
        *) echo 'core melted' >&2; exit 7 ;;
    esac
done"#;
    let folder = with_program("small", script);
    for arguments in [&["run", "suite.toml"][..], &["run", "suite.toml", "--dry-run"]] {
        let (code, _, errors) = folder.output(arguments);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("--allow-") && errors.contains("suite.toml:16:10"), "{errors}");
    }
    assert!(!folder.path().join("started").exists());
    let (code, table, errors) = folder.output(&["run", "suite.toml", "--allow-commands"]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(table.contains("posterize"), "{table}");
    let failures = folder.results()["failures"].as_array().unwrap().clone();
    assert_eq!(failures.len(), 3, "each vanilla's variant: {failures:?}");
    for failure in failures {
        let reason = failure["reason"].as_str().unwrap();
        assert!(reason.starts_with("`attack.sh`: it ended with exit code 7"), "{reason}");
        assert!(reason.ends_with("on standard error: core melted"), "{reason}");
    }
}

#[test]
fn a_program_that_was_edited_computes_anew() {
    let script = |value: u8| {
        format!(
            r#"
while read -r request; do
    id=$(expr "$request" : '.*"id":\([0-9]*\)')
    case $request in
        *'"call":"describe"'*)
            echo "{{\"id\":$id,\"ok\":{{\"role\":\"variant\",\"kind\":\"fill\",\"group\":\"input\",\"acts_on\":\"images\"}}}}" ;;
        *)
            input=$(expr "$request" : '.*"images":"\([^"]*\)"')
            output=$(expr "$request" : '.*"output":"\([^"]*\)"')
            {{ head -c 128 "$input"; tail -c +129 "$input" | tr '\000-\377' '\{value:03o}'; }} > "$output"
            echo "{{\"id\":$id,\"ok\":{{}}}}" ;;
    esac
done"#
        )
    };
    let folder = with_program("small", &script(0));
    let models = |folder: &Folder| {
        let (code, _, errors) = folder.output(&["run", "suite.toml", "--allow-commands"]);
        assert_eq!(code, Some(0), "{errors}");
        let models = folder.results()["population"]["models"].as_array().unwrap().clone();
        let fill: Vec<Value> = models.into_iter().filter(|model| model["kind"] == "fill").collect();
        (fill, errors)
    };
    let (black, errors) = models(&folder);
    assert_eq!(black.len(), 3);
    assert!(!errors.contains("no answer had to be computed"), "{errors}");
    let (again, errors) = models(&folder);
    assert_eq!(again, black);
    assert!(errors.contains("no answer had to be computed"), "{errors}");
    fs::write(folder.path().join("attack.sh"), script(255)).unwrap();
    let (white, errors) = models(&folder);
    assert_ne!(white, black, "another image, another accuracy");
    assert!(!errors.contains("no answer had to be computed"), "{errors}");
}
