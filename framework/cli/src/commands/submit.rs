//! `bertillon submit`.

mod local;
pub(super) mod slurm;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use bertillon_runner::{Phase, Standing};
use clap::{Args, ValueEnum};

use super::suite::PlanArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Scripts and logs go into a folder beside the plan (PLAN.jobs). Submitting again sends only shards with missing cells: after a lost node, a time limit, or a job that was killed."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// What starts the processes
    #[arg(long, value_name = "ENGINE", default_value = "slurm")]
    engine: Engine,
    /// Processes to share the cells of a phase among
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    shards: u64,
    /// GPUs for each process (Slurm's --gpus)
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// Further arguments of sbatch: `-- --partition=long --time=8:00:00`
    #[arg(last = true, value_name = "SBATCH ARGUMENTS")]
    sbatch: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// One job array a phase, and a job that merges
    Slurm,
    /// Processes of this machine
    Local,
}

/// What an engine is given.
struct Job<'a> {
    /// The program itself, absolute.
    program: PathBuf,
    /// The plan, absolute.
    plan: PathBuf,
    /// Folder for scripts and logs, absolute.
    folder: PathBuf,
    /// Options of `work` and `merge`.
    options: Vec<OsString>,
    shards: u64,
    /// Phases in which cells are missing, with the shards that have some.
    phases: Vec<(Phase, Vec<u64>)>,
    arguments: &'a Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (plan, suite) = arguments.plan.read()?;
    let options = arguments.plan.options(&plan, None)?;
    if arguments.engine == Engine::Local
        && (arguments.gpus.is_some() || !arguments.sbatch.is_empty())
    {
        return Err(Failure::User("--gpus and arguments of sbatch are for --engine slurm".into()));
    }
    let shards = match arguments.engine {
        Engine::Slurm => slurm::capped(arguments.shards)?,
        Engine::Local => arguments.shards,
    };
    let standings = bertillon_runner::standing(&plan, &suite, &options, shards)?;
    let phases = to_do(standings);
    if phases.is_empty() {
        output::print("no cell is missing: `bertillon merge` writes the results\n")?;
        return Ok(Outcome::Done);
    }
    let here = |error: std::io::Error| Failure::User(format!("the working directory: {error}"));
    let path = std::path::absolute(&arguments.plan.plan).map_err(here)?;
    let folder = jobs_of(&path);
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::User(format!("{} can't be made: {error}", folder.display())))?;
    let job = Job {
        program: env::current_exe()
            .map_err(|error| Failure::User(format!("this program can't be found: {error}")))?,
        plan: path,
        folder,
        options: arguments.plan.words(),
        shards,
        phases,
        arguments,
    };
    match arguments.engine {
        Engine::Slurm => slurm::submit(&job),
        Engine::Local => local::submit(&job),
    }
}

/// Phases with something to do, and the shards that have it.
fn to_do(standings: Vec<Standing>) -> Vec<(Phase, Vec<u64>)> {
    let busy = standings.into_iter().filter(|standing| !standing.shards.is_empty());
    busy.map(|standing| (standing.phase, standing.shards)).collect()
}

/// Where scripts, logs and job numbers of a plan are.
pub(super) fn jobs_of(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".jobs");
    PathBuf::from(name)
}
