//! Suites: what to run, as TOML, read with the place of everything in the file.

mod evaluation;
mod figures;
mod grid;
mod nearest;
mod overrides;
mod read;
pub mod section;
mod source;
mod tasks;
#[cfg(test)]
mod tests;
pub mod values;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

pub use nearest::{nearest, suggestion};
pub use source::SuiteSource;

/// A value and where it stands in the suite's text (bytes).
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Bytes of [`Suite::text`].
    pub at: Range<usize>,
}

/// A plugin by name, with parameters as given.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Registered name.
    pub plugin: Located<String>,
    /// Parameters in the order of the file; those absent take their defaults.
    pub parameters: Vec<(Located<String>, Located<Value>)>,
}

/// Variants of one plugin, over the cross product of lists.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantUse {
    /// Registered name.
    pub plugin: Located<String>,
    /// Fixed parameters.
    pub parameters: Vec<(Located<String>, Located<Value>)>,
    /// Parameters that take each value of a list.
    pub grid: Vec<(Located<String>, Vec<Located<Value>>)>,
}

/// Which other vanillas an owner knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Peers {
    /// All of them.
    All,
    /// A share of the others, rounded down, drawn for each owner.
    Share(f64),
    /// These, where they are not the owner herself.
    Named(Vec<Located<String>>),
}

/// One `[[fingerprints]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FingerprintUse {
    /// The user's name, unique in the suite.
    pub name: Located<String>,
    /// The method and its parameters.
    pub method: PluginUse,
    /// The input selector, where one is given.
    pub selector: Option<PluginUse>,
    /// Crafted queries an owner makes; default the largest budget.
    pub bank: Option<Located<usize>>,
    /// Overrides the evaluation's.
    pub peers: Option<Peers>,
    /// Overrides the evaluation's.
    pub rehearsals: Option<Vec<VariantUse>>,
}

/// Where thresholds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One threshold from all false pairs (the paper's).
    Pooled,
    /// An owner's threshold comes from the families that are not hers, nor of her ancestry.
    LeaveOneFamilyOut,
    /// None is found: distances are p-values, and those up to the false-positive rate are accepted.
    Nominal,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pooled, Self::LeaveOneFamilyOut, Self::Nominal];

    /// Its word in suites and results.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::LeaveOneFamilyOut => "leave-one-family-out",
            Self::Nominal => "nominal",
        }
    }
}

/// Which false pairs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negatives {
    /// All.
    All,
    /// Only suspects of families that the owner does not know as peers.
    Strangers,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Is this suspect a variant of my model?
    Detection,
    /// Whose model is it, if anyone's that is known?
    Identification,
    /// The same two questions where every model is known, asked image by image.
    Sequential,
}

impl Task {
    /// The suite's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Detection => "detection",
            Self::Identification => "identification",
            Self::Sequential => "sequential",
        }
    }
}

/// What an identification names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifyBy {
    /// The family of a suspect.
    Family,
    /// Given the family, the kind of variant; the hypotheses are the kinds that the owner rehearsed.
    Variation,
}

/// `[evaluation.identification]`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentificationUse {
    /// What is named, without repetition.
    pub by: Vec<IdentifyBy>,
    /// Share of the families that nobody knows, drawn anew for each draw; in [0, 1).
    pub unknown: f64,
}

/// What a sequential test decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Whether a suspect is of a given family.
    Detection,
    /// Which family it is of.
    Family,
    /// Which kind of variant of which vanilla it is.
    Variation,
    /// Which model it is.
    Model,
}

/// How a sequential test rates its next image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequentialScore {
    /// By the impostors expected to survive.
    Mean,
    /// By the impostors that survive at worst.
    Worst,
    /// By the impostors that are surely eliminated.
    Best,
}

/// `[evaluation.sequential]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialUse {
    /// What is decided, without repetition.
    pub goals: Vec<Goal>,
    /// How images are rated, without repetition.
    pub scores: Vec<SequentialScore>,
    /// Labels that a black box reveals, each at least 1, without repetition.
    pub top_k: Vec<Located<usize>>,
}

