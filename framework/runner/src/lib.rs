//! From a suite to results: plan, cache, execution.

mod audit;
mod cache;
mod cells;
mod context;
mod digests;
mod dry_run;
mod enroll;
mod enrolled;
mod enrolment;
mod files;
mod forecast;
mod frozen;
mod interrogation;
mod judgement;
mod key;
mod library;
mod output;
mod plan;
mod plugins;
mod population;
mod preflight;
mod record;
mod reproduce;
mod run;
mod tensors;
mod verify;
mod work;
mod worker;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bertillon::{results::Results, suite::SuiteError};

pub use audit::audit;
pub use cache::{
    CacheCheck, CacheKind, CacheSizes, Removal, Retention, cache_check, cache_gc, cache_sizes,
};
pub use cells::Phase;
pub use dry_run::plan;
pub use enroll::{Enrolment, NewlyEnrolled, enroll};
pub use enrolled::{Card, Enrolled, Judged, MethodCard, OwnerCard, ThresholdCard};
pub use frozen::{FrozenCell, FrozenPlan, Standing, freeze, standing};
pub use interrogation::{Answering, Ask};
pub use library::{SuiteLibraries, load_libraries_of, load_library};
pub use plan::with_plugin_mistakes;
pub use record::{RecordedModel, Recording, record};
pub use reproduce::{CellVerdict, Reproduced, Reproduction, provenance_of, reproduce};
pub use run::run;
pub use verify::{MethodSource, Suspect, Verdict, suspect_of_suite, verify};
pub use work::{Shard, Worked, merge, run_frozen, work};

/// How to run a suite.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for results.
    pub out: PathBuf,
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Where to compute.
    pub device: tch::Device,
    /// Workers.
    pub threads: usize,
    /// Longest that a piece of a plugin's work may take: to derive a model, to answer, to enrol and judge for an owner.
    /// What takes longer fails, and its thread is left to itself.
    pub cell_timeout: Option<Duration>,
    /// Whether cells that failed before are tried again; else they count as failed at once.
    pub retry_failures: bool,
    /// Whether images that can't be decoded are left out, named in the results, instead of refused.
    pub skip_bad_images: bool,
    /// Words of the command line, kept in provenance.json; empty where there was none.
    pub command: Vec<String>,
    /// Set from outside to stop at the next cell.
    pub interrupt: Interrupt,
}

impl Options {
    fn workers(&self) -> Result<rayon::ThreadPool, RunError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|error| RunError::User(format!("{} threads: {error}", self.threads)))
    }
}

/// A flag that asks a run to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the run to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Hears how a run is getting on. Called from several threads.
pub trait Progress: Sync {
    /// What is ahead, from the next step on: told before the first, and again when more is known.
    fn foresee(&self, steps: &[Ahead]) {
        let _ = steps;
    }
    /// A step begins.
    fn begin(&self, step: &Ahead);
    /// A worker, which is the calling thread, begins with a cell.
    fn cell_begins(&self, cost: &CellCost) {
        let _ = cost;
    }
    /// What a worker is doing now.
    fn working_on(&self, what: &str);
    /// The cell that the calling thread began is done, whatever came of it.
    fn cell_ends(&self, cost: &CellCost, took: Duration);
    /// The step ends.
    fn end(&self);
    /// Something the user should know.
    fn warn(&self, message: &str);
}

/// What a cell is declared to cost.
#[derive(Debug, Clone, PartialEq)]
pub struct CellCost {
    /// Cells of one group of a step are alike: what is wrong with the cost of one is wrong with those of all.
    pub group: String,
    /// Work, 0 where all is in the cache; in one unit for all steps that are foreseen with costs.
    pub work: f64,
}

/// A step of a run, with what it is declared to cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// What is done in it.
    pub name: String,
    /// Cells, those in the cache among them.
    pub cells: u64,
    /// Those that are not in the cache, by group: name, cells, work.
    pub groups: Vec<(String, u64, f64)>,
}

impl Ahead {
    /// A step of these cells; none for one of which only its name is known yet.
    pub fn new(name: &str, cells: impl IntoIterator<Item = CellCost>) -> Self {
        let mut step = Self { name: name.to_owned(), cells: 0, groups: Vec::new() };
        for CellCost { group, work } in cells {
            step.cells += 1;
            if work > 0.0 {
                match step.groups.iter_mut().find(|(name, _, _)| *name == group) {
                    Some((_, cells, sum)) => (*cells, *sum) = (*cells + 1, *sum + work),
                    None => step.groups.push((group, 1, work)),
                }
            }
        }
        step
    }
}

/// Why a run ended without results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The suite is wrong.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The data, the models or the machine can't be used; what, where and what to do.
    #[error("{0}")]
    User(String),
    /// A file could not be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What and what to do.
        problem: String,
    },
    /// Cells that nobody has computed yet, by name.
    #[error("{}; work on the plan, or run it, and what is there stays", missing_cells(.0))]
    Missing(Vec<String>),
    /// Interrupted by the user; what is in the cache stays.
    #[error("interrupted; run the same command again to go on where it stopped")]
    Interrupted,
}

/// Some of them by name: there may be thousands.
fn missing_cells(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len() {
        1 => format!("a cell is missing: {shown}"),
        n if n <= SHOWN => format!("{n} cells are missing: {shown}"),
        n => format!("{n} cells are missing: {shown} and {} more", n - SHOWN),
    }
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    /// Name of the suite.
    pub suite: String,
    /// Vanillas.
    pub vanillas: usize,
    /// Variations of each.
    pub variations: Vec<String>,
    /// Images in the pool.
    pub pool: usize,
    /// One line a fingerprint: name, method with parameters, access, knowledge.
    pub fingerprints: Vec<[String; 4]>,
    /// Cells by step: name, in all, in the cache.
    pub cells: Vec<(String, u64, u64)>,
    /// Answers that models must still give.
    pub answers_needed: u64,
    /// Rough seconds that the rest will take on this machine, from a timed sample.
    pub estimate_s: f64,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was found.
    pub results: Results,
    /// Folder that holds results.json, pairs.parquet, provenance.json.
    pub out: PathBuf,
    /// Answers computed in this run, none when all came from the cache.
    pub computed: u64,
    /// Threads that ran past [`Options::cell_timeout`] and may still be running.
    pub abandoned: u64,
}
