//! A frozen plan: a suite with every cell that it comes to, to be worked on by many processes.

use std::{
    fs,
    path::{self, Path, PathBuf},
};

use bertillon::{
    cpu_capability,
    suite::{Suite, SuiteSource},
    untrusted,
};
use serde::{Deserialize, Serialize};

use crate::{
    Options, RunError,
    cache::Cache,
    cells::{Cell, Ledger, Phase, State},
    files::write_whole,
    forecast::{Forecast, sampled_speeds},
    output::json,
    plan::{LIBTORCH, Plan, device_class},
    work::Shard,
};

/// Format of the file.
const SCHEMA: &str = "bertillon-plan-1";

/// Bytes of the largest plan that is read: about four million cells.
const LARGEST: u64 = 1 << 30;

/// A plan as it lies on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrozenPlan {
    schema: String,
    /// What is planned.
    pub suite: SuiteSource,
    /// Folder of the cache that all who work on it share, absolute.
    pub cache: PathBuf,
    /// Folder for the results, absolute.
    pub out: PathBuf,
    /// Whether images that can't be decoded are left out.
    pub skip_bad_images: bool,
    /// What keys depend on beside the suite.
    made: Made,
    /// Every cell, phase by phase.
    pub cells: Vec<FrozenCell>,
}

/// One cell of a frozen plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrozenCell {
    /// When it is its turn.
    pub phase: Phase,
    /// `prune/conv/0.2 of lenet-a`; unique within its phase.
    pub name: String,
    /// 64 hexadecimal digits.
    pub key: String,
    /// Estimated seconds of one worker, 0 where it was done when the plan was frozen.
    pub seconds: f64,
}

/// The program, the data and the kind of machine. Whoever works on a plan must agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Made {
    bertillon: String,
    source: String,
    libtorch: String,
    device: String,
    processor: String,
    data: String,
}

impl Made {
    fn now(plan: &Plan, options: &Options) -> Self {
        Self {
            bertillon: env!("CARGO_PKG_VERSION").to_owned(),
            source: bertillon::SOURCE_DIGEST.to_owned(),
            libtorch: LIBTORCH.to_owned(),
            device: device_class(options.device).to_owned(),
            processor: cpu_capability().to_owned(),
            data: plan.data_digest.clone(),
        }
    }

    /// How this differs from `now`, in words.
    fn difference(&self, now: &Self) -> Option<String> {
        let differs = |was: &str, is: &str, what: &str, remedy: &str| {
            (was != is)
                .then(|| format!("it was frozen with {what} `{was}`, here it is `{is}`; {remedy}"))
        };
        let same_program = "use one and the same program everywhere, or freeze it anew";
        let same_machines = "work on it on machines of one kind, or choose with --device";
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        None.or_else(|| differs(&self.bertillon, &now.bertillon, "bertillon", same_program))
            .or_else(|| differs(&short(&self.source), &short(&now.source), "source", same_program))
            .or_else(|| differs(&self.libtorch, &now.libtorch, "libtorch", same_program))
            .or_else(|| differs(&self.device, &now.device, "device", same_machines))
            .or_else(|| {
                differs(&self.processor, &now.processor, "vectors of the processor", same_machines)
            })
            .or_else(|| {
                let remedy = "put the same images there, or freeze it anew";
                differs(&short(&self.data), &short(&now.data), "images of digest", remedy)
            })
    }
}

/// Plans a suite for many processes: every cell with its key, and an estimate of its cost from a timed sample.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or answers were recorded, so that there is nothing to share out.
pub fn freeze(suite: &Suite, options: &Options) -> Result<FrozenPlan, RunError> {
    let cache = Cache::open(&options.cache)?;
    let plan = Plan::new(suite, options)?;
    if plan.recorded.is_some() {
        return Err(RunError::User(
            "its answers were recorded, so there is nothing to share out: run the suite".to_owned(),
        ));
    }
    let speeds = sampled_speeds(&plan, options)?;
    let forecast = Forecast { plan: &plan, cache: &cache, speeds: Some(&speeds) };
    let ledger = Ledger::new(&plan, &cache);
    let here = |error: std::io::Error| RunError::User(format!("the working directory: {error}"));
    Ok(FrozenPlan {
        schema: SCHEMA.to_owned(),
        suite: suite.source().map_err(here)?,
        cache: path::absolute(&options.cache).map_err(here)?,
        out: path::absolute(&options.out).map_err(here)?,
        skip_bad_images: options.skip_bad_images,
        made: Made::now(&plan, options),
        cells: plan
            .cells()
            .into_iter()
            .map(|cell| FrozenCell {
                phase: cell.work.phase(),
                seconds: ledger.cost(cell.work, &forecast),
                key: cell.key.to_hex(),
                name: cell.name,
            })
            .collect(),
    })
}

