//! `bertillon plan`.

use std::path::PathBuf;

use bertillon_runner::Phase;
use clap::{Args, ValueHint};

use super::suite::{SuiteArguments, out_of};
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// Folder for the results of `merge` [default: results/NAME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// File for the plan
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let suite = arguments.suite.read()?;
    let options = arguments.suite.options(out_of(&suite, arguments.out.clone())?)?;
    let plan = bertillon_runner::freeze(&suite, &options)?;
    plan.write(&arguments.output)?;
    let phases = Phase::ALL.iter().filter_map(|&phase| {
        let cells: Vec<_> = plan.cells.iter().filter(|cell| cell.phase == phase).collect();
        let left: f64 = cells.iter().map(|cell| cell.seconds).sum();
        let row = [phase.word().to_owned(), cells.len().to_string(), output::duration(left)];
        (!cells.is_empty()).then_some(row)
    });
    let longest = plan.cells.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds));
    output::print(&output::table(["Phase", "Cells", "One worker's time"], phases, 1))?;
    if let Some(longest) = longest.filter(|cell| cell.seconds > 0.0) {
        let (name, time) = (&longest.name, output::duration(longest.seconds));
        arguments.suite.machine().note(&format!("the longest cell takes about {time}: {name}"));
    }
    arguments.suite.machine().note(&format!(
        "plan in {}; `bertillon submit` has it worked on, `bertillon work` works on a share of it",
        arguments.output.display()
    ));
    Ok(Outcome::Done)
}
