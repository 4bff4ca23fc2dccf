//! `bertillon completions`.

use bertillon::registry;
use clap::{Args, CommandFactory as _, builder::PossibleValuesParser};
use clap_complete::{Shell, generate};

use super::Cli;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut command()?, "bertillon", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}

/// The command line as shells complete it: `describe` takes the names of plugins. Parsing leaves that to `describe` itself,
/// which knows libraries and guesses what was meant.
fn command() -> Result<clap::Command, Failure> {
    let entries = registry::entries().map_err(|error| Failure::Fault(error.to_string()))?;
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    let names = PossibleValuesParser::new(names);
    Ok(Cli::command().mut_subcommand("describe", |describe| {
        describe.mut_arg("name", |name| name.value_parser(names))
    }))
}
