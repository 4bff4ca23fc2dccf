//! What is kept of a run.

use bertillon_measure::{
    Provenance,
    results::{BudgetResult, Rate, Results, kind_name},
};

/// A run to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Digest of its results and its commit: who adds the same again adds nothing.
    pub(crate) identity: String,
    /// Name of the suite.
    pub(crate) suite: String,
    /// Seed, in decimal digits.
    pub(crate) seed: String,
    /// Target false-positive rate.
    pub(crate) alpha: f64,
    /// Draws.
    pub(crate) draws: i64,
    /// Version of bertillon, where it is known.
    pub(crate) bertillon: Option<String>,
    /// Commit of the code under test, where it was given.
    pub(crate) commit: Option<String>,
    /// When: a date as given, else seconds since 1970.
    pub(crate) date: Date,
    /// Rates at exactly the target.
    pub(crate) rates: Vec<RunRate>,
}

/// When a run was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Date {
    /// As the user gives it.
    Given(String),
    /// As the run's provenance has it.
    Seconds(i64),
}

/// A rate of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunRate {
    pub(crate) fingerprint: String,
    pub(crate) budget: i64,
    /// Kind with its detail; empty over all.
    pub(crate) kind: String,
    pub(crate) primary: bool,
    pub(crate) positives: i64,
    pub(crate) rate: Rate,
}

impl Run {
    /// What is kept of these results; `provenance` is what lies beside them, where it does.
    ///
    /// Without a date given, that of the provenance is taken; [`Run::has_date`] tells whether there was one.
    pub fn new(
        results: &Results,
        provenance: Option<&Provenance>,
        commit: Option<String>,
        date: Option<String>,
    ) -> Self {
        let seconds = provenance.and_then(|found| i64::try_from(found.finished_unix_s).ok());
        let mut identity = blake3::Hasher::new();
        // The results as they are written, so that a file's layout means nothing.
        identity.update(serde_json::to_string(results).unwrap_or_default().as_bytes());
        identity.update(b"\0");
        identity.update(commit.as_deref().unwrap_or_default().as_bytes());
        let mut rates = Vec::new();
        for fingerprint in &results.fingerprints {
            for at in &fingerprint.budgets {
                let primary = at.budget == results.evaluation.primary_budget;
                rates.extend(rates_of(&fingerprint.name, at, primary));
            }
        }
        Self {
            identity: identity.finalize().to_hex().to_string(),
            suite: results.suite.clone(),
            seed: results.seed.to_string(),
            alpha: results.evaluation.false_positive_rate,
            draws: whole(results.evaluation.draws),
            bertillon: provenance
                .map(|found| found.bertillon.clone())
                .filter(|version| !version.is_empty()),
            commit,
            date: match date {
                Some(date) => Date::Given(date),
                None => Date::Seconds(seconds.unwrap_or_default()),
            },
            rates,
        }
    }

    /// Whether it is known when the run was made.
    pub fn has_date(&self) -> bool {
        self.date != Date::Seconds(0)
    }
}

fn rates_of(fingerprint: &str, at: &BudgetResult, primary: bool) -> Vec<RunRate> {
    let rate = |kind: String, positives: usize, rate: Rate| RunRate {
        fingerprint: fingerprint.to_owned(),
        budget: whole(at.budget),
        kind,
        primary,
        positives: whole(positives),
        rate,
    };
    let kinds = || at.variations.iter().filter(|row| row.parameter.is_none());
    let all = kinds().map(|row| row.positives).sum();
    let mut rates = vec![rate(String::new(), all, at.tpr_randomised)];
    rates.extend(kinds().map(|row| {
        let kind = kind_name(&row.kind, row.detail.as_deref());
        rate(kind, row.positives, row.tpr_randomised)
    }));
    rates
}

/// A count as SQLite has it.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
