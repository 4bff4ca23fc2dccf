//! `bertillon schema`.

mod plugins;
mod structure;

use std::{fs, path::PathBuf};

use bertillon::{
    Entry,
    registry::{self, PluginKind},
};
use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};

use super::libraries::LibraryArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};
use plugins::Choice;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writes to a file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    libraries: LibraryArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    arguments.libraries.load()?;
    let text = text()?;
    match &arguments.output {
        None => output::print(&text)?,
        Some(path) => fs::write(path, text).map_err(|error| {
            Failure::User(format!("can't write to {}: {error}", path.display()))
        })?,
    }
    Ok(Outcome::Done)
}

/// The schema of a suite with every plugin that is registered by now, indented.
pub(crate) fn text() -> Result<String, Failure> {
    let fault = |error: &dyn std::error::Error| Failure::Fault(error.to_string());
    let entries = registry::entries().map_err(|error| fault(&error))?;
    Ok(serde_json::to_string_pretty(&schema(entries)).map_err(|error| fault(&error))? + "\n")
}

/// The schema of a suite, of draft 7: what the TOML tools of editors read.
fn schema(entries: &[&Entry]) -> Value {
    let mut definitions = Map::new();
    let kinds = [
        (PluginKind::Variant, Choice::variant()),
        (PluginKind::Selector, Choice::selector()),
        (PluginKind::Method, Choice::fingerprint()),
        (PluginKind::Images, Choice::images()),
        (PluginKind::Models, Choice::models()),
    ];
    for (kind, choice) in kinds {
        let of_kind: Vec<&Entry> = entries.iter().copied().filter(|e| e.kind() == kind).collect();
        let schema = choice.schema(&of_kind, &mut definitions);
        definitions.insert(choice.name.to_owned(), schema);
    }
    let mut root = structure::root();
    root["definitions"] = Value::Object(definitions);
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root
}

#[cfg(test)]
mod tests;
