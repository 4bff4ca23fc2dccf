//! Rates that somebody published, to be shown beside those of a run.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    results::{FingerprintResult, PublishedRate, PublishedRates},
    untrusted::{abridged, excerpt},
};

/// A file of published rates.
///
/// ```toml
/// source     = "who, what, where"
/// population = "models judged there"
/// notes      = ["what can't be compared, and why"]
///
/// [[rates]]
/// table  = "II"
/// budget = 100
/// kind   = "prune"              # left out: over all variants
/// detail = "conv"               # left out: the kind has none
/// tpr    = { "FBI 30/70" = 91.1 }   # %, by the name of a fingerprint
/// sd     = { "FBI 30/70" = 1.5 }    # %, may be left out
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Who published them, and where.
    pub source: String,
    /// The models judged there.
    pub population: String,
    /// What can't be compared, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    rates: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    table: String,
    budget: usize,
    kind: Option<String>,
    detail: Option<String>,
    tpr: BTreeMap<String, f64>,
    #[serde(default)]
    sd: BTreeMap<String, f64>,
}

impl Published {
    /// Reads such a file.
    ///
    /// # Errors
    /// With what is wrong, in words, when it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let published: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("line {}: {}", 1 + before.matches('\n').count(), abridged(error.message()))
        })?;
        for row in &published.rates {
            for (name, value) in row.tpr.iter().chain(&row.sd) {
                if !(0.0..=100.0).contains(value) {
                    let (name, table) = (excerpt(name), excerpt(&row.table));
                    return Err(format!("`{name}` = {value} in table {table}: no share in %"));
                }
            }
            if let Some(name) = row.sd.keys().find(|name| !row.tpr.contains_key(*name)) {
                let (name, table) = (excerpt(name), excerpt(&row.table));
                return Err(format!("`sd` of `{name}` without its `tpr` in table {table}"));
            }
        }
        Ok(published)
    }

    /// Whether it has a rate of any of these fingerprints at any of these budgets.
    pub fn concerns(&self, fingerprints: &[&str], budgets: &[usize]) -> bool {
        let concerned = |row: &Row| {
            budgets.contains(&row.budget)
                && fingerprints.iter().any(|&name| row.tpr.contains_key(name))
        };
        self.rates.iter().any(concerned)
    }

    /// Every published rate with that of this run, where it has one.
    pub fn beside(&self, fingerprints: &[FingerprintResult]) -> PublishedRates {
        let rates = self.rates.iter().flat_map(|row| {
            // In the order of the suite, which is also that of its other tables.
            let named = |fingerprint: &FingerprintResult| {
                let tpr = *row.tpr.get(&fingerprint.name)?;
                Some(row.beside(fingerprint, tpr))
            };
            fingerprints.iter().filter_map(named).collect::<Vec<_>>()
        });
        PublishedRates {
            source: self.source.clone(),
            population: self.population.clone(),
            notes: self.notes.clone(),
            rates: rates.collect(),
        }
    }
}

impl Row {
    fn beside(&self, fingerprint: &FingerprintResult, tpr: f64) -> PublishedRate {
        let at = fingerprint.budgets.iter().find(|at| at.budget == self.budget);
        let found = at.and_then(|at| match &self.kind {
            None => Some(at.tpr),
            Some(kind) => at
                .variations
                .iter()
                .find(|row| (&row.kind, &row.detail, &row.parameter) == (kind, &self.detail, &None))
                .map(|row| row.tpr),
        });
        PublishedRate {
            table: self.table.clone(),
            fingerprint: fingerprint.name.clone(),
            budget: self.budget,
            kind: self.kind.clone(),
            detail: self.detail.clone(),
            published: tpr / 100.0,
            published_sd: self.sd.get(&fingerprint.name).map(|sd| sd / 100.0),
            tpr: found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_tables_are_read_and_mistakes_are_named() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/published/maho-2022.toml");
        let published = Published::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(published.concerns(&["Entropy"], &[200]) && !published.concerns(&["All"], &[200]));
        let wrong = |rates: &str| {
            Published::parse(&format!("source = \"s\"\npopulation = \"p\"\n{rates}")).unwrap_err()
        };
        assert!(wrong("rate = 3").contains("unknown field `rate`"));
        let row = "[[rates]]\ntable = \"I\"\nbudget = 20\n";
        assert!(wrong(&format!("{row}tpr = {{ A = 120 }}")).contains("`A` = 120"));
        assert!(wrong(&format!("{row}tpr = {{}}\nsd = {{ A = 1 }}")).contains("without its `tpr`"));
    }
}
