//! `bertillon report`.

use std::path::PathBuf;

use bertillon_measure::results::Results;
use bertillon_reports as reports;
use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};

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
    /// Draws this figure alone, as SVG
    #[arg(long, value_name = "NAME", conflicts_with = "format", value_parser = figure_names())]
    figure: Option<reports::FigureName>,
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
    /// One page that opens offline
    Html,
    /// results.json itself, checked
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let results = reports::read(&arguments.folder).map_err(|error| Failure::user(&error))?;
    let text = match arguments.figure {
        Some(name) => reports::svg(&results, name).map_err(|error| Failure::user(&error))?,
        None => text(&results, arguments)?,
    };
    output::write(arguments.output.as_ref(), &text)?;
    Ok(Outcome::Done)
}

fn text(results: &Results, arguments: &Arguments) -> Result<String, Failure> {
    Ok(match (arguments.format, &arguments.output) {
        (Format::Markdown, _) => reports::markdown(results),
        (Format::Csv, _) => reports::csv(results),
        (Format::Latex, _) => reports::latex(results),
        (Format::Html, _) => {
            let provenance = reports::read_provenance(&arguments.folder);
            reports::html(results, provenance.map_err(|error| Failure::user(&error))?.as_ref())
        }
        (Format::Json, _) => reports::json(results),
        (Format::Terminal, None) => reports::terminal(results, output::width(), output::colour()),
        (Format::Terminal, Some(_)) => reports::terminal(results, None, reports::Colour::Never),
    })
}

/// The words for figures, and which one each means.
fn figure_names() -> impl clap::builder::TypedValueParser<Value = reports::FigureName> {
    let named = |word: String| {
        reports::FigureName::ALL.into_iter().find(|name| name.name() == word).ok_or(word)
    };
    PossibleValuesParser::new(reports::FigureName::ALL.map(reports::FigureName::name))
        .try_map(move |word| named(word).map_err(|word| format!("no figure `{word}`")))
}
