//! `bertillon run`.

use std::path::PathBuf;

use bertillon_reports as reports;
use bertillon_runner::{Finished, PlanSummary};
use clap::{Args, ValueHint};

use super::suite::{MachineArguments, SuiteArguments, out_of};
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// Folder for the results [default: results/NAME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Shows what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let machine = arguments.suite.machine();
    let frozen = arguments.suite.frozen()?;
    let (suite, options) = match &frozen {
        Some(plan) => {
            let out = arguments.out.unwrap_or_else(|| plan.out.clone());
            (machine.suite_of(plan)?, arguments.suite.options_of_plan(plan, out)?)
        }
        None => {
            let suite = arguments.suite.read()?;
            let options = arguments.suite.options(out_of(&suite, arguments.out)?)?;
            (suite, options)
        }
    };
    if arguments.dry_run {
        output::print(&plan_text(&bertillon_runner::plan(&suite, &options)?))?;
        return Ok(Outcome::Done);
    }
    let finished = machine.watched(&options, |reporter| match &frozen {
        Some(plan) => bertillon_runner::run_frozen(plan, &suite, &options, reporter),
        None => bertillon_runner::run(&suite, &options, reporter),
    })?;
    show(machine, finished)
}

/// Shows what a run found.
pub(super) fn show(machine: &MachineArguments, finished: Finished) -> Result<Outcome, Failure> {
    output::print(&reports::terminal(&finished.results, output::width(), output::colour()))?;
    let answers = match finished.computed {
        0 => "no answer had to be computed".to_owned(),
        1 => "1 answer computed".to_owned(),
        n => format!("{n} answers computed"),
    };
    machine.note(&format!("results in {} ({answers})", finished.out.display()));
    match finished.results.failures.len() {
        0 => Ok(Outcome::Done),
        n => {
            output::say(&format!("{n} cells failed, named above; their pairs are in no count"));
            Ok(match finished.abandoned {
                0 => Outcome::SomeFailed,
                _ => Outcome::SomeAbandoned,
            })
        }
    }
}

fn plan_text(plan: &PlanSummary) -> String {
    let mut text = format!(
        "Plan of {}\n  {} vanillas, {} variations of each, {} images in the pool\n",
        plan.suite,
        plan.vanillas,
        plan.variations.len(),
        plan.pool
    );
    if !plan.variations.is_empty() {
        text.push_str(&format!("  {}\n", reports::plain(&plan.variations.join(", "))));
    }
    text.push('\n');
    let head = ["Fingerprint", "Method", "Access", "Knowledge"];
    text.push_str(&output::table(head, plan.fingerprints.iter().cloned(), 4));
    text.push('\n');
    let cells = plan.cells.iter().map(|(step, all, cached)| {
        let left = all.saturating_sub(*cached);
        [step.clone(), all.to_string(), cached.to_string(), left.to_string()]
    });
    text.push_str(&output::table(["Step", "Cells", "In the cache", "Left"], cells, 1));
    text.push_str(&format!(
        "\n{} answers needed, about {} on this machine\n",
        plan.answers_needed,
        output::duration(plan.estimate_s)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_shows_counts_fingerprints_steps_and_time() {
        let plan = PlanSummary {
            suite: "demo".to_owned(),
            vanillas: 12,
            variations: vec!["half".to_owned(), "prune/conv/0.2".to_owned()],
            pool: 2000,
            fingerprints: vec![["FBI", "fbi", "top1", "labels"].map(str::to_owned)],
            cells: vec![("derive".to_owned(), 24, 4)],
            answers_needed: 48_000,
            estimate_s: 150.0,
        };
        let text = plan_text(&plan);
        assert!(text.starts_with("Plan of demo\n  12 vanillas, 2 variations of each, 2000 images"));
        let row = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.lines().any(|line| row(line) == ["FBI", "fbi", "top1", "labels"]), "{text}");
        assert!(text.lines().any(|line| row(line) == ["derive", "24", "4", "20"]), "{text}");
        assert!(text.ends_with("48000 answers needed, about 2 min on this machine\n"), "{text}");
    }
}
