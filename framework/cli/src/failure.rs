//! How a command ends, and what is said when it ends badly.

mod mistakes;

use std::{error::Error, io::IsTerminal as _, process::ExitCode};

use bertillon::suite::SuiteError;
use bertillon_runner::RunError;
use clap::ValueEnum;
use miette::GraphicalTheme;
use serde_json::json;

use crate::{fault, output};

/// Exit code of a gate that failed.
pub(crate) const GATE: u8 = 1;
/// Exit code of a user's mistake.
pub(crate) const USER: u8 = 2;
/// Exit code of a run some cells of which failed.
pub(crate) const SOME_FAILED: u8 = 3;
/// Exit code of bertillon's own fault.
pub(crate) const FAULT: u8 = 4;
/// Exit code after Ctrl-C, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ErrorFormat {
    /// For people
    Text,
    /// For programs: a JSON object a line
    Json,
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All well.
    Done,
    /// Some cells failed and were reported.
    SomeFailed,
    /// Some cells failed, and threads of some are still at work.
    SomeAbandoned,
    /// The machine is not ready, as was said line by line.
    NotReady,
    /// A gate failed, for the reasons shown; a suspect that is rejected fails one too, where the user asks for it.
    GateFailed,
    /// A gate could not decide, for the reasons shown.
    GateUndecided,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::SomeFailed | Outcome::SomeAbandoned => Self::from(SOME_FAILED),
            Outcome::NotReady | Outcome::GateUndecided => Self::from(USER),
            Outcome::GateFailed => Self::from(GATE),
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A mistake of the user, or of the machine: what, where, what to do.
    User(String),
    /// A suite with mistakes.
    Suite(SuiteError),
    /// Ctrl-C.
    Interrupted(String),
    /// A fault of bertillon itself.
    Fault(String),
}

impl Failure {
    /// A user's mistake, told with all its causes.
    pub(crate) fn user(error: &dyn Error) -> Self {
        Self::User(chain(error))
    }

    /// Says what happened on standard error.
    pub(crate) fn report(self, format: ErrorFormat) -> ExitCode {
        let (severity, message, code) = match &self {
            Self::Suite(error) => {
                let text = match format {
                    ErrorFormat::Text => drawn(error),
                    ErrorFormat::Json => mistakes::json_lines(error),
                };
                output::say_as_it_is(text.trim_end());
                return ExitCode::from(USER);
            }
            Self::User(message) => ("error", message, USER),
            Self::Interrupted(message) => ("interrupted", message, INTERRUPTED),
            Self::Fault(message) => ("fault", message, FAULT),
        };
        let message = match &self {
            Self::Fault(message) => fault::told(message, None, None),
            _ => message.clone(),
        };
        match (format, &self) {
            (ErrorFormat::Json, _) => {
                let object = json!({ "severity": severity, "message": message });
                output::say_as_it_is(&object.to_string());
            }
            (ErrorFormat::Text, Self::User(_)) => output::say(&format!("error: {message}")),
            (ErrorFormat::Text, _) => output::say(&message),
        }
        ExitCode::from(code)
    }
}

/// Ends the program without libtorch's farewells, which would pull the ground from under threads still at work in it.
/// All is written by now.
#[expect(unsafe_code, reason = "Rust's own exit runs the destructors of C++ libraries")]
pub(crate) fn leave_at_once(code: u8) -> ! {
    // SAFETY: it does not return, and no destructor of ours has anything left to do.
    unsafe { libc::_exit(i32::from(code)) }
}

fn drawn(error: &SuiteError) -> String {
    let theme = match std::io::stderr().is_terminal() && output::colours_welcome() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    mistakes::drawn(error, theme, output::error_width().unwrap_or(100).clamp(40, 120))
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Self {
        Self::Suite(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Suite(error) => Self::Suite(error),
            RunError::Interrupted => Self::Interrupted(error.to_string()),
            other => Self::user(&other),
        }
    }
}

/// The message of an error and of all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    message
}
