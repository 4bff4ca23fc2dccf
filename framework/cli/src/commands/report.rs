//! `bertillon report`.

use std::{fs, path::PathBuf};

use bertillon_reports as reports;
use clap::{Args, ValueEnum};

use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder that `bertillon run` wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
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
    /// Tidy table, one row a figure
    Csv,
    /// Document for pdflatex, with tables to copy
    Latex,
    /// results.json itself, checked
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let results = reports::read(&arguments.folder).map_err(|error| Failure::user(&error))?;
    let text = match (arguments.format, &arguments.output) {
        (Format::Markdown, _) => reports::markdown(&results),
        (Format::Csv, _) => reports::csv(&results),
        (Format::Latex, _) => reports::latex(&results),
        (Format::Json, _) => reports::json(&results),
        (Format::Terminal, None) => reports::terminal(&results, output::width(), output::colour()),
        (Format::Terminal, Some(_)) => reports::terminal(&results, None, reports::Colour::Never),
    };
    match &arguments.output {
        None => output::print(&text)?,
        Some(path) => fs::write(path, text)
            .map_err(|error| Failure::User(format!("can't write {}: {error}", path.display())))?,
    }
    Ok(Outcome::Done)
}
