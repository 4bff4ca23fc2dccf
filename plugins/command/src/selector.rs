//! Queries chosen by a program: `selector = { plugin = "command" }`.
//!
//! The program gets what the owner knows as files and answers with indices into the pool. A method of its own; see
//! `docs/PLUGINS.md` for the protocol and examples in Python.

use bertillon::{Configure, Error, InputSelector, Knowledge, Owner, Result, Stream};

use crate::program::{
    self, Params, Plugin, knowledge,
    protocol::{Call, Description, Role, Selected, SelectorDescription},
    seed,
};

/// Chooses queries by a program.
#[derive(Debug)]
pub struct Command {
    plugin: Plugin,
    description: SelectorDescription,
}

impl Configure for Command {
    type Parameters = Params;

    const STARTS_PROGRAMS: bool = true;

    fn configure(params: Params) -> Result<Self> {
        let plugin = Plugin::new(params)?;
        match plugin.describe(Role::Selector)? {
            Description::Selector(description) => Ok(Self { plugin, description }),
            _ => Err(Error::Refused("the program says that it selects no inputs".to_owned())),
        }
    }
}

impl InputSelector for Command {
    fn knowledge(&self) -> Knowledge {
        knowledge(&self.description.knowledge)
    }

    fn ingredients(&self) -> Vec<String> {
        self.plugin.ingredients(&self.description.version)
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        let owner = program::owner(owner, &self.plugin.program)?;
        let Selected { indices } =
            self.plugin.call(Call::Select { owner, budget, seed: seed(stream) })?;
        Ok(indices)
    }
}

bertillon::register_selector!("command", Command);
