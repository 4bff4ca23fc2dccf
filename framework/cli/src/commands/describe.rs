//! `bertillon describe`.

use bertillon::{
    Access, Entry, Knowledge, Needs,
    registry::{self, Builder, Origin},
    suite,
};
use clap::Args;

use super::libraries::LibraryArguments;
use super::parameters::{self, Parameter};
use crate::{
    failure::{Failure, Outcome, chain},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of a plugin, as `bertillon list` prints it
    name: String,
    #[command(flatten)]
    libraries: LibraryArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    arguments.libraries.load()?;
    let entries = registry::entries().map_err(|error| Failure::Fault(error.to_string()))?;
    let found: Vec<_> = entries.iter().filter(|entry| entry.name == arguments.name).collect();
    if found.is_empty() {
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        names.dedup();
        let hint = suite::suggestion(&arguments.name, &names).unwrap_or_default();
        return Err(Failure::User(format!("no plugin is called `{}`; {hint}", arguments.name)));
    }
    let texts: Vec<String> = found.into_iter().map(|entry| description(entry)).collect();
    output::print(&texts.join("\n"))?;
    Ok(Outcome::Done)
}

fn description(entry: &Entry) -> String {
    let mut text = format!("{} ({})\n", entry.name, entry.kind());
    let documentation = entry.documentation().trim();
    if !documentation.is_empty() {
        text.push_str(&format!("\n{documentation}\n"));
    }
    if let Some(needs) = needs(entry) {
        text.push_str(&format!("\n{needs}"));
    }
    text.push('\n');
    match parameters::parameters(entry.schema().as_value()).as_slice() {
        [] => text.push_str("It takes no parameters.\n"),
        parameters => {
            text.push_str("Parameters\n");
            parameters.iter().for_each(|parameter| push_parameter(parameter, &mut text));
        }
    }
    text.push_str(&format!("\nSource: {}, digest {:.16}\n", entry.module, entry.source_digest()));
    if let Origin::Library(library) = entry.origin() {
        text.push_str(&format!(
            "From: library {} ({}), digest {:.16}\n",
            library.path.display(),
            library.built_from,
            library.digest
        ));
    }
    // Texts of a library are not ours.
    text.lines().map(|line| bertillon_reports::plain(line) + "\n").collect()
}

fn push_parameter(parameter: &Parameter, text: &mut String) {
    let default = match &parameter.default {
        Some(default) => format!("default {default}"),
        None => "absent by default".to_owned(),
    };
    text.push_str(&format!("  {}: {}, {default}\n", parameter.name, parameter.kind));
    if !parameter.description.is_empty() {
        text.push_str(&format!("      {}\n", parameter.description));
    }
}

/// What the plugin asks for, or does, with default parameters.
fn needs(entry: &Entry) -> Option<String> {
    let said = match entry.builder {
        Builder::Variant(build) => build("{}").map(|generator| {
            let variation = generator.variation();
            format!("Variation by default: {variation}; acts on: {}\n", variation.group)
        }),
        Builder::Selector(build) => build("{}").map(|s| knowledge_line(s.knowledge())),
        Builder::Method(build) => build("{}").map(|method| method_lines(method.needs())),
        Builder::Images(_) | Builder::Models(_) => return None,
    };
    // A plugin without usable defaults still has documentation and parameters.
    Some(said.unwrap_or_else(|error| format!("Defaults alone do not do: {}\n", chain(&error))))
}

fn method_lines(needs: Needs) -> String {
    let access = match needs.access {
        Access::Top1 => "the best label (top1)".to_owned(),
        other => format!("{other}"),
    };
    let selector = if needs.selector { "chosen by an input selector" } else { "no input selector" };
    let crafted = if needs.crafts { "crafted once an owner, into a bank" } else { "none crafted" };
    format!(
        "Black boxes reveal: {access}\n{}Queries: {selector}; {crafted}\n",
        knowledge_line(needs.knowledge)
    )
}

fn knowledge_line(knowledge: Knowledge) -> String {
    match knowledge.words().as_slice() {
        [] => "The owner knows: nothing but her answers\n".to_owned(),
        words => format!("The owner knows: {}\n", words.join(", ")),
    }
}