impl FrozenPlan {
    /// Whether a file looks like one.
    pub fn is_in(path: &Path) -> bool {
        let mut start = [0; 64];
        let read = fs::File::open(path).and_then(|mut file| {
            let read = std::io::Read::read(&mut file, &mut start)?;
            Ok(read)
        });
        let start = read.map_or(&[][..], |read| &start[..read]);
        start.trim_ascii_start().starts_with(b"{")
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When there is no file, or it is no plan of this version.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let wrong = |problem: String| RunError::File { path: path.to_owned(), problem };
        let bytes = untrusted::read(path, LARGEST)
            .map_err(|error| wrong(format!("can't be read ({error})")))?;
        let plan: Self = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("is no plan ({error}); `bertillon plan` writes one")))?;
        match plan.schema == SCHEMA {
            true => Ok(plan),
            false => Err(wrong(format!(
                "has format {:.40}, this bertillon reads {SCHEMA}; freeze the suite anew",
                plan.schema.escape_debug().to_string()
            ))),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), RunError> {
        write_whole(path, &json(self))
    }

    /// The plan with its plugins, and its cells, which are those that were frozen.
    ///
    /// # Errors
    /// When the suite, the data or the machine can't be used, or they are not those that it was frozen with.
    pub(crate) fn thawed(
        &self,
        suite: &Suite,
        options: &Options,
    ) -> Result<(Plan, Vec<Cell>), RunError> {
        let plan = Plan::new(suite, options)?;
        if let Some(difference) = self.made.difference(&Made::now(&plan, options)) {
            return Err(RunError::User(format!("this plan can't be worked on here: {difference}")));
        }
        let cells = plan.cells();
        let same = cells.len() == self.cells.len()
            && cells.iter().zip(&self.cells).all(|(cell, frozen)| cell.key.to_hex() == frozen.key);
        match same {
            true => Ok((plan, cells)),
            false => Err(RunError::User(
                "this plan can't be worked on here: a model, a plugin or the file itself was changed since it was frozen; \
                 undo that, or freeze the suite anew"
                    .to_owned(),
            )),
        }
    }
}

/// How the cells of a phase stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Which.
    pub phase: Phase,
    /// Cells of which all is there.
    pub done: u64,
    /// Names of those of which something failed.
    pub failed: Vec<String>,
    /// Names of those that are missing.
    pub missing: Vec<String>,
    /// Shards to which those belong, ascending, from 1.
    pub shards: Vec<u64>,
    /// Estimated seconds of one worker for the missing ones.
    pub seconds: f64,
}

/// How a plan stands, phase by phase, and which of `shards` shards have something to do.
///
/// # Errors
/// As for [`work()`](crate::work()).
pub fn standing(
    frozen: &FrozenPlan,
    suite: &Suite,
    options: &Options,
    shards: u64,
) -> Result<Vec<Standing>, RunError> {
    let cache = Cache::open(&options.cache)?;
    let (plan, cells) = frozen.thawed(suite, options)?;
    Ok(stand(frozen, &cells, &Ledger::new(&plan, &cache), shards))
}

pub(crate) fn stand(
    frozen: &FrozenPlan,
    cells: &[Cell],
    ledger: &Ledger<'_>,
    shards: u64,
) -> Vec<Standing> {
    let empty = |phase| Standing {
        phase,
        done: 0,
        failed: Vec::new(),
        missing: Vec::new(),
        shards: Vec::new(),
        seconds: 0.0,
    };
    let mut standings = Phase::ALL.map(empty);
    for (cell, frozen) in cells.iter().zip(&frozen.cells) {
        let standing = &mut standings[cell.work.phase() as usize];
        match ledger.state(cell.work) {
            State::Done => standing.done += 1,
            State::Failed => standing.failed.push(cell.name.clone()),
            State::Missing => {
                standing.missing.push(cell.name.clone());
                standing.shards.push(Shard::of(cell.key, shards));
                standing.seconds += frozen.seconds;
            }
        }
    }
    for standing in &mut standings {
        standing.shards.sort_unstable();
        standing.shards.dedup();
    }
    standings.into()
}
