//! `bertillon merge`.

use std::path::PathBuf;

use bertillon_runner::Options;
use clap::{Args, ValueHint};

use super::{run, suite::PlanArguments};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// Folder for the results, where it is not the one that the plan names
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let (plan, suite) = arguments.plan.read()?;
    let options =
        Options { retry_failures: false, ..arguments.plan.options(&plan, arguments.out)? };
    let machine = &arguments.plan.machine;
    let finished = machine
        .watched(&options, |reporter| bertillon_runner::merge(&plan, &suite, &options, reporter))?;
    run::show(machine, finished)
}
