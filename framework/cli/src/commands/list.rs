//! `bertillon list`.

use std::{fs, path::PathBuf};

use bertillon::{
    Entry,
    registry::{self, Origin, PluginKind},
    suite::Suite,
};
use bertillon_reports::plain;
use clap::{Args, ValueEnum};

use super::libraries::LibraryArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Where a checkout has its suites.
const SUITES: &str = "benchmarks/suites";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to list [default: all plugins]
    what: Option<What>,
    #[command(flatten)]
    libraries: LibraryArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What a thief does to a stolen model
    Variants,
    /// Which images an owner asks
    Selectors,
    /// How an owner enrols her model and judges a suspect
    Methods,
    /// Where vanillas come from
    Models,
    /// Where images come from
    Images,
    /// Suites in benchmarks/suites of this folder
    Suites,
}

impl What {
    fn kind(self) -> Option<PluginKind> {
        match self {
            Self::Variants => Some(PluginKind::Variant),
            Self::Selectors => Some(PluginKind::Selector),
            Self::Methods => Some(PluginKind::Method),
            Self::Models => Some(PluginKind::Models),
            Self::Images => Some(PluginKind::Images),
            Self::Suites => None,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    arguments.libraries.load()?;
    let text = match arguments.what.map(What::kind) {
        Some(None) => suites()?,
        Some(Some(kind)) => rows(&of_kind(kind)?),
        None => all()?,
    };
    output::print(&text)?;
    Ok(Outcome::Done)
}

fn all() -> Result<String, Failure> {
    let kinds = [
        PluginKind::Variant,
        PluginKind::Selector,
        PluginKind::Method,
        PluginKind::Images,
        PluginKind::Models,
    ];
    let mut parts = Vec::new();
    for kind in kinds {
        let entries = of_kind(kind)?;
        if !entries.is_empty() {
            parts.push(format!("{kind}s\n{}", rows(&entries)));
        }
    }
    Ok(parts.join("\n"))
}

fn of_kind(kind: PluginKind) -> Result<Vec<&'static Entry>, Failure> {
    registry::of_kind(kind).map_err(|error| Failure::Fault(error.to_string()))
}

/// Name and first line of documentation, a plugin a line, with its origin where that is not the program.
fn rows(entries: &[&Entry]) -> String {
    let longest = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let row = |entry: &&Entry| {
        let first = plain(entry.documentation().lines().next().unwrap_or_default());
        let origin = match entry.origin() {
            Origin::CompiledIn => String::new(),
            other => format!("  [{}]", plain(&other.to_string())),
        };
        format!("  {:longest$}  {first}{origin}", entry.name).trim_end().to_owned() + "\n"
    };
    entries.iter().map(row).collect()
}

fn suites() -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::User(format!(
            "can't read {SUITES} here: {error}; go to a checkout of bertillon, or name a suite's file to `bertillon run`"
        ))
    };
    let files = fs::read_dir(SUITES).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let row = |path: &PathBuf| {
        let about = match Suite::read(path, &[]) {
            Ok(suite) => format!(
                "{}: {} fingerprints, budgets {}",
                suite.name,
                suite.fingerprints.len(),
                suite
                    .evaluation
                    .budgets
                    .iter()
                    .map(|budget| budget.value.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Err(error) => format!("{error} (`bertillon run` shows them)"),
        };
        format!("{}  {}\n", plain(&path.display().to_string()), plain(&about))
    };
    Ok(paths.iter().map(row).collect())
}
