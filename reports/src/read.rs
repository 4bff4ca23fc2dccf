//! Reading `results.json` from the folder of a run.

use std::{
    io,
    path::{Path, PathBuf},
};

use bertillon_measure::{
    Provenance,
    results::{Results, SCHEMA},
    tracking::BASELINE_SCHEMA,
    untrusted,
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;

/// Name of the file in the folder of a run.
pub const FILE_NAME: &str = "results.json";
/// Largest file of JSON that is read, in bytes: results of some ten million models.
pub(crate) const LARGEST: u64 = 4 << 30;
/// Name of the file beside it that tells what a run was made of.
pub const PROVENANCE_FILE_NAME: &str = "provenance.json";

/// Why results can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Nothing there.
    #[error(
        "no results at {}: give the folder that `bertillon run` wrote (--out), or run the suite first",
        path.display()
    )]
    Missing {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// The file is there but can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file ends too early.
    #[error(
        "{} is cut off at line {line}: it was not written to its end; run the suite again, the cache keeps what is done",
        path.display()
    )]
    Truncated {
        /// Which.
        path: PathBuf,
        /// Line of the end.
        line: usize,
    },
    /// No results in the format of this version.
    #[error("{} holds no results of bertillon: {problem}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong and where.
        problem: String,
    },
    /// Pairs of another run.
    #[error(
        "{} does not belong to the {FILE_NAME} beside it, which was written with pairs of digest {expected}, not {found}: \
         one of the two is of another run, or was changed or cut off; run the suite again, the cache keeps what is done",
        path.display()
    )]
    ForeignPairs {
        /// The pairs.
        path: PathBuf,
        /// BLAKE3 digest that the results name.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// No provenance of a run.
    #[error("{} can't be read: {problem}; a report without it needs the file out of the way", path.display())]
    Provenance {
        /// Which.
        path: PathBuf,
        /// What is wrong and where.
        problem: String,
    },
    /// Written by a later version.
    #[error(
        "{} has format {found}, this bertillon reads up to {SCHEMA}: use the version that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A baseline written by a later version.
    #[error(
        "{} is a baseline of format {found}, this bertillon reads up to {BASELINE_SCHEMA}: use the version that \
         wrote it, or a later one",
        path.display()
    )]
    NewerBaseline {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
}

/// Reads the results in the folder of a run, or in the file itself.
///
/// # Errors
/// When there are none, or they are cut off, of another form or of a later version.
pub fn read(place: &Path) -> Result<Results, ReportError> {
    let path = if place.is_file() { place.to_owned() } else { place.join(FILE_NAME) };
    let text = match untrusted::read_text(&path, LARGEST) {
        Ok(text) => text,
        Err(error) if missing(error.kind()) => return Err(ReportError::Missing { path }),
        Err(source) => return Err(ReportError::File { path, source }),
    };
    parse(&text, path)
}

/// Reads what the run was made of, from the file beside its results; none where there is no such file.
///
/// # Errors
/// When it is there but is no provenance.
pub fn read_provenance(place: &Path) -> Result<Option<Provenance>, ReportError> {
    let folder = if place.is_file() { place.parent().unwrap_or(Path::new("")) } else { place };
    let path = folder.join(PROVENANCE_FILE_NAME);
    let problem = match untrusted::read_text(&path, LARGEST) {
        Err(error) if missing(error.kind()) => return Ok(None),
        Err(error) => error.to_string(),
        Ok(text) => match serde_json::from_str(&text) {
            Ok(provenance) => return Ok(Some(provenance)),
            Err(error) => untrusted::abridged(&error.to_string()),
        },
    };
    Err(ReportError::Provenance { path, problem })
}

fn missing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads results from the text of their file; `path` is where it came from.
///
/// # Errors
/// As [`read()`].
pub fn parse(text: &str, path: PathBuf) -> Result<Results, ReportError> {
    // Whether it is whole, and then its format: a later one may have any other form.
    parse_as::<IgnoredAny>(text, &path)?;
    let format = match text.trim_start().starts_with('{') {
        true => parse_as(text, &path)?,
        // A list would pass for the fields in their order.
        false => Format { schema: None },
    };
    match format.schema.as_ref().and_then(Value::as_u64) {
        Some(found) if found > u64::from(SCHEMA) => Err(ReportError::Newer { path, found }),
        Some(_) => parse_as(text, &path),
        None => Err(ReportError::Malformed { path, problem: "it has no `schema`".to_owned() }),
    }
}

/// What tells the version of a file; all else in it is passed over.
#[derive(Deserialize)]
struct Format {
    schema: Option<Value>,
}

/// JSON of a form that is known.
pub(crate) fn parse_as<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|error| match error.is_eof() {
        true => ReportError::Truncated { path: path.to_owned(), line: error.line() },
        false => ReportError::Malformed {
            path: path.to_owned(),
            problem: untrusted::abridged(&error.to_string()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, json};

    fn message(text: &str) -> String {
        parse(text, PathBuf::from("out/results.json")).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let results = fixture::results();
        let read = parse(&json(&results), PathBuf::new()).unwrap();
        assert_eq!(read, results);
    }

    #[test]
    fn a_missing_folder_says_what_to_do() {
        let error = read(Path::new("no/such/folder")).unwrap_err().to_string();
        assert!(error.starts_with("no results at no/such/folder/results.json"), "{error}");
        assert!(error.contains("bertillon run"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_told_from_a_malformed_one() {
        let whole = json(&fixture::results());
        let error = message(&whole[..whole.len() / 2]);
        assert!(error.starts_with("out/results.json is cut off at line "), "{error}");
        assert!(message("").contains("cut off"), "an empty file");
        assert!(message("[1, 2").contains("cut off"));
        assert!(message("hello").contains("no results of bertillon"));
        assert!(message("{}").contains("no `schema`"));
        assert!(message(r#"{"schema": 1}"#).contains("missing field"));
    }

    #[test]
    fn a_later_format_names_both_versions() {
        assert_eq!(
            message(r#"{"schema": 7, "whatever": []}"#),
            "out/results.json has format 7, this bertillon reads up to 1: use the version that wrote it, or a later one"
        );
    }
}
