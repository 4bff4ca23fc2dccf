//! `results.json`: what a run found, in the form that reports, comparisons and other programs read.
//!
//! A contract: additions are free, a change of meaning raises [`SCHEMA`]. Infinity, NaN and intervals that
//! could not be estimated are `null` here, never numbers.

use serde::{Deserialize, Serialize};

/// Version of the format.
pub const SCHEMA: u32 = 1;

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of the format, [`SCHEMA`] when written.
    pub schema: u32,
    /// Name of the suite.
    pub suite: String,
    /// Seed of every stream of the run.
    pub seed: u64,
    /// What was asked of the evaluation.
    pub evaluation: Evaluation,
    /// The models judged.
    pub population: Population,
    /// One entry a fingerprint of the suite, in its order.
    pub fingerprints: Vec<FingerprintResult>,
    /// Cells that failed; their pairs are in no count.
    pub failures: Vec<Failure>,
    /// What a reader should know before trusting a figure.
    pub warnings: Vec<String>,
}

/// The evaluation's settings, as run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// `detection`.
    pub task: String,
    /// `pooled`, `leave-one-family-out` or `nominal`.
    pub protocol: String,
    /// `all` or `strangers`.
    pub negatives: String,
    /// Target false-positive rate, alpha.
    pub false_positive_rate: f64,
    /// Largest relative loss of accuracy that a variant may have, eta.
    pub max_accuracy_drop: f64,
    /// Budget that comparisons look at first.
    pub primary_budget: usize,
    /// Random repetitions of the query selection.
    pub draws: usize,
    /// Images in the pool.
    pub pool: usize,
}

/// The models of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Number of vanillas.
    pub vanillas: usize,
    /// Number of variants derived, kept or not.
    pub variants: usize,
    /// Models that pass the accuracy filter, vanillas included.
    pub kept: usize,
    /// True pairs (owner, suspect of her family).
    pub positives: usize,
    /// False pairs (owner, suspect of another family).
    pub negatives: usize,
    /// Every model.
    pub models: Vec<ModelRow>,
}

/// One model of the population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    /// `prune/conv/0.2 of lenet-a`, or the vanilla's own name.
    pub name: String,
    /// Name of its vanilla.
    pub family: String,
    /// Kind of variant, `vanilla` for the head of a family.
    pub kind: String,
    /// Detail of the kind, `conv`.
    pub detail: Option<String>,
    /// Parameter within the kind, `0.2`.
    pub parameter: Option<String>,
    /// `vanilla`, `input`, `weights`, `training` or `output`.
    pub group: String,
    /// Share of the pool answered rightly; none when the model failed.
    pub accuracy: Option<f64>,
    /// Whether it passes the accuracy filter.
    pub kept: bool,
    /// What the variant generator did, in words; none for vanillas.
    pub changes: Option<String>,
    /// Whether the generator left the model as it was.
    pub unchanged: bool,
}

/// What one fingerprint of the suite achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FingerprintResult {
    /// The user's name for it.
    pub name: String,
    /// Registered name of the method.
    pub method: String,
    /// Parameters as given in the suite, in words; empty when all are defaults.
    pub parameters: String,
    /// What a black box must reveal, `top1`.
    pub access: String,
    /// What the owner uses: `white box`, `labels`, `peers`, `rehearsals`.
    pub knowledge: Vec<String>,
    /// True pairs judged, at the budget where most are.
    pub positives: usize,
    /// False pairs judged, at the budget where most are.
    pub negatives: usize,
    /// Pairs lost to failed cells, at the budget where most are.
    pub failed: usize,
    /// Cost of one owner's enrolment (largest budget).
    pub enrolment: Enrolment,
    /// One entry a budget, ascending.
    pub budgets: Vec<BudgetResult>,
}

/// What an enrolment costs and yields, averaged over owners; never wall time, which would not repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Queries put to the owner's own model to make the fingerprint beyond its pool answers: forward passes of
    /// one image.
    pub forwards: f64,
    /// Gradients of one image taken.
    pub gradients: f64,
    /// What the method notes about its fingerprints (converged, distortion), mean over owners.
    pub notes: Vec<Note>,
}

