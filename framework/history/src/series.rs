//! Rates arranged as series over runs.

use crate::Entry;

/// Which series are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this suite only.
    pub suite: Option<String>,
    /// Of this fingerprint only.
    pub fingerprint: Option<String>,
    /// At this budget; without one, at each suite's primary budget.
    pub budget: Option<i64>,
    /// Of this kind of variant, `prune/conv`; without one, over all variants.
    pub kind: Option<String>,
}

/// One rate over runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Suite.
    pub suite: String,
    /// Fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: i64,
    /// Kind of variant with its detail; empty over all.
    pub kind: String,
    /// Target false-positive rate: rates at another one are another series.
    pub alpha: f64,
    /// By date.
    pub points: Vec<Point>,
}

/// A rate of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When: `2026-11-24T12:30:00Z`.
    pub date: String,
    /// Commit, where it was given.
    pub commit: Option<String>,
    /// Rate at exactly the target, in `[0, 1]`.
    pub rate: f64,
    /// Its interval clustered by family.
    pub ci95: Option<[f64; 2]>,
}

impl Point {
    /// The first digits of the commit, or the day.
    pub fn label(&self) -> String {
        match &self.commit {
            Some(commit) => commit.chars().take(9).collect(),
            None => self.day().to_owned(),
        }
    }

    /// The day.
    pub fn day(&self) -> &str {
        self.date.get(..10).unwrap_or(&self.date)
    }
}

/// The series that are wanted, of entries that are sorted by date, in the order of their first points.
pub fn series(entries: &[Entry], wanted: &Wanted) -> Vec<Series> {
    let fits = |entry: &&Entry| {
        wanted.suite.as_ref().is_none_or(|suite| *suite == entry.suite)
            && wanted.fingerprint.as_ref().is_none_or(|name| *name == entry.fingerprint)
            && wanted.budget.map_or(entry.primary, |budget| budget == entry.budget)
            && wanted.kind.as_deref().unwrap_or_default() == entry.kind
    };
    let mut all: Vec<Series> = Vec::new();
    for entry in entries.iter().filter(fits) {
        let same = |series: &Series| {
            (&series.suite, &series.fingerprint, series.budget, &series.kind)
                == (&entry.suite, &entry.fingerprint, entry.budget, &entry.kind)
                && series.alpha.to_bits() == entry.alpha.to_bits()
        };
        let place = all.iter().position(same).unwrap_or_else(|| {
            all.push(Series {
                suite: entry.suite.clone(),
                fingerprint: entry.fingerprint.clone(),
                budget: entry.budget,
                kind: entry.kind.clone(),
                alpha: entry.alpha,
                points: Vec::new(),
            });
            all.len() - 1
        });
        all[place].points.push(Point {
            date: entry.date.clone(),
            commit: entry.commit.clone(),
            rate: entry.rate,
            ci95: entry.ci95,
        });
    }
    all
}
