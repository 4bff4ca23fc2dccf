//! How a command ends, and what is said when it ends badly.

use std::{error::Error, fmt, io::IsTerminal as _, process::ExitCode};

use bertillon::suite::SuiteError;
use bertillon_runner::RunError;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::output;

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
    /// A gate failed, for the reasons shown.
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
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::User(message) => {
                output::say(&format!("error: {message}"));
                ExitCode::from(USER)
            }
            Self::Suite(error) => {
                output::say(suite_mistakes(&error).trim_end());
                ExitCode::from(USER)
            }
            Self::Interrupted(message) => {
                output::say(&message);
                ExitCode::from(INTERRUPTED)
            }
            Self::Fault(message) => {
                output::say(&format!("a fault of bertillon itself: {message}"));
                ExitCode::from(FAULT)
            }
        }
    }
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

/// Every mistake with the lines of the suite that it stands in.
fn suite_mistakes(error: &SuiteError) -> String {
    let theme = match std::io::stderr().is_terminal() && output::colours_welcome() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let source = NamedSource::new(error.path.display().to_string(), error.text.to_string())
        .with_language("toml");
    let mut text = String::new();
    for diagnostic in &error.diagnostics {
        let mistake = Mistake { diagnostic, source: &source, length: error.text.len() };
        if handler.render_report(&mut text, &mistake).is_err() {
            text.push_str(&format!("error: {}\n", diagnostic.message));
        }
        text.push('\n');
    }
    text.push_str(&format!("error: {error}\n"));
    text
}

/// One mistake as miette wants it.
struct Mistake<'a> {
    diagnostic: &'a bertillon::suite::Diagnostic,
    source: &'a NamedSource<String>,
    length: usize,
}

impl fmt::Debug for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.diagnostic, f)
    }
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl Error for Mistake<'_> {}

impl miette::Diagnostic for Mistake<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (self.length > 0).then_some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.length == 0 {
            return None;
        }
        let start = self.diagnostic.at.start.min(self.length);
        let end = self.diagnostic.at.end.clamp(start, self.length);
        let label = Some(self.diagnostic.label.clone()).filter(|label| !label.is_empty());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(label, start..end))))
    }
}
