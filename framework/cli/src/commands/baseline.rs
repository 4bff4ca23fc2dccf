//! `bertillon baseline`.

use std::path::PathBuf;

use bertillon_reports::comparison;
use clap::Args;

use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder that `bertillon run` wrote
    #[arg(value_name = "DIR")]
    run: PathBuf,
    /// Writes to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let run = comparison::read(&arguments.run).map_err(|error| Failure::user(&error))?;
    if let Some(failure) = run.failures.first() {
        let count = run.failures.len();
        return Err(Failure::User(format!(
            "{count} cells of this run failed, so it is nothing to measure others against; the first: {failure}"
        )));
    }
    let text = comparison::baseline_text(&run);
    output::write(arguments.output.as_ref(), &text)?;
    Ok(Outcome::Done)
}
