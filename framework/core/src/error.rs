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

    /// What libtorch said, without the C++ frames that it appends.
    pub fn torch(said: &str) -> Self {
        Self::Torch(first_line(said))
    }

    /// A file that can't be used, with the reason.
    pub fn file(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::File { path: path.into(), problem: problem.to_string() }
    }
}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::torch(&error.to_string())
    }
}

/// Longest line of libtorch that is repeated, in characters.
const LONGEST: usize = 400;

/// libtorch appends its C++ frames to every message; the first line says what went wrong. An error within TorchScript
/// comes after the lines of code that led to it, with the name of its exception.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("unknown error").trim();
    let cause = first.contains("TorchScript interpreter").then(|| lines.find_map(raised)).flatten();
    cause.unwrap_or(first).chars().take(LONGEST).collect()
}

/// What was raised, where a line says it: `RuntimeError: what`, `builtins.ValueError: what`.
fn raised(line: &str) -> Option<&str> {
    let (name, what) = line.split_once(": ")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    (!what.is_empty() && name.chars().all(is_name)).then(|| what.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_libtorch_says_the_cause_is_kept() {
        let said = |text: &str| Error::torch(text).to_string();
        let frames = "Exception raised from check at /pytorch/c10.h:1 (most recent call first):\nframe #0: 0x1";
        let plain = format!("The size of tensor a (3) must match b (4)\n{frames}");
        assert_eq!(said(&plain), "libtorch: The size of tensor a (3) must match b (4)");
        let head = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript, serialized \
                    code (most recent call last):\n  File \"code/__torch__.py\", line 3, in forward\n    x: int = 1\n    \
                    ~~~~ <--- HERE\n";
        assert_eq!(said(&format!("{head}RuntimeError: too few\n{frames}")), "libtorch: too few");
        assert_eq!(said(&format!("{head}builtins.ValueError: no image\n")), "libtorch: no image");
        assert_eq!(said(""), "libtorch: unknown error");
        assert!(said(&"x".repeat(5000)).len() < 500);
    }
}
