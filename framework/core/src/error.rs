//! What can go wrong in a plugin, and around it.

use std::path::PathBuf;

/// An error of a plugin or of what it works on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has an impossible value.
    #[error("`{name}` = {value}: {problem}")]
    Parameter {
        /// Its name in the suite.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The plugin can't do its work on what it was given.
    #[error("{0}")]
    Refused(String),
    /// A tensor has another shape than promised.
    #[error("{what} has shape {actual:?}, expected {expected:?}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Promised.
        expected: Vec<i64>,
        /// Got.
        actual: Vec<i64>,
    },
    /// A model answered NaN or infinity.
    #[error(
        "{count} of {total} logits are NaN or infinite, first for image {first}: the model is broken"
    )]
    NotFinite {
        /// How many.
        count: i64,
        /// Of how many.
        total: i64,
        /// Index of the first image concerned.
        first: i64,
    },
    /// A file can't be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// libtorch refused an operation; what it said, in a line.
    ///
    /// In words, since the types within a [`tch::TchError`] depend on what else a library of plugins is built with.
    #[error("libtorch: {0}")]
    Torch(String),
    /// A plugin panicked.
    #[error("panicked: {message}{}", match place.as_str() { "" => String::new(), place => format!(" (at {place})") })]
    Panicked {
        /// First line of its message.
        message: String,
        /// File and line, where known.
        place: String,
    },
    /// Answers or statistics disagree.
    #[error(transparent)]
    Measure(#[from] bertillon_measure::Error),
}

/// Result of plugin calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An impossible value of the parameter `name`.
    pub fn parameter(name: &'static str, value: impl ToString, problem: impl Into<String>) -> Self {
        Self::Parameter { name, value: value.to_string(), problem: problem.into() }
    }

    /// A file that can't be used, with the reason.
    pub fn file(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::File { path: path.into(), problem: problem.to_string() }
    }
}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(first_line(&error))
    }
}

/// libtorch appends its C++ frames to every message; the first line says what went wrong. An error within TorchScript
/// comes after the lines of code that led to it.
fn first_line(error: &tch::TchError) -> String {
    let text = error.to_string();
    let cause = text.lines().find_map(|line| line.strip_prefix("RuntimeError: "));
    let first = text.lines().find(|line| !line.trim().is_empty());
    cause.or(first).unwrap_or("unknown error").trim().to_owned()
}
