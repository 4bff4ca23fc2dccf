//! The file: SQLite in write-ahead mode, so that readers and writers don't stop each other.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use crate::{
    HistoryError, Run,
    run::{Date, RunRate},
};

/// Steps from each format to the next; what has been published is never changed.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE runs (
        id        INTEGER PRIMARY KEY,
        identity  TEXT NOT NULL UNIQUE,
        suite     TEXT NOT NULL,
        seed      TEXT NOT NULL,
        alpha     REAL NOT NULL,
        draws     INTEGER NOT NULL,
        bertillon TEXT,
        commit_id TEXT,
        date      TEXT NOT NULL
    ) STRICT;
    CREATE TABLE rates (
        run         INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        fingerprint TEXT NOT NULL,
        budget      INTEGER NOT NULL,
        kind        TEXT NOT NULL,
        is_primary  INTEGER NOT NULL,
        positives   INTEGER NOT NULL,
        rate        REAL NOT NULL,
        sd          REAL,
        low         REAL,
        high        REAL,
        PRIMARY KEY (run, fingerprint, budget, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_by_date ON runs (suite, date, id);
"];

/// The format that this version writes.
const FORMAT: i64 = MIGRATIONS.len() as i64;

/// Marks a file as ours: `BERT` as SQLite's application id.
const APPLICATION: i32 = 0x4245_5254;

/// A history.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    wait: Duration,
}

/// What became of a run that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is kept now.
    New,
    /// The same results of the same commit were there already; nothing was written.
    Known,
}

/// One rate of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number of the run, in the order of adding.
    pub run: i64,
    /// When the run was made: `2026-11-24T12:30:00Z`.
    pub date: String,
    /// Commit, where it was given.
    pub commit: Option<String>,
    /// Suite.
    pub suite: String,
    /// Seed.
    pub seed: String,
    /// Target false-positive rate.
    pub alpha: f64,
    /// Draws.
    pub draws: i64,
    /// Version of bertillon, where it is known.
    pub bertillon: Option<String>,
    /// Fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: i64,
    /// Kind of variant with its detail; empty over all.
    pub kind: String,
    /// Whether the budget is the suite's primary one.
    pub primary: bool,
    /// True pairs.
    pub positives: i64,
    /// True-positive rate at exactly the target.
    pub rate: f64,
    /// Its standard deviation over draws.
    pub sd: Option<f64>,
    /// Its interval clustered by family.
    pub ci95: Option<[f64; 2]>,
}

