//! `bertillon reproduce`.

use std::path::PathBuf;

use bertillon::suite::Suite;
use bertillon_reports::plain;
use bertillon_runner::{CellVerdict, Reproduced, Reproduction};
use clap::{Args, ValueHint};

use super::suite::{MachineArguments, cache_of};
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Everything is computed anew in a temporary cache; only crafted queries that are not drawn themselves are taken from --cache, where their digest is that of the run. The exit code is 1 where labels or files differ."
)]
pub(crate) struct Arguments {
    /// Folder of a finished run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// Cells to compute again, drawn at random [default: all, and then the results]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Seed of the draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Cache of the run [default: .bertillon/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let machine = &arguments.machine;
    let provenance = bertillon_runner::provenance_of(&arguments.run)?;
    machine.load_plugins()?;
    let suite = machine.with_libraries(Suite::from_source(provenance.suite_source()))?;
    let scratch = tempfile::Builder::new()
        .prefix("bertillon-reproduce")
        .tempdir()
        .map_err(|error| Failure::User(format!("no temporary folder can be made: {error}")))?;
    let path = |name: &str| scratch.path().join(name);
    let options = machine.options(path("results"), path("cache"), provenance.skip_bad_images)?;
    let reproduction = Reproduction {
        sample: arguments.sample,
        seed: arguments.seed,
        cache: cache_of(arguments.cache.as_deref())?,
    };
    let reproduced = machine.watched(&options, |reporter| {
        let folder = &arguments.run;
        bertillon_runner::reproduce(folder, &provenance, &suite, &reproduction, &options, reporter)
    })?;
    output::print(&text(&reproduced))?;
    let is_as_it_was = |verdict| matches!(verdict, CellVerdict::Equal | CellVerdict::EqualInLabels);
    let cells = reproduced.cells.iter().all(|(_, _, verdict)| is_as_it_was(*verdict));
    let files = reproduced.files.iter().all(|(_, equal)| *equal);
    Ok(if cells && files { Outcome::Done } else { Outcome::GateFailed })
}

fn text(reproduced: &Reproduced) -> String {
    let mut text = String::new();
    for changed in &reproduced.changed {
        text.push_str(&plain(&format!("not as it was: {changed}")));
        text.push('\n');
    }
    let other = reproduced.cells.iter().filter(|(_, _, verdict)| *verdict != CellVerdict::Equal);
    for (phase, name, verdict) in other {
        text.push_str(&plain(&format!("{}: {name}: {}", phase.word(), word(*verdict))));
        text.push('\n');
    }
    let count = |verdict| reproduced.cells.iter().filter(|(_, _, v)| *v == verdict).count();
    let counts = [
        CellVerdict::Equal,
        CellVerdict::EqualInLabels,
        CellVerdict::Different,
        CellVerdict::Unknown,
    ];
    let counts = counts.map(|verdict| (count(verdict), word(verdict)));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    if reproduced.of == 0 {
        text.push_str("answers were recorded: no cell to compute again\n");
    } else {
        text.push_str(&format!(
            "{} of {} cells computed again: {}\n",
            reproduced.cells.len(),
            reproduced.of,
            counts.join(", ")
        ));
    }
    for (name, equal) in &reproduced.files {
        let word = if *equal { "equal to the byte" } else { "different" };
        text.push_str(&format!("{name}: {word}\n"));
    }
    text
}

fn word(verdict: CellVerdict) -> &'static str {
    match verdict {
        CellVerdict::Equal => "equal to the byte",
        CellVerdict::EqualInLabels => "equal in labels",
        CellVerdict::Different => "different",
        CellVerdict::Unknown => "not in the run",
    }
}