/// `[figures]`: data for the paper's two figures.
#[derive(Debug, Clone, PartialEq)]
pub struct FiguresUse {
    /// Perplexities of the maps of all models (t-SNE), each above 1.
    pub perplexities: Vec<f64>,
    /// Numbers of images for the histograms of distances.
    pub histograms: Vec<Located<usize>>,
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationUse {
    /// What is judged, at least one, without repetition.
    pub tasks: Vec<Task>,
    /// How to identify.
    pub identification: IdentificationUse,
    /// How to test in sequence.
    pub sequential: SequentialUse,
    /// Queries a fingerprint may spend, ascending, distinct.
    pub budgets: Vec<Located<usize>>,
    /// The one that comparisons look at first; one of `budgets`.
    pub primary_budget: usize,
    /// alpha, in (0, 1).
    pub false_positive_rate: f64,
    /// eta, in (0, 1].
    pub max_accuracy_drop: f64,
    /// Repetitions of the selection, at least 1.
    pub draws: usize,
    /// Which vanillas an owner knows.
    pub peers: Peers,
    /// Which false pairs count.
    pub negatives: Negatives,
    /// Where thresholds come from.
    pub protocol: Protocol,
    /// Variants that every owner derives herself.
    pub rehearsals: Vec<VariantUse>,
    /// Names of fingerprints from which the others' differences are told.
    pub baselines: Vec<Located<String>>,
}

/// A suite, read and checked as far as it can be without plugins.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The file.
    pub path: PathBuf,
    /// Its text, with every `--set` applied: what all places refer to.
    pub text: Arc<str>,
    /// Where values stand in the text that `--set` gave: paths among them are not relative to the file.
    pub given_outside: Vec<Range<usize>>,
    /// What they are relative to, where that is not the working directory.
    pub outside: PathBuf,
    /// Its name: letters, digits, `-`, `_`, `.`; the default results folder.
    pub name: String,
    /// Seed of every stream.
    pub seed: u64,
    /// Image source and its parameters (`pool` and `source` taken out).
    pub data: PluginUse,
    /// Images in the pool; default the source's own number.
    pub pool: Option<Located<usize>>,
    /// Model collection and its parameters (`source` taken out).
    pub models: PluginUse,
    /// Variants to derive, may be empty.
    pub variants: Vec<VariantUse>,
    /// Fingerprints to judge; at least one, but for sequential tests, which have none.
    pub fingerprints: Vec<FingerprintUse>,
    /// How.
    pub evaluation: EvaluationUse,
    /// Data for figures, where asked.
    pub figures: Option<FiguresUse>,
    /// File of published rates to compare with, as written.
    pub published: Option<Located<String>>,
    /// Files of libraries of plugins, as written; loaded only where the user allows it.
    pub plugins: Vec<Located<String>>,
}

impl Suite {
    /// Whether a task is among those asked.
    pub fn asks(&self, task: Task) -> bool {
        self.evaluation.tasks.contains(&task)
    }

    /// A path of the suite: relative to its file, unless it was given from outside.
    pub fn resolve(&self, path: &Located<String>) -> PathBuf {
        match self.is_given_outside(&path.at) {
            true => self.outside.join(&path.value),
            false => self.path.parent().unwrap_or(Path::new("")).join(&path.value),
        }
    }

    /// Whether what stands at `at` was given by `--set`.
    pub fn is_given_outside(&self, at: &Range<usize>) -> bool {
        self.given_outside.iter().any(|place| place.start <= at.start && at.end <= place.end)
    }
}

/// One thing that is wrong with a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: `unknown key`.
    pub message: String,
    /// Where, in bytes of the text.
    pub at: Range<usize>,
    /// What stands under the mark: `not a parameter of prune`.
    pub label: String,
    /// What to do: `did you mean amount?`.
    pub help: Option<String>,
}

/// Everything that is wrong with a suite, at once.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {} in the suite", path.display(), match diagnostics.len() { 1 => "a mistake".to_owned(), n => format!("{n} mistakes") })]
pub struct SuiteError {
    /// The file.
    pub path: PathBuf,
    /// Its text, as read (empty when it could not be).
    pub text: Arc<str>,
    /// What is wrong, in the order of the file; never empty.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be understood all the same, so that its plugins can be checked too.
    pub partial: Option<Box<Suite>>,
}
