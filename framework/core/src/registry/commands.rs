//! Whether plugins may start other programs.
//!
//! A suite names such programs, and a suite may come from a stranger. So they start only once the user has said so; asked
//! where a plugin is built, no plugin that builds another one (a chain) gets around it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Lets plugins start the programs that a suite names, until this program ends.
pub fn allow_commands() {
    ALLOWED.store(true, Ordering::Relaxed);
}

/// Whether [`allow_commands`] was called.
pub fn commands_are_allowed() -> bool {
    ALLOWED.load(Ordering::Relaxed)
}

pub(super) fn require() -> Result<()> {
    match commands_are_allowed() {
        true => Ok(()),
        false => Err(Error::Refused(
            "it starts a program of its own, which runs with your rights; allow it with --allow-commands"
                .to_owned(),
        )),
    }
}
