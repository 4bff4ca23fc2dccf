//! Why a history can't be used.

use std::{path::PathBuf, time::Duration};

use rusqlite::ErrorCode;

/// Why a history can't be read or written; whatever it held is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Nothing there.
    #[error("no history at {}: `bertillon history add DIR` makes one", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of another kind.
    #[error("{} is no history of bertillon: {what}; nothing was written to it", path.display())]
    NoHistory {
        /// Which.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// Written by a later version.
    #[error(
        "{} has format {found}, this bertillon knows up to {known}: use the version that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest known here.
        known: i64,
    },
    /// Others were writing for too long.
    #[error(
        "{} is locked: another program was still writing after {} s; try again, or wait longer (--wait)",
        path.display(),
        waited.as_secs()
    )]
    Locked {
        /// Which.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file's content is broken.
    #[error(
        "{} is damaged ({problem}): nothing was written to it; restore a copy, or save what can be read with \
         `sqlite3 FILE .recover`",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// No date that can be put in order.
    #[error("`{given}` is no date: give 2026-11-24 or 2026-11-24T12:30:00Z")]
    Date {
        /// As given.
        given: String,
    },
    /// Anything else that SQLite refuses.
    #[error("can't use {}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl HistoryError {
    /// What an error of SQLite means for the history in this file.
    pub(crate) fn of(path: PathBuf, waited: Duration, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path, waited }
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, problem: source.to_string() },
            Some(ErrorCode::NotADatabase) => {
                Self::NoHistory { path, what: "it is no SQLite database" }
            }
            _ => Self::Database { path, source },
        }
    }
}
