//! Parameters that all plugins of this crate share.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{self, Path, PathBuf},
    time::Duration,
};

use bertillon::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Which program, what it is told, and what it may use.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The program: a script, or a file that can be executed. A path, relative to the suite. Default: none, it must be
    /// given.
    #[schemars(extend("format" = "path"))]
    pub script: Option<PathBuf>,
    /// What runs the script, with its arguments: `["python3", "-O"]`. Default: `python3` for a file that ends in `.py`,
    /// nothing for others.
    pub interpreter: Option<Vec<String>>,
    /// What the program is told, a table of its own. Default: empty.
    pub parameters: Map<String, Value>,
    /// Further files on which its results depend, relative to the script; they are part of the cache's keys. Default:
    /// none.
    pub files: Vec<PathBuf>,
    /// Names of environment variables that it sees, beside PATH. Default: none.
    pub environment: Vec<String>,
    /// Longest that one call may take, in seconds, above 0. Default: 600.
    pub time_limit: f64,
    /// Most memory that one process may reserve (address space), in MiB. Default: 8192.
    pub memory_limit: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            script: None,
            interpreter: None,
            parameters: Map::new(),
            files: Vec::new(),
            environment: Vec::new(),
            time_limit: 600.0,
            memory_limit: 8192,
        }
    }
}

/// How a program is started; two that are started alike share their processes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Start {
    /// The program and its arguments.
    pub(crate) words: Vec<PathBuf>,
    pub(crate) surroundings: Surroundings,
    pub(crate) time_limit: Duration,
    /// Of the script, its further files and what runs it.
    pub(crate) digest: String,
}

/// What a program finds around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Surroundings {
    /// A folder of its own and a clean environment: a suite names it.
    Clean {
        /// Environment variables that were named and are set.
        environment: Vec<(String, OsString)>,
        /// In bytes.
        memory_limit: u64,
    },
    /// The user's folder and environment: she named it herself.
    Users,
}

impl Params {
    /// Checks them.
    ///
    /// # Errors
    /// When one is impossible, or a file can't be read.
    pub(crate) fn start(&self) -> Result<Start> {
        let script = self.script.as_ref().ok_or_else(|| {
            Error::parameter("script", "", "name the program, as a path relative to the suite")
        })?;
        let script = path::absolute(script).map_err(|error| Error::file(script, error))?;
        let time_limit = Duration::try_from_secs_f64(self.time_limit).ok().filter(|t| !t.is_zero());
        let Some(time_limit) = time_limit else {
            return Err(Error::parameter("time_limit", self.time_limit, "must be above 0 seconds"));
        };
        let bytes = self.memory_limit.checked_mul(1 << 20).filter(|bytes| *bytes > 0);
        let Some(memory_limit) = bytes else {
            return Err(Error::parameter(
                "memory_limit",
                self.memory_limit,
                "must be 1 MiB or more",
            ));
        };
        let is_python = script.extension().is_some_and(|extension| extension == "py");
        let interpreter = match &self.interpreter {
            Some(words) => words.iter().map(PathBuf::from).collect(),
            None if is_python => vec![PathBuf::from("python3")],
            None => Vec::new(),
        };
        let mut hasher = blake3::Hasher::new();
        let folder = script.parent().unwrap_or(Path::new("/"));
        let further = self.files.iter().map(|file| folder.join(file));
        for file in [script.clone()].into_iter().chain(further) {
            let content = fs::read(&file).map_err(|error| Error::file(&file, error))?;
            hasher.update(&(content.len() as u64).to_le_bytes()).update(&content);
        }
        for word in &interpreter {
            hasher.update(word.as_os_str().as_encoded_bytes()).update(&[0]);
        }
        let environment = self.environment.iter();
        let environment = environment.filter_map(|name| Some((name.clone(), env::var_os(name)?)));
        Ok(Start {
            surroundings: Surroundings::Clean { environment: environment.collect(), memory_limit },
            words: interpreter.into_iter().map(resolved).chain([script]).collect(),
            time_limit,
            digest: hasher.finalize().to_hex().to_string(),
        })
    }
}

/// A program that is named by a path, whatever folder it is started in; one without a slash is found in PATH.
fn resolved(word: PathBuf) -> PathBuf {
    match word.components().count() > 1 && word.exists() {
        true => path::absolute(&word).unwrap_or(word),
        false => word,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(parameters: Value) -> Result<Start, String> {
        let parameters: Params = serde_json::from_value(parameters).unwrap();
        parameters.start().map_err(|error| error.to_string())
    }

    #[test]
    fn impossible_parameters_are_named() {
        assert!(start(json!({})).unwrap_err().starts_with("`script` = : name the program"));
        let absent = start(json!({ "script": "/no/such/attack.py" })).unwrap_err();
        assert!(absent.starts_with("/no/such/attack.py: "), "{absent}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |key: &str, value: Value| start(json!({ "script": file.path(), key: value }));
        for impossible in [0.0, -1.0, 1e30] {
            let error = with("time_limit", json!(impossible)).unwrap_err();
            assert!(error.contains("must be above 0 seconds"), "{error}");
        }
        for impossible in [0, u64::MAX] {
            let error = with("memory_limit", json!(impossible)).unwrap_err();
            assert!(error.contains("must be 1 MiB or more"), "{error}");
        }
    }

    #[test]
    fn the_digest_follows_every_file_and_the_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("attack.py"), "one").unwrap();
        fs::write(path("table.npy"), "two").unwrap();
        let digest = |files: &[&str], interpreter: Option<&str>| {
            let interpreter = interpreter.map(|word| [word]);
            let given =
                json!({ "script": path("attack.py"), "files": files, "interpreter": interpreter });
            start(given).unwrap().digest
        };
        let alone = digest(&[], None);
        assert_eq!(alone, digest(&[], Some("python3")), "a .py file is Python's");
        assert_ne!(alone, digest(&[], Some("pypy3")));
        let before = digest(&["table.npy"], None);
        assert_ne!(alone, before);
        fs::write(path("table.npy"), "three").unwrap();
        assert_ne!(before, digest(&["table.npy"], None));
        assert_eq!(alone, digest(&[], None));
        fs::write(path("attack.py"), "four").unwrap();
        assert_ne!(alone, digest(&[], None));
    }
}
