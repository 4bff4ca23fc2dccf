//! What two runs were made of: what differs, and whether rates can be compared all the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{Baseline, TrackedModel, baseline::Inputs};

/// Names that are said before the rest is counted.
const NAMED: usize = 3;

/// Settings of a suite that the evaluation of the results states as well, as it was run.
const STATED: [&str; 10] = [
    "name",
    "seed",
    "data.pool",
    "evaluation.task",
    "evaluation.protocol",
    "evaluation.negatives",
    "evaluation.false_positive_rate",
    "evaluation.max_accuracy_drop",
    "evaluation.primary_budget",
    "evaluation.draws",
];

/// Something that both runs have, and that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputChange {
    /// What it is.
    pub what: String,
    /// In BASE; empty where it has none.
    pub base: String,
    /// In NEW; empty where it has none.
    pub new: String,
}

/// What differs, and what stands in the way of a comparison.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) changes: Vec<InputChange>,
    pub(super) obstacles: Vec<String>,
}

/// Looks at everything but rates.
pub(super) fn inspect(base: &Baseline, new: &Baseline) -> Inspection {
    let mut found = Inspection::default();
    found.settings(base, new);
    match (&base.inputs, &new.inputs) {
        (Some(base), Some(new)) => found.made_of(base, new),
        (base, new) => {
            let word = |inputs: &Option<Inputs>| match inputs {
                Some(_) => "known",
                None => "unknown: no provenance.json",
            };
            found.note("what the run was made of", word(base), word(new));
        }
    }
    found.models(&base.models, &new.models);
    if base.fingerprints.is_empty() || new.fingerprints.is_empty() {
        found.obstacles.push("a run without detection has no rates to compare".to_owned());
    }
    found
}

impl Inspection {
    fn note(&mut self, what: &str, base: impl ToString, new: impl ToString) -> bool {
        let (base, new) = (base.to_string(), new.to_string());
        let differs = base != new;
        if differs {
            self.changes.push(InputChange { what: what.to_owned(), base, new });
        }
        differs
    }

    /// Notes a difference that makes rates mean something else.
    fn require(&mut self, what: &str, base: impl ToString, new: impl ToString) {
        let (base, new) = (base.to_string(), new.to_string());
        if self.note(what, &base, &new) {
            self.obstacles.push(format!("{what} differs: {base} and {new}"));
        }
    }

    fn settings(&mut self, base: &Baseline, new: &Baseline) {
        let (a, b) = (&base.evaluation, &new.evaluation);
        self.note("suite", &base.suite, &new.suite);
        self.note("seed", base.seed, new.seed);
        self.note("task", &a.task, &b.task);
        self.require("protocol", &a.protocol, &b.protocol);
        self.require("negatives", &a.negatives, &b.negatives);
        let rate = |e: &crate::results::Evaluation| e.false_positive_rate;
        self.require("target false-positive rate", rate(a), rate(b));
        self.require("largest drop of accuracy", a.max_accuracy_drop, b.max_accuracy_drop);
        self.require("images in the pool", a.pool, b.pool);
        self.note("primary budget", a.primary_budget, b.primary_budget);
        self.note("draws", a.draws, b.draws);
    }

    fn made_of(&mut self, base: &Inputs, new: &Inputs) {
        self.require("digest of the images", &base.data, &new.data);
        self.note("bertillon", &base.bertillon, &new.bertillon);
        self.note("source of bertillon's core", &base.source, &new.source);
        self.note("libtorch", &base.libtorch, &new.libtorch);
        self.note("device", &base.device, &new.device);
        let sources = |inputs: &Inputs| -> BTreeMap<String, String> {
            inputs.plugins.iter().map(|[name, source]| (name.clone(), source.clone())).collect()
        };
        self.note_maps("source of plugin ", &sources(base), &sources(new));
        if base.suite != new.suite {
            self.note_maps("suite: ", &suite_settings(&base.suite), &suite_settings(&new.suite));
        }
    }

