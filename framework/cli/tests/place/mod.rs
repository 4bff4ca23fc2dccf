//! A folder of its own in which a test runs the binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A small suite that is right.
pub(crate) const SUITE: &str = r#"name = "demo"

[data]
source = "fashion-mnist"
pool = 100

[models]
source = "zoo"
names = ["lenet-a", "lenet-b"]

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

/// Exit code, standard output and standard error.
pub(crate) type Said = (i32, String, String);

/// A folder that is removed with the value.
pub(crate) struct Place(TempDir);

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with this `demo.toml`.
    pub(crate) fn with(suite: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        fs::write(place.path("demo.toml"), suite).unwrap();
        place
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertillon"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("NO_COLOR", "1").env_remove("BERTILLON_LOG").env_remove("BERTILLON_PLUGINS");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(&self.command(arguments).output().unwrap())
    }

    /// Standard error of a command that must end as a user's mistake, with nothing on standard output and no results.
    pub(crate) fn mistake(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 2, "{arguments:?}\n{stdout}\n{stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(!self.path("results").exists(), "{arguments:?} left something behind");
        stderr
    }
}

/// What a command said.
pub(crate) fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Whether a text has something that a terminal obeys, or that reorders what is read.
pub(crate) fn is_unsafe(text: &str) -> bool {
    text.contains(|c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c))
}
