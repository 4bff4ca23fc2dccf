//! What all commands that work on a suite take: the suite, where to compute, what to show.

use std::{
    env,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use bertillon::suite::Suite;
use bertillon_runner::{Interrupt, Options, RunError, SuiteLibraries};
use clap::{Args, ValueHint};

use super::{folders, libraries::LibraryArguments};
use crate::{
    device::DeviceChoice,
    failure::{Failure, INTERRUPTED},
    output,
    progress::Reporter,
};

/// Folder of the cache, where none is named.
const CACHE: &str = ".bertillon/cache";

#[derive(Debug, Args)]
pub(crate) struct SuiteArguments {
    /// Suite file
    #[arg(value_hint = ValueHint::FilePath)]
    suite: PathBuf,
    #[command(flatten)]
    work: WorkArguments,
}

/// All of them but the suite.
#[derive(Debug, Args)]
pub(crate) struct WorkArguments {
    /// Folder of what was computed before, shared by all suites [default: .bertillon/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,
    /// Overrides a key of the suite: `--set evaluation.draws=2`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Models that answer at a time [default: as many as there are processors, on a GPU one]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Seed of everything random, the same as `--set seed=N`
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Longest that deriving a model, its answers, or one owner's enrolment may take; what takes longer fails [default:
    /// no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    cell_timeout: Option<Duration>,
    #[command(flatten)]
    libraries: LibraryArguments,
    /// Loads the libraries that the suite names in `plugins`: they run with all your rights
    #[arg(long)]
    allow_plugins: bool,
    /// Starts the programs that the suite names in `command` plugins: they run with your rights, within limits
    #[arg(long)]
    allow_commands: bool,
    /// Leaves out images that can't be decoded, and names them in the results; without it they stop the run
    #[arg(long)]
    skip_bad_images: bool,
    /// Says nothing on standard error but errors
    #[arg(long)]
    quiet: bool,
}

/// A positive number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "use a number of seconds above 0".to_owned())
}

impl SuiteArguments {
    /// The suite, with what was overridden; libraries of plugins are loaded.
    pub(crate) fn read(&self) -> Result<Suite, Failure> {
        self.work.load_plugins()?;
        self.work.read(&self.suite)
    }

    /// How to run it, results in `out`.
    pub(crate) fn options(&self, out: PathBuf) -> Result<Options, Failure> {
        self.work.options(out)
    }

    /// Says what is no error, unless the user wants quiet.
    pub(crate) fn note(&self, text: &str) {
        self.work.note(text);
    }

    /// Does `work` with its progress shown, until it ends or Ctrl-C stops it.
    pub(crate) fn watched<T>(
        &self,
        options: &Options,
        work: impl FnOnce(&Reporter) -> Result<T, RunError>,
    ) -> Result<T, Failure> {
        self.work.watched(options, work)
    }
}

impl WorkArguments {
    /// Loads the libraries that the user names, and allows programs where she does.
    pub(crate) fn load_plugins(&self) -> Result<(), Failure> {
        self.libraries.load()?;
        if self.allow_commands {
            bertillon::registry::allow_commands();
        }
        Ok(())
    }

    /// A suite, with what was overridden; libraries that it names are loaded.
    pub(crate) fn read(&self, suite: &Path) -> Result<Suite, Failure> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        let libraries = match self.allow_plugins {
            true => SuiteLibraries::Allowed,
            false => SuiteLibraries::Refused,
        };
        let load = |suite: &Suite| bertillon_runner::load_libraries_of(suite, libraries);
        match Suite::read(suite, &overrides) {
            Ok(suite) => {
                load(&suite)?;
                Ok(suite)
            }
            Err(mut error) => {
                // What is not loaded would be unknown, which is no second mistake.
                let refused = error.partial.as_deref().and_then(|suite| load(suite).err());
                if let Some(refused) = refused {
                    error.partial = None;
                    error.diagnostics.extend(refused.diagnostics);
                    error.diagnostics.sort_by_key(|diagnostic| diagnostic.at.start);
                }
                Err(bertillon_runner::with_plugin_mistakes(error).into())
            }
        }
    }

    /// How to run it, results in `out`.
    pub(crate) fn options(&self, out: PathBuf) -> Result<Options, Failure> {
        // Each worker computes by itself: libtorch's own threads would only contend with them.
        tch::set_num_threads(1);
        tch::set_num_interop_threads(1);
        let device = self.device.device()?;
        // On a GPU the images of a batch are answered at a time, and models in turn.
        let workers = match device.is_cuda() {
            true => 1,
            false => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        Ok(Options {
            out,
            cache: match &self.cache {
                Some(named) => named.clone(),
                None => folders::unnamed(PathBuf::from(CACHE), "--cache")?,
            },
            device,
            threads: self.threads.map_or(workers, NonZeroUsize::get),
            cell_timeout: self.cell_timeout,
            skip_bad_images: self.skip_bad_images,
            command: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            interrupt: Interrupt::default(),
        })
    }

    /// Says what is no error, unless the user wants quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            output::say(text);
        }
    }

    /// Does `work` with its progress shown, until it ends or Ctrl-C stops it.
    pub(crate) fn watched<T>(
        &self,
        options: &Options,
        work: impl FnOnce(&Reporter) -> Result<T, RunError>,
    ) -> Result<T, Failure> {
        let reporter = match self.quiet {
            true => Reporter::quiet(),
            false => Reporter::new(options.threads),
        };
        let reporter = Arc::new(reporter);
        stop_on_interrupt(options.interrupt.clone(), Arc::downgrade(&reporter))?;
        let done = work(&reporter);
        // Before anything else is written: it clears what it has on the screen.
        drop(reporter);
        Ok(done?)
    }
}

/// The first Ctrl-C stops the run after the cells in flight, the second at once.
fn stop_on_interrupt(interrupt: Interrupt, reporter: Weak<Reporter>) -> Result<(), Failure> {
    let handler = move || {
        if interrupt.is_set() {
            process::exit(i32::from(INTERRUPTED));
        }
        interrupt.set();
        let message = "\nstopping after what is under way (Ctrl-C again: at once); the same command goes on from there";
        match reporter.upgrade() {
            Some(reporter) => reporter.say(message),
            None => output::say(message),
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::Fault(format!("can't listen for Ctrl-C: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(["0", "-1", "", "NaN", "inf", "1e300", "1m"].iter().all(|t| seconds(t).is_err()));
    }
}