/// A named figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// What it is, with its unit.
    pub name: String,
    /// The figure.
    pub value: Option<f64>,
}

/// Rates at one budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetResult {
    /// Queries a fingerprint may spend, L.
    pub budget: usize,
    /// Draws averaged.
    pub draws: usize,
    /// Delta degrees of freedom of every `sd` below.
    pub ddof: usize,
    /// Rate at the largest threshold that keeps the target.
    pub tpr: Rate,
    /// Rate of the randomised test at exactly the target: the one to compare methods by.
    pub tpr_randomised: Rate,
    /// Strict rate without the vanillas, which are their own copies; none when there is nothing else.
    pub tpr_without_vanillas: Option<Rate>,
    /// False-positive rate.
    pub fpr: Fpr,
    /// The same by the protocol that stands beside the suite's; none where no family can be left out.
    pub companion: Option<Companion>,
    /// Draw by draw.
    pub by_draw: Vec<DrawResult>,
    /// Threshold on the distance.
    pub threshold: Threshold,
    /// Area under the ROC curve, mean over draws.
    pub auc: Option<f64>,
    /// `[false-positive rate, true-positive rate]` of the strict test, mean over draws on a fixed grid.
    pub roc: Vec<[f64; 2]>,
    /// Rows by kind and detail first (`parameter` null), then each parameter.
    pub variations: Vec<VariationResult>,
    /// Share of queries that two draws of one owner have in common, mean; none with a single draw.
    pub overlap: Option<f64>,
}

/// A mean over draws with its doubt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Mean over draws.
    pub mean: f64,
    /// Standard deviation over draws; none with a single one.
    pub sd: Option<f64>,
    /// 95 % interval of a bootstrap clustered by family; none with fewer than six families.
    pub ci95: Option<[f64; 2]>,
}

/// False-positive rate asked and reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fpr {
    /// alpha.
    pub target: f64,
    /// Reached, mean over draws.
    pub mean: f64,
    /// 95 % interval of the rate reached, by the bootstrap of [`Rate::ci95`]; none where the threshold is pooled, for
    /// the false pairs that define it then reach alpha by construction.
    pub ci95: Option<[f64; 2]>,
}

/// Rates over all pairs by another protocol than the suite's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// `leave-one-family-out` beside `pooled`, `pooled` beside others.
    pub protocol: String,
    /// Rate at the largest threshold that keeps the target.
    pub tpr: Rate,
    /// Rate of the randomised test at exactly the target.
    pub tpr_randomised: Rate,
    /// False-positive rate realised.
    pub fpr: Fpr,
}

/// Threshold over draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Mean over draws; none when infinite.
    pub mean: Option<f64>,
}

/// One draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrawResult {
    /// Digest of the queries of all owners.
    pub queries: String,
    /// Strict rate.
    pub tpr: f64,
    /// Rate at exactly the target.
    pub tpr_randomised: f64,
}

/// Rates for one kind of variant, at the overall threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariationResult {
    /// Kind of variant.
    pub kind: String,
    /// Detail of the kind.
    pub detail: Option<String>,
    /// Parameter; none for the row that pools them.
    pub parameter: Option<String>,
    /// Group of the kind.
    pub group: String,
    /// Whether an owner rehearsed variants of this group.
    pub rehearsed: bool,
    /// True pairs of this row.
    pub positives: usize,
    /// Strict rate.
    pub tpr: Rate,
    /// Rate at exactly the target.
    pub tpr_randomised: Rate,
}

/// A cell that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done: `derive`, `answer`, `enrol`, `interrogate`.
    pub step: String,
    /// On what: the model, or the fingerprint and its owner.
    pub subject: String,
    /// Plugin at work, where one was.
    pub plugin: Option<String>,
    /// What happened, causes included.
    pub reason: String,
}
