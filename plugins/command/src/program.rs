//! A program that serves calls: its processes, started as they are needed and kept for the next call.

mod files;
mod params;
mod process;
pub mod protocol;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bertillon::{Error, Knowledge, Result, Stream};
use rand::Rng;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tempfile::TempDir;

use self::{
    params::Surroundings,
    process::Process,
    protocol::{Call, Known, Reply, Request, Role},
};

pub(crate) use files::{owner, read_images, write_images, write_labels};
pub use params::Params;

/// The module that plugins in Python import, put beside every process.
const PYTHON_MODULE: &str = include_str!("../python/bertillon.py");

/// A program, ready to be called from several threads.
#[derive(Debug)]
pub(crate) struct Program {
    start: params::Start,
    /// Of all processes; each has a folder of its own in it.
    scratch: TempDir,
    /// Processes that nobody calls just now.
    idle: Mutex<Vec<Process>>,
    calls: AtomicU64,
    files: AtomicU64,
}

/// A program with the parameters of one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    pub(crate) program: Arc<Program>,
    parameters: Map<String, Value>,
}

impl Plugin {
    /// The program that `params` names.
    ///
    /// # Errors
    /// When a parameter is impossible.
    pub(crate) fn new(params: Params) -> Result<Self> {
        Ok(Self { program: Program::shared(params.start()?)?, parameters: params.parameters })
    }

    /// The program of these words, which the user named, with its arguments; it finds her folder and environment.
    ///
    /// # Errors
    /// When no scratch folder can be made.
    pub(crate) fn of_user(words: Vec<PathBuf>, time_limit: Duration) -> Result<Self> {
        let surroundings = Surroundings::Users;
        let start = params::Start { words, surroundings, time_limit, digest: String::new() };
        Ok(Self { program: Program::shared(start)?, parameters: Map::new() })
    }

    /// Asks the program what it is.
    ///
    /// # Errors
    /// When it can't be started, or answers something else.
    pub(crate) fn describe<T: DeserializeOwned>(&self, role: Role) -> Result<T> {
        self.call(Call::Describe { role })
    }

    /// Calls the program.
    ///
    /// # Errors
    /// When it refuses, ends, takes too long or answers something else.
    pub(crate) fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.program.call(&self.parameters, call)
    }

    /// What its results depend on, for cache keys.
    pub(crate) fn ingredients(&self, version: &str) -> Vec<String> {
        vec![format!("program {} {version}", self.program.digest())]
    }
}

impl Program {
    /// The program that is started so; one for all plugins.
    fn shared(start: params::Start) -> Result<Arc<Self>> {
        static KNOWN: Mutex<Vec<Weak<Program>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|program| program.strong_count() > 0);
        if let Some(program) = known.iter().filter_map(Weak::upgrade).find(|p| p.start == start) {
            return Ok(program);
        }
        let scratch = tempfile::Builder::new().prefix("bertillon-").tempdir();
        let problem = |error| Error::Refused(format!("no scratch folder can be made: {error}"));
        let scratch = scratch.map_err(problem)?;
        let modules = scratch.path().join("python");
        fs::create_dir(&modules)
            .and_then(|()| fs::write(modules.join("bertillon.py"), PYTHON_MODULE))
            .map_err(problem)?;
        let program = Arc::new(Self {
            start,
            scratch,
            idle: Mutex::default(),
            calls: AtomicU64::new(0),
            files: AtomicU64::new(0),
        });
        known.push(Arc::downgrade(&program));
        Ok(program)
    }

    /// Of its files and of what runs them.
    pub(crate) fn digest(&self) -> &str {
        &self.start.digest
    }

    /// A new folder, removed when it is dropped.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn folder(&self, prefix: &str) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(self.scratch.path())
            .map_err(|error| Error::file(self.scratch.path(), error))
    }

    /// Names of files of one call; whoever writes them removes them.
    pub(crate) fn paths<const N: usize>(&self, names: [&str; N]) -> [PathBuf; N] {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        names.map(|name| self.scratch.path().join(format!("{number}-{name}")))
    }

    fn call<T: DeserializeOwned>(&self, parameters: &Map<String, Value>, call: Call) -> Result<T> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let request =
            Request { protocol: protocol::VERSION, id, parameters: parameters.clone(), call };
        let line = serde_json::to_string(&request).expect("plain data serialises");
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut process = match idle {
            Some(process) => process,
            None => Process::start(&self.start, self.folder("process-")?, &self.modules())?,
        };
        // A process that failed is ended where it is dropped, and so answers nothing else.
        let reply = process.ask(&line, self.start.time_limit)?;
        let reply: Reply<T> = match serde_json::from_str(&reply) {
            Ok(reply) => reply,
            Err(error) => {
                let shown: String = reply.chars().take(200).collect();
                let problem = format!("it answered `{}`: {error}", shown.escape_debug());
                return Err(process.failed(&problem));
            }
        };
        let outcome = match reply {
            Reply { id: other, .. } if other != id => {
                return Err(process.failed(&format!("it answered call {other} when asked {id}")));
            }
            Reply { ok: Some(answer), error: None, .. } => Ok(answer),
            Reply { ok: None, error: Some(reason), .. } => Err(process.failed(&reason)),
            Reply { .. } => {
                return Err(process.failed("it answered neither `ok` nor `error`, or both"));
            }
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        outcome
    }

    fn modules(&self) -> PathBuf {
        self.scratch.path().join("python")
    }
}

/// A seed that any language reads: 53 bits, as many as a double holds.
pub(crate) fn seed(stream: &mut Stream) -> u64 {
    stream.next_u64() >> 11
}

/// The same as the core has it.
pub(crate) fn knowledge(known: &[Known]) -> Knowledge {
    Knowledge {
        model: known.contains(&Known::Model),
        labels: known.contains(&Known::Labels),
        peers: known.contains(&Known::Peers),
        rehearsals: known.contains(&Known::Rehearsals),
    }
}
