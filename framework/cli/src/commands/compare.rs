//! `bertillon compare`.

use std::path::PathBuf;

use bertillon_measure::tracking;
use bertillon_reports::{Colour, comparison};
use clap::{Args, ValueEnum};

use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to measure against: a folder that `bertillon run` wrote, its results.json, or a baseline
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The run in question, in any of these forms
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Exits with 1 on a loss beyond noise and tolerance, or when something of BASE is missing or failed in NEW; with
    /// 2 when it can't be decided
    #[arg(long)]
    gate: bool,
    /// Losses up to so many percentage points are let pass
    #[arg(long, value_name = "POINTS", default_value = "1.0", value_parser = points)]
    tolerance: f64,
    /// How to render it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Writes to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for a terminal
    Terminal,
    /// GitHub's Markdown
    Markdown,
    /// All that is known of it
    Json,
}

/// Percentage points of a loss.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("give percentage points from 0 to 100".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let read = |place| comparison::read(place).map_err(|error| Failure::user(&error));
    let (base, new) = (read(&arguments.base)?, read(&arguments.new)?);
    let found = tracking::compare(&base, &new, arguments.tolerance / 100.0);
    let text = match (arguments.format, &arguments.output) {
        (Format::Markdown, _) => comparison::markdown(&found),
        (Format::Json, _) => {
            let text = serde_json::to_string_pretty(&found);
            format!("{}\n", text.map_err(|error| Failure::Fault(error.to_string()))?)
        }
        (Format::Terminal, None) => comparison::terminal(&found, output::width(), output::colour()),
        (Format::Terminal, Some(_)) => comparison::terminal(&found, None, Colour::Never),
    };
    output::write(arguments.output.as_ref(), &text)?;
    Ok(match (arguments.gate, found.gate.outcome) {
        (false, _) | (true, tracking::Outcome::Passed) => Outcome::Done,
        (true, tracking::Outcome::Failed) => Outcome::GateFailed,
        (true, tracking::Outcome::Undecided) => Outcome::GateUndecided,
    })
}
