//! A suite as it was read, to be read again at another time or by another process.

use std::{
    io,
    ops::Range,
    path::{self, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Suite, SuiteError};

/// Text and places of a suite: all that reading it again takes, whatever the working directory is then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuiteSource {
    /// The suite, with every `--set` applied.
    pub text: String,
    /// Its file, absolute: paths in the suite are relative to it.
    pub path: PathBuf,
    /// Where `--set` gave values, in bytes of the text: paths among them are relative to `outside`.
    pub given_outside: Vec<Range<usize>>,
    /// The working directory in which they were given, absolute.
    pub outside: PathBuf,
}

impl Suite {
    /// What it was read from.
    ///
    /// # Errors
    /// When the working directory is gone.
    pub fn source(&self) -> io::Result<SuiteSource> {
        Ok(SuiteSource {
            text: self.text.to_string(),
            path: path::absolute(&self.path)?,
            given_outside: self.given_outside.clone(),
            outside: match self.outside.as_os_str().is_empty() {
                true => std::env::current_dir()?,
                false => self.outside.clone(),
            },
        })
    }

    /// Reads a suite again.
    ///
    /// # Errors
    /// With every mistake at once when it is no suite.
    pub fn from_source(source: SuiteSource) -> Result<Self, SuiteError> {
        let SuiteSource { text, path, given_outside, outside } = source;
        let suite = Self::parse(&path, &text, &[])?;
        Ok(Self { given_outside, outside, ..suite })
    }
}
