//! `bertillon work`.

use bertillon_reports::plain;
use bertillon_runner::{Options, Phase, Shard};
use clap::Args;

use super::suite::PlanArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Cells that fail are noted in the cache and are no error: the exit code is 0. What one cell needs of others is made on the way where it is missing, so shards may run in any order, at any time, more than once."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// Which share: `3/8` is the third of eight [default: all]
    #[arg(long, value_name = "i/N")]
    shard: Option<Shard>,
    /// One phase only: vanillas, crafting or models [default: all, in this order]
    #[arg(long, value_parser = phase)]
    phase: Option<Phase>,
    /// Tries cells again that failed before
    #[arg(long)]
    retry_failed: bool,
}

fn phase(word: &str) -> Result<Phase, String> {
    let known = Phase::ALL.map(Phase::word).join(", ");
    let found = Phase::ALL.into_iter().find(|phase| phase.word() == word);
    found.ok_or_else(|| format!("the phases are {known}"))
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (plan, suite) = arguments.plan.read()?;
    let options =
        Options { retry_failures: arguments.retry_failed, ..arguments.plan.options(&plan, None)? };
    let shard = arguments.shard.unwrap_or(Shard::ALL);
    let machine = &arguments.plan.machine;
    let worked = machine.watched(&options, |reporter| {
        bertillon_runner::work(&plan, &suite, &options, shard, arguments.phase, reporter)
    })?;
    for failure in &worked.failures {
        output::say(&plain(&format!(
            "{}: {} failed: {}",
            failure.subject, failure.step, failure.reason
        )));
    }
    let count = |cells: u64| usize::try_from(cells).unwrap_or(usize::MAX);
    let done = output::counted(count(worked.done), "cell", "cells");
    let there = output::counted(count(worked.there), "was", "were");
    let failed = output::counted(worked.failures.len(), "failure", "failures");
    output::print(&format!("{done} computed, {there} there, {failed}\n"))?;
    match worked.abandoned {
        0 => Ok(Outcome::Done),
        _ => crate::failure::leave_at_once(0),
    }
}
