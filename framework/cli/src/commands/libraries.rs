//! Which shared libraries of plugins a command loads.

use std::{env, ffi::OsString, path::PathBuf};

use clap::Args;

use crate::failure::Failure;

/// Environment variable with more of them, separated as in PATH.
pub(super) const VARIABLE: &str = "BERTILLON_PLUGINS";

#[derive(Debug, Args)]
pub(crate) struct LibraryArguments {
    /// Loads the plugins of a shared library, besides those in BERTILLON_PLUGINS; may be repeated
    #[arg(long = "plugin", value_name = "FILE")]
    plugins: Vec<PathBuf>,
}

impl LibraryArguments {
    /// Loads them, those of the environment first.
    pub(crate) fn load(&self) -> Result<(), Failure> {
        for path in listed().into_iter().chain(self.plugins.iter().cloned()) {
            bertillon_runner::load_library(&path)?;
        }
        Ok(())
    }

    /// Words that give these options to another process, which has this one's environment.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let word = |path: &PathBuf| ["--plugin".into(), path.clone().into_os_string()];
        self.plugins.iter().flat_map(word).collect()
    }
}

/// Files that the environment lists.
pub(super) fn listed() -> Vec<PathBuf> {
    let listed = env::var_os(VARIABLE).unwrap_or_default();
    env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect()
}