    fn note_maps(
        &mut self,
        what: &str,
        base: &BTreeMap<String, String>,
        new: &BTreeMap<String, String>,
    ) {
        let mut keys: Vec<&String> = base.keys().chain(new.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let of = |map: &BTreeMap<String, String>, key| map.get(key).cloned().unwrap_or_default();
        for key in keys {
            self.note(&format!("{what}{key}"), of(base, key), of(new, key));
        }
    }

    fn models(&mut self, base: &[TrackedModel], new: &[TrackedModel]) {
        let by_name = |models: &[TrackedModel]| -> BTreeMap<String, TrackedModel> {
            let kept = models.iter().filter(|model| model.kept);
            kept.map(|model| (model.name.clone(), model.clone())).collect()
        };
        let (base, new) = (by_name(base), by_name(new));
        self.note("models judged", base.len(), new.len());
        let absent = |from: &BTreeMap<String, TrackedModel>,
                      of: &BTreeMap<String, TrackedModel>| {
            of.keys().filter(|name| !from.contains_key(*name)).cloned().collect::<Vec<_>>()
        };
        let (gone, come) = (absent(&new, &base), absent(&base, &new));
        if !gone.is_empty() {
            self.obstacles.push(format!("models judged in BASE only: {}", named(&gone)));
        }
        if !come.is_empty() {
            self.obstacles.push(format!("models judged in NEW only: {}", named(&come)));
        }
        let both = || base.iter().filter_map(|(name, model)| Some((name, model, new.get(name)?)));
        let changed: Vec<String> = both()
            .filter(|(_, a, b)| a.digest.is_some() && b.digest.is_some() && a.digest != b.digest)
            .map(|(name, ..)| name.clone())
            .collect();
        if !changed.is_empty() {
            self.obstacles
                .push(format!("models with other weights or answers: {}", named(&changed)));
        }
        let otherwise: Vec<String> = both()
            .filter(|(_, a, b)| a.digest.is_none() || b.digest.is_none())
            .filter(|(_, a, b)| (a.accuracy, a.agreement) != (b.accuracy, b.agreement))
            .map(|(name, ..)| name.clone())
            .collect();
        if !otherwise.is_empty() {
            self.note("derived models that answer the pool otherwise", "", named(&otherwise));
        }
    }
}

/// `4: a, b, c, …`.
fn named(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}: {}{more}", names.len(), names[..names.len().min(NAMED)].join(", "))
}

/// Every setting of a suite by its path, but those that results state; none of a text that is no suite.
fn suite_settings(text: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        flatten(&Value::Table(table), "", &mut settings);
    }
    settings.retain(|path, _| !STATED.contains(&path.as_str()));
    settings
}

fn flatten(value: &Value, path: &str, settings: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| flatten(value, &below(key), settings));
        }
        // Tables of an array are known by their names, or by all they hold: their order means nothing.
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for item in items {
                match item.get("name").and_then(Value::as_str) {
                    Some(name) => flatten(item, &format!("{path}[{name}]"), settings),
                    None => {
                        settings.insert(format!("{path} {item}"), "given".to_owned());
                    }
                }
            }
        }
        other => {
            settings.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_suite_are_known_by_name_and_not_by_place() {
        let suite = |first: &str, second: &str| {
            format!(
                "name = \"a\"\n[[fingerprints]]\n{first}\n[[fingerprints]]\n{second}\n[[variants]]\nplugin = \"jpeg\"\n"
            )
        };
        let (a, b) = ("name = \"A\"\nmethod = \"fbi\"", "name = \"B\"\nmethod = \"akh\"\ntop = 3");
        let settings = suite_settings(&suite(a, b));
        assert_eq!(settings, suite_settings(&suite(b, a)));
        assert_eq!(settings["fingerprints[B].top"], "3");
        assert!(settings.keys().any(|key| key.starts_with("variants {")), "{settings:?}");
        assert!(!settings.contains_key("name"), "the results state it");
        assert!(suite_settings("no = = suite").is_empty());
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(named(&names), "4: a, b, c, …");
        assert_eq!(named(&names[..2]), "2: a, b");
    }
}
