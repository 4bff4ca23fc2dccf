//! `bertillon status`.

use bertillon_reports::plain;
use clap::Args;

use super::{
    submit::{jobs_of, slurm::Jobs},
    suite::PlanArguments,
};
use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Names of failed cells that are shown.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: PlanArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (plan, suite) = arguments.plan.read()?;
    let options = arguments.plan.options(&plan, None)?;
    let standings = bertillon_runner::standing(&plan, &suite, &options, 1)?;
    let jobs = Jobs::read(&jobs_of(&arguments.plan.plan)).states();
    let states = jobs.as_deref().unwrap_or_default();
    let rows = standings.iter().map(|standing| {
        let phase = standing.phase.word();
        let tasks = states.iter().filter(|(name, _, _)| name == phase);
        let tasks: Vec<String> = tasks.map(|(_, state, n)| format!("{n} {state}")).collect();
        [
            phase.to_owned(),
            standing.done.to_string(),
            standing.failed.len().to_string(),
            standing.missing.len().to_string(),
            match standing.missing.is_empty() {
                true => String::new(),
                false => output::duration(standing.seconds),
            },
            tasks.join(", "),
        ]
    });
    let head = ["Phase", "Done", "Failed", "Missing", "One worker's time", "Tasks"];
    output::print(&output::table(head, rows, 1))?;
    if let Err(problem) = &jobs {
        output::say(&plain(&format!("what is queued is not known: {problem}")));
    }
    let failed: Vec<&String> = standings.iter().flat_map(|standing| &standing.failed).collect();
    for name in failed.iter().take(SHOWN) {
        output::print(&plain(&format!("failed: {name}\n")))?;
    }
    if failed.len() > SHOWN {
        output::print(&format!("failed: {} more\n", failed.len() - SHOWN))?;
    }
    let missing: usize = standings.iter().map(|standing| standing.missing.len()).sum();
    output::print(&match missing {
        0 => "all cells are there: `bertillon merge` writes the results\n".to_owned(),
        n => format!("{} missing\n", output::counted(n, "cell is", "cells are")),
    })?;
    Ok(Outcome::Done)
}