impl Store {
    /// Opens a history, or makes one where there is no file yet; waits so long for others that write.
    ///
    /// # Errors
    /// When the file is something else, damaged, of a later format, or locked for too long.
    pub fn create(path: &Path, wait: Duration) -> Result<Self, HistoryError> {
        Self::open_with(path, wait, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a history that is there.
    ///
    /// # Errors
    /// When there is none, or as [`Store::create`].
    pub fn open(path: &Path, wait: Duration) -> Result<Self, HistoryError> {
        if !path.exists() {
            return Err(HistoryError::Missing { path: path.to_owned() });
        }
        Self::open_with(path, wait, OpenFlags::empty())
    }

    fn open_with(path: &Path, wait: Duration, flags: OpenFlags) -> Result<Self, HistoryError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let explain = |error| HistoryError::of(path.to_owned(), wait, error);
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        let mut store = Self { connection, path: path.to_owned(), wait };
        store.connection.busy_timeout(wait).map_err(explain)?;
        store.check_kind()?;
        store.write_ahead()?;
        store.migrate()?;
        Ok(store)
    }

    fn explain(&self, error: rusqlite::Error) -> HistoryError {
        HistoryError::of(self.path.clone(), self.wait, error)
    }

    /// Refuses files that are not ours before anything is written.
    fn check_kind(&self) -> Result<(), HistoryError> {
        let number = |pragma: &str| -> rusqlite::Result<i64> {
            self.connection.pragma_query_value(None, pragma, |row| row.get(0))
        };
        let check = || -> rusqlite::Result<(i64, i64, i64, String)> {
            let tables = "SELECT count(*) FROM sqlite_schema";
            let tables = self.connection.query_row(tables, [], |row| row.get(0))?;
            let health =
                self.connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            Ok((number("application_id")?, number("user_version")?, tables, health))
        };
        // A stranger's file may have views and triggers, which run when tables are used.
        let strict = self.connection.pragma_update(None, "trusted_schema", false);
        strict.map_err(|error| self.explain(error))?;
        let (application, format, tables, health) = check().map_err(|error| self.explain(error))?;
        let path = || self.path.clone();
        let unstored = "SELECT count(*) FROM sqlite_schema WHERE rootpage IS NULL OR rootpage = 0";
        let unstored: i64 = self
            .connection
            .query_row(unstored, [], |row| row.get(0))
            .map_err(|error| self.explain(error))?;
        if unstored > 0 {
            let what = "it has views, triggers or virtual tables, which no history has";
            return Err(HistoryError::NoHistory { path: path(), what });
        }
        if health != "ok" {
            return Err(HistoryError::Damaged { path: path(), problem: health });
        }
        match (application == i64::from(APPLICATION), tables) {
            (true, _) if format > FORMAT => {
                Err(HistoryError::Newer { path: path(), found: format, known: FORMAT })
            }
            (true, _) | (false, 0) => Ok(()),
            (false, _) => Err(HistoryError::NoHistory {
                path: path(),
                what: "it is a SQLite database of another program",
            }),
        }
    }

    /// Readers and writers don't stop each other; file systems that can't have it keep their own mode.
    fn write_ahead(&self) -> Result<(), HistoryError> {
        let until = Instant::now() + self.wait;
        loop {
            let mode: rusqlite::Result<String> =
                self.connection
                    .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
            match mode {
                Ok(_) => break,
                // Changing the mode does not wait for others by itself.
                Err(error) => match self.explain(error) {
                    HistoryError::Locked { .. } if Instant::now() < until => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    other => return Err(other),
                },
            }
        }
        let set = self.connection.pragma_update(None, "foreign_keys", true);
        set.map_err(|error| self.explain(error))
    }

    /// Brings an older format, or an empty file, to this one.
    fn migrate(&mut self) -> Result<(), HistoryError> {
        let path = self.path.clone();
        let wait = self.wait;
        let format = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let mut migrate = || -> rusqlite::Result<()> {
            if format(&self.connection)? >= FORMAT {
                return Ok(());
            }
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another program may have done it while this one waited.
            let done = usize::try_from(format(&transaction)?).unwrap_or_default();
            for step in MIGRATIONS.iter().skip(done) {
                transaction.execute_batch(step)?;
            }
            if done < MIGRATIONS.len() {
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            transaction.commit()
        };
        migrate().map_err(|error| HistoryError::of(path, wait, error))
    }

    /// Adds a run, whole or not at all.
    ///
    /// # Errors
    /// When its date is none, or the file can't be written.
    pub fn add(&mut self, run: &Run) -> Result<Added, HistoryError> {
        let date = self.date(&run.date)?;
        let (path, wait) = (self.path.clone(), self.wait);
        let mut add = || -> rusqlite::Result<Added> {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = "SELECT id FROM runs WHERE identity = ?1";
            let known: Option<i64> =
                transaction.query_row(known, [&run.identity], |row| row.get(0)).optional()?;
            if known.is_some() {
                return Ok(Added::Known);
            }
            transaction.execute(
                "INSERT INTO runs (identity, suite, seed, alpha, draws, bertillon, commit_id, date)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    run.identity,
                    run.suite,
                    run.seed,
                    run.alpha,
                    run.draws,
                    run.bertillon,
                    run.commit,
                    date
                ],
            )?;
            let id = transaction.last_insert_rowid();
            insert_rates(&transaction, id, &run.rates)?;
            transaction.commit()?;
            Ok(Added::New)
        };
        add().map_err(|error| HistoryError::of(path, wait, error))
    }

    /// A date in the one form that is kept, which sorts by time.
    fn date(&self, date: &Date) -> Result<String, HistoryError> {
        let text =
            |sql: &str, value: &dyn rusqlite::ToSql| -> Result<Option<String>, HistoryError> {
                let found = self.connection.query_row(sql, [value], |row| row.get(0));
                found.map_err(|error| self.explain(error))
            };
        match date {
            Date::Seconds(seconds) => {
                let found =
                    text("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch')", seconds)?;
                found.ok_or_else(|| HistoryError::Date { given: seconds.to_string() })
            }
            Date::Given(given) => {
                // SQLite would take a bare number for a day, and 30 February for a day of March.
                let day: String = given.chars().take(10).collect();
                let same = text("SELECT date(?1)", &day)?;
                let found = text("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1)", given)?;
                found
                    .filter(|_| same.as_ref() == Some(&day))
                    .ok_or_else(|| HistoryError::Date { given: given.clone() })
            }
        }
    }

    /// Every rate of every run, by date.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn entries(&self) -> Result<Vec<Entry>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut statement = self.connection.prepare(
                "SELECT runs.id, date, commit_id, suite, seed, alpha, draws, bertillon, fingerprint, budget, kind,
                        is_primary, positives, rate, sd, low, high
                 FROM runs JOIN rates ON rates.run = runs.id
                 ORDER BY date, runs.id, suite, fingerprint, budget, kind",
            )?;
            let entries = statement.query_map([], |row| {
                let bounds: (Option<f64>, Option<f64>) = (row.get(15)?, row.get(16)?);
                Ok(Entry {
                    run: row.get(0)?,
                    date: row.get(1)?,
                    commit: row.get(2)?,
                    suite: row.get(3)?,
                    seed: row.get(4)?,
                    alpha: row.get(5)?,
                    draws: row.get(6)?,
                    bertillon: row.get(7)?,
                    fingerprint: row.get(8)?,
                    budget: row.get(9)?,
                    kind: row.get(10)?,
                    primary: row.get(11)?,
                    positives: row.get(12)?,
                    rate: row.get(13)?,
                    sd: row.get(14)?,
                    ci95: bounds.0.zip(bounds.1).map(|(low, high)| [low, high]),
                })
            })?;
            entries.collect()
        };
        read().map_err(|error| self.explain(error))
    }
}

fn insert_rates(
    transaction: &Transaction<'_>,
    run: i64,
    rates: &[RunRate],
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare(
        "INSERT INTO rates (run, fingerprint, budget, kind, is_primary, positives, rate, sd, low, high)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for rate in rates {
        insert.execute(params![
            run,
            rate.fingerprint,
            rate.budget,
            rate.kind,
            rate.primary,
            rate.positives,
            rate.rate.mean,
            rate.rate.sd,
            rate.rate.ci95.map(|[low, _]| low),
            rate.rate.ci95.map(|[_, high]| high),
        ])?;
    }
    Ok(())
}
