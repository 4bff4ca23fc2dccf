//! What all commands that work on a suite take: the suite, where to compute, what to show.

use std::{
    env,
    ffi::OsString,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use bertillon::suite::{Suite, SuiteError};
use bertillon_runner::{FrozenPlan, Interrupt, Options, RunError, SuiteLibraries};
use clap::{Args, ValueHint};

use super::{folders, libraries::LibraryArguments};
use crate::{
    device::DeviceChoice,
    failure::{Failure, INTERRUPTED, leave_at_once},
    output,
    progress::Reporter,
};

/// Folder of the cache, where none is named.
const CACHE: &str = ".bertillon/cache";

/// Time that cells in flight have to end after Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A suite, and how to work on it.
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
    /// Seed of everything random, the same as `--set seed=N`
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Leaves out images that can't be decoded, and names them in the results; without it they stop the run
    #[arg(long)]
    skip_bad_images: bool,
    #[command(flatten)]
    machine: MachineArguments,
}

/// A frozen plan, and how to work on it.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// What `bertillon plan` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) plan: PathBuf,
    /// Folder of the cache, where it is not the one that the plan names
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

/// Where to compute, what may be loaded, what is shown.
#[derive(Debug, Args)]
pub(crate) struct MachineArguments {
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Models that answer at a time [default: as many as there are processors, on a GPU one]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
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
    /// Says nothing on standard error but errors
    #[arg(long)]
    quiet: bool,
}

/// The folder for the results of a suite, where the user names none.
pub(crate) fn out_of(suite: &Suite, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match named {
        Some(named) => Ok(named),
        None => folders::unnamed(PathBuf::from("results").join(&suite.name), "--out"),
    }
}

/// The cache, where the user names none.
pub(crate) fn cache_of(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(named) => Ok(named.to_owned()),
        None => folders::unnamed(PathBuf::from(CACHE), "--cache"),
    }
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
        self.work.machine.load_plugins()?;
        self.work.read(&self.suite)
    }

    /// The plan, where the file is a frozen one in place of a suite.
    pub(crate) fn frozen(&self) -> Result<Option<FrozenPlan>, Failure> {
        if !FrozenPlan::is_in(&self.suite) {
            return Ok(None);
        }
        if !self.work.overrides.is_empty() || self.work.seed.is_some() {
            return Err(Failure::User(format!(
                "{} is a frozen plan, nothing of it can be overridden: freeze the suite with the same --set",
                self.suite.display()
            )));
        }
        Ok(Some(FrozenPlan::read(&self.suite)?))
    }

    /// How to run it, results in `out`.
    pub(crate) fn options(&self, out: PathBuf) -> Result<Options, Failure> {
        self.work.options(out)
    }

    /// How to run a plan, results in `out`.
    pub(crate) fn options_of_plan(
        &self,
        plan: &FrozenPlan,
        out: PathBuf,
    ) -> Result<Options, Failure> {
        let cache = self.work.cache.clone().unwrap_or_else(|| plan.cache.clone());
        self.work.machine.options(out, cache, plan.skip_bad_images)
    }

    pub(crate) fn machine(&self) -> &MachineArguments {
        &self.work.machine
    }
}

impl WorkArguments {
    pub(crate) fn machine(&self) -> &MachineArguments {
        &self.machine
    }

    /// A suite, with what was overridden; libraries that it names are loaded.
    pub(crate) fn read(&self, suite: &Path) -> Result<Suite, Failure> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        self.machine.with_libraries(Suite::read(suite, &overrides))
    }

    /// How to run it, results in `out`.
    pub(crate) fn options(&self, out: PathBuf) -> Result<Options, Failure> {
        self.machine.options(out, cache_of(self.cache.as_deref())?, self.skip_bad_images)
    }
}

impl PlanArguments {
    /// The plan with its suite; libraries of plugins are loaded.
    pub(crate) fn read(&self) -> Result<(FrozenPlan, Suite), Failure> {
        let plan = FrozenPlan::read(&self.plan)?;
        let suite = self.machine.suite_of(&plan)?;
        Ok((plan, suite))
    }

    /// How to work on it, results in `out` or where the plan says.
    pub(crate) fn options(
        &self,
        plan: &FrozenPlan,
        out: Option<PathBuf>,
    ) -> Result<Options, Failure> {
        let out = out.unwrap_or_else(|| plan.out.clone());
        let cache = self.cache.clone().unwrap_or_else(|| plan.cache.clone());
        self.machine.options(out, cache, plan.skip_bad_images)
    }

    /// Words that give these options to another process.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(cache) = &self.cache {
            words.extend(["--cache".into(), cache.clone().into_os_string()]);
        }
        words.extend(self.machine.words());
        words
    }
}

impl MachineArguments {
    /// Loads the libraries that the user names, and allows programs where she does.
    pub(crate) fn load_plugins(&self) -> Result<(), Failure> {
        self.libraries.load()?;
        if self.allow_commands {
            bertillon::registry::allow_commands();
        }
        Ok(())
    }

    /// The suite of a plan; libraries of plugins are loaded.
    pub(crate) fn suite_of(&self, plan: &FrozenPlan) -> Result<Suite, Failure> {
        self.load_plugins()?;
        self.with_libraries(Suite::from_source(plan.suite.clone()))
    }

    /// A suite whose libraries are loaded where they are allowed.
    pub(crate) fn with_libraries(&self, read: Result<Suite, SuiteError>) -> Result<Suite, Failure> {
        let libraries = match self.allow_plugins {
            true => SuiteLibraries::Allowed,
            false => SuiteLibraries::Refused,
        };
        let load = |suite: &Suite| bertillon_runner::load_libraries_of(suite, libraries);
        match read {
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

    /// How to work, with these folders.
    pub(crate) fn options(
        &self,
        out: PathBuf,
        cache: PathBuf,
        skip_bad_images: bool,
    ) -> Result<Options, Failure> {
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
            cache,
            device,
            threads: self.threads.map_or(workers, NonZeroUsize::get),
            cell_timeout: self.cell_timeout,
            retry_failures: true,
            skip_bad_images,
            command: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            interrupt: Interrupt::default(),
        })
    }

    /// Words that give these options, but for the number of threads, to another process.
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--device".into(), self.device.to_string().into()];
        if let Some(timeout) = self.cell_timeout {
            words.extend(["--cell-timeout".into(), timeout.as_secs_f64().to_string().into()]);
        }
        words.extend(self.libraries.words());
        let flags = [
            (self.allow_plugins, "--allow-plugins"),
            (self.allow_commands, "--allow-commands"),
            (self.quiet, "--quiet"),
        ];
        words.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| flag.into()));
        words
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

/// Ctrl-C stops the run after the cells in flight, or without them when they take too long; the second one at once.
fn stop_on_interrupt(interrupt: Interrupt, reporter: Weak<Reporter>) -> Result<(), Failure> {
    let handler = move || {
        if interrupt.is_set() {
            process::exit(i32::from(INTERRUPTED));
        }
        interrupt.set();
        let say = |message: &str| match reporter.upgrade() {
            Some(reporter) => reporter.say(message),
            None => output::say(message),
        };
        say("\nstopping (Ctrl-C again: at once); the same command goes on from there");
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            output::say(
                "interrupted; what was under way is lost, run the same command again to go on",
            );
            leave_at_once(INTERRUPTED)
        });
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
