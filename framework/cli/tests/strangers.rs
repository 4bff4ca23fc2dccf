//! What a suite from a stranger, and what lies beside it, can't do without a flag that names it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use bertillon_measure::npy;
use place::{Place, SUITE, is_unsafe};

/// What no message may repeat.
const SECRET: &str = "password-of-mine-that-nobody-else-should-ever-see";

/// A place with the suite and a program that leaves a mark when it is started.
fn with_program(suite: &str) -> Place {
    let place = Place::with(suite);
    let program = place.path("attack.sh");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\n", place.path("mark").display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    place
}

#[test]
fn no_program_starts_wherever_a_suite_names_it() {
    let program = r#"plugin = "command", script = "attack.sh""#;
    let variant = "[[variants]]\nplugin = \"command\"\nscript = \"attack.sh\"\n";
    let chained = format!("[[variants]]\nplugin = \"chain\"\nsteps = [{{ {program} }}]\n");
    let method = "[[fingerprints]]\nname = \"x\"\nmethod = \"command\"\nscript = \"attack.sh\"\n";
    let rehearsed = format!("[evaluation]\nrehearsals = [{{ {program} }}]\n");
    for suite in [
        SUITE.replace("[[fingerprints]]", &format!("{variant}[[fingerprints]]")),
        SUITE.replace("[[fingerprints]]", &format!("{chained}[[fingerprints]]")),
        SUITE.replace("[[fingerprints]]", &format!("{method}[[fingerprints]]")),
        SUITE.replace(r#"plugin = "random""#, program),
        SUITE.replace("[evaluation]\n", &rehearsed),
    ] {
        let place = with_program(&suite);
        let stderr = place.mistake(&["run", "demo.toml", "--dry-run"]);
        assert!(stderr.contains("it starts a program of its own"), "{suite}\n{stderr}");
        assert!(!place.path("mark").exists(), "{suite}");
    }
    // Where the user allows it, the first of them starts it.
    let suite = SUITE.replace("[[fingerprints]]", &format!("{variant}[[fingerprints]]"));
    let place = with_program(&suite);
    place.mistake(&["run", "demo.toml", "--dry-run", "--allow-commands"]);
    assert!(place.path("mark").exists());
}

#[test]
fn no_library_is_opened_that_only_a_suite_names() {
    let place = Place::with(format!("plugins = [\"attack.so\", \"/absent.so\"]\n{SUITE}"));
    fs::write(place.path("attack.so"), "no library").unwrap();
    let stderr = place.mistake(&["run", "demo.toml", "--dry-run"]);
    assert_eq!(stderr.matches("a library is loaded only if you say so").count(), 2, "{stderr}");
    // It was not even looked at.
    assert!(!stderr.contains("no shared library"), "{stderr}");
}

#[test]
fn nothing_is_written_where_links_lead_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let leads = |link: &str, flag: &str| {
        let place = Place::with(SUITE);
        let link = place.path(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();
        let (code, _, stderr) = place.run(&["run", "demo.toml", "--dry-run"]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("leads out of this folder"), "{stderr}");
        assert!(stderr.contains(&format!("say `{flag} ")), "{stderr}");
        place
    };
    leads("results", "--out");
    leads("results/demo", "--out");
    leads(".bertillon", "--cache");
    leads(".bertillon/cache", "--cache");
    leads(".bertillon/cache/images", "--cache");
    let place = leads(".bertillon/cache/ab", "--cache");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // Whoever names the folder means it.
    let arguments = ["run", "demo.toml", "--dry-run", "--cache", ".bertillon/cache"];
    let (code, _, stderr) = place.run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    // Links within the folder lead nowhere else.
    let place = Place::with(SUITE);
    fs::create_dir(place.path("large")).unwrap();
    symlink("large", place.path("results")).unwrap();
    assert_eq!(place.run(&["run", "demo.toml", "--dry-run"]).0, 0);
}

/// The suite with other data and models.
fn with_sources(data: &str, models: &str) -> String {
    let (head, rest) = SUITE.split_once("[data]").unwrap();
    let (_, rest) = rest.split_once("[[variants]]").unwrap();
    format!("{head}[data]\n{data}\n[models]\n{models}\n[[variants]]{rest}")
}

#[test]
fn devices_and_pipes_are_not_waited_for() {
    let zoo = "source = \"zoo\"";
    let mnist = "source = \"fashion-mnist\"";
    let network = "[[model]]\nname = \"a\"\ninput = [1, 28, 28]\nclasses = 10\nfile = ";
    let endless = |file: &str| format!("{network}\"{file}\"\n");
    let torchscript =
        |rest: &str| with_sources(mnist, &format!("source = \"torchscript\"\n{rest}"));
    let cases = [
        torchscript("manifest = \"/dev/zero\""),
        torchscript("manifest = \"pipe\""),
        torchscript("manifest = \"zero.toml\"\npath = \"/dev\""),
        torchscript("manifest = \"pipe.toml\""),
        with_sources("source = \"image-folder\"\npath = \".\"\nlabels = \"pipe\"", zoo),
        with_sources(
            "source = \"recorded\"\npath = \".\"\nmanifest = \"pipes.toml\"",
            "source = \"recorded\"",
        ),
        format!("published = \"/dev/zero\"\n{SUITE}"),
        format!("published = \"pipe\"\n{SUITE}"),
    ];
    for suite in cases {
        let place = Place::with(&suite);
        assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
        fs::write(place.path("zero.toml"), endless("zero")).unwrap();
        fs::write(place.path("pipe.toml"), endless("pipe")).unwrap();
        let rows =
            "truth = \"truth.npy\"\nclasses = 10\nmodels = [{ file = \"pipe\", family = \"a\" }]\n";
        fs::write(place.path("truth.npy"), npy::to_bytes(&[0; 100], 1)).unwrap();
        fs::write(place.path("pipes.toml"), rows).unwrap();
        let stderr = place.mistake(&["run", "demo.toml", "--dry-run"]);
        assert!(stderr.contains("no plain file"), "{suite}\n{stderr}");
    }
}

#[test]
fn what_a_named_file_holds_is_not_repeated() {
    let mnist = "source = \"fashion-mnist\"";
    let recorded = |manifest: &str| {
        with_sources(
            &format!("source = \"recorded\"\npath = \".\"\nmanifest = \"{manifest}\""),
            "source = \"recorded\"",
        )
    };
    let torchscript = "source = \"torchscript\"\nmanifest = \"secret\"";
    let folder = "source = \"image-folder\"\npath = \".\"\nlabels = \"secret\"";
    for content in [
        SECRET.to_owned(),
        format!("login = \"{SECRET}\"\n"),
        format!("machine example.org password {SECRET}\n"),
        format!("{SECRET},label\nx,1\n"),
        format!("source = \"{SECRET}\"\npopulation = 3\nmodels = \"{SECRET}\"\n"),
        format!(
            "source = \"x\"\npopulation = \"x\"\n[[rates]]\ntable = \"{SECRET}\"\nbudget = 1\ntpr = {{ \"{SECRET}\" = 200 }}\n"
        ),
    ] {
        for suite in [
            format!("published = \"secret\"\n{SUITE}"),
            with_sources(mnist, torchscript),
            with_sources(folder, "source = \"zoo\""),
            recorded("secret.toml"),
            recorded("secret.csv"),
        ] {
            let place = Place::with(&suite);
            for name in ["secret", "secret.toml", "secret.csv"] {
                fs::write(place.path(name), &content).unwrap();
            }
            let stderr = place.mistake(&["run", "demo.toml", "--dry-run"]);
            // Lines of a report may be broken.
            let words: String = stderr.split_whitespace().filter(|word| *word != "│").collect();
            assert!(!words.contains(&SECRET[..30]), "{suite}\n{content}\n{stderr}");
        }
    }
}

#[test]
fn a_network_that_writes_files_is_not_loaded() {
    let models = "source = \"torchscript\"\nmanifest = \"models.toml\"";
    let place = Place::with(with_sources("source = \"fashion-mnist\"\npool = 20", models));
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../torchscript/src/model/files");
    for name in ["writes.pt", "writes_when_loaded.pt"] {
        fs::copy(files.join(name), place.path("network.pt")).unwrap();
        let row = |name: &str| {
            format!(
                "[[model]]\nname = \"{name}\"\nfile = \"network.pt\"\ninput = [1, 2, 2]\nclasses = 10\n"
            )
        };
        fs::write(place.path("models.toml"), row("a") + &row("b")).unwrap();
        let (code, stdout, stderr) = place.run(&["run", "demo.toml", "--quiet"]);
        let said = format!("{stdout}{stderr}");
        assert!(code == 2 || code == 3, "{code}: {said}");
        assert!(said.contains("its code has the name `save`"), "{said}");
        assert!(!said.contains("frame #"), "{said}");
        let written = ["written-by-a-network", "written-when-loaded"];
        assert!(written.iter().all(|name| !place.path(name).exists()));
    }
}

#[test]
fn what_commands_a_terminal_is_shown_harmless_in_every_error() {
    let place = Place::new();
    fs::create_dir(place.path("run")).unwrap();
    let results = "{\"schema\": 1, \"suite\": 3, \"\u{1b}]0;owned\u{7}\u{202e}\": 1}";
    for (name, content) in
        [("results.json", results), ("results.json", "{\"schema\": 1, \"seed\": \"\\u001b[2J\"}")]
    {
        fs::write(place.path("run").join(name), content).unwrap();
        for command in ["report", "baseline"] {
            let (code, _, stderr) = place.run(&[command, "run"]);
            assert_eq!(code, 2, "{stderr}");
            assert!(!is_unsafe(&stderr), "{stderr:?}");
        }
    }
    let (code, _, stderr) = place.run(&["report", "no\u{1b}[31m\u{202e}where"]);
    assert_eq!(code, 2);
    assert!(!is_unsafe(&stderr), "{stderr:?}");
}

#[test]
fn a_fault_is_reported_to_a_file_with_its_own_exit_code() {
    let place = Place::with(SUITE);
    fs::create_dir(place.path("temp")).unwrap();
    let mut command = place.command(&["run", "demo.toml", "--quiet", "--set", "seed=7"]);
    // No thread can have such a stack, so none can listen for Ctrl-C, which nothing but a fault explains.
    command.env("RUST_MIN_STACK", (1_u64 << 46).to_string()).env("TMPDIR", place.path("temp"));
    let (code, _, stderr) = place::said(&command.output().unwrap());
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("a fault of bertillon itself"), "{stderr}");
    let written: Vec<_> =
        fs::read_dir(place.path("temp")).unwrap().map(|f| f.unwrap().path()).collect();
    let reports =
        || written.iter().filter(|path| path.to_string_lossy().contains("bertillon-fault-"));
    assert_eq!(reports().count(), 1, "{written:?}");
    let report = reports().next().unwrap();
    assert!(stderr.contains(report.to_str().unwrap()), "{stderr}");
    let text = fs::read_to_string(report).unwrap();
    assert!(text.starts_with(concat!("bertillon ", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("what: ") && text.contains("\"--set\" \"seed=7\""), "{text}");
}
