//! `results.json`: what a run found, in the form that reports, comparisons and other programs read.
//!
//! A contract: additions are free, a change of meaning raises [`SCHEMA`]. Infinity, NaN and intervals that
//! could not be estimated are `null` here, never numbers.

mod checks;
mod groups;
mod hits;
mod images;

use serde::{Deserialize, Serialize};

pub use checks::{Checks, CopyCheck, ExchangeCheck, FartherCopy, ThinThreshold};
pub use groups::{Difference, GroupResult};
pub use hits::{FamilyHits, Hits, KindHits};
pub use images::{ImagesSent, ServiceSettings};

/// Version of the format.
pub const SCHEMA: u32 = 1;

/// The kind of a variant with its detail, as reports name it: `prune/conv`, `half`.
pub fn kind_name(kind: &str, detail: Option<&str>) -> String {
    detail.map_or_else(|| kind.to_owned(), |detail| format!("{kind}/{detail}"))
}

/// Columns of `pairs.parquet`, in Parquet's own words.
pub const PAIRS_SCHEMA: &str = "message pairs {
    REQUIRED BYTE_ARRAY task (UTF8);
    REQUIRED BYTE_ARRAY fingerprint (UTF8);
    REQUIRED INT32 budget;
    REQUIRED INT32 draw;
    REQUIRED BYTE_ARRAY owner (UTF8);
    REQUIRED BYTE_ARRAY suspect (UTF8);
    REQUIRED BYTE_ARRAY family (UTF8);
    REQUIRED BYTE_ARRAY kind (UTF8);
    OPTIONAL BYTE_ARRAY detail (UTF8);
    OPTIONAL BYTE_ARRAY parameter (UTF8);
    REQUIRED BOOLEAN stranger;
    REQUIRED BOOLEAN rehearsed;
    REQUIRED DOUBLE distance;
    REQUIRED BOOLEAN positive;
}";

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
    /// What was sent to the models, and what their services make of it; none for recorded answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesSent>,
    /// One entry a fingerprint of the suite, in its order.
    pub fingerprints: Vec<FingerprintResult>,
    /// Published rates beside those of this run, where the suite names some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedRates>,
    /// Identification: one entry a fingerprint and budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identification: Vec<IdentificationResult>,
    /// Sequential tests of known models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequential: Vec<SequentialResult>,
    /// Maps and histograms of the distances between models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// The distances behind the rates of detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsFile>,
    /// What the run found when it checked itself; none without detection, and in files of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// Cells that failed; their pairs are in no count.
    pub failures: Vec<Failure>,
    /// What a reader should know before trusting a figure.
    pub warnings: Vec<String>,
}

/// What ties `pairs.parquet` to its results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairsFile {
    /// BLAKE3 digest of the file, in hexadecimal.
    pub blake3: String,
    /// Its rows.
    pub rows: u64,
}

/// The evaluation's settings, as run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// `detection`, `identification` or `sequential`.
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
    /// Share of the pool answered as its vanilla does; none for vanillas and models that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
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
    /// Groups of which owners rehearse variants for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rehearsed: Vec<String>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// What is unseen, and each group, where owners of the suite rehearse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// `tpr_randomised` less that of the suite's baselines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Difference>,
    /// Share of queries that two draws of one owner have in common, mean; none with a single draw.
    pub overlap: Option<f64>,
    /// `tpr_randomised` against the best fingerprint at this budget; none where no other has a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_best: Option<AgainstBest>,
    /// Accepted true pairs by kind and by family, which comparisons of runs test; at the primary budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<Hits>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// `tpr_randomised` against the best fingerprint of this kind and detail; at the primary budget, for rows that pool
    /// parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_best: Option<AgainstBest>,
}

/// How far a rate lies below the best of its table, and whether the two can be told apart.
///
/// Paired: both rates are found anew, each at its own threshold, for the same draws of families. Each rate is over the
/// pairs that its fingerprint was judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstBest {
    /// Name of the fingerprint with the highest rate, the first of equals.
    pub best: String,
    /// This rate minus the best; 0 for the best itself.
    pub difference: f64,
    /// 95 % interval of the difference, by the bootstrap of [`Rate::ci95`]; none for the best itself, and where true
    /// pairs of either come from fewer than six families.
    pub ci95: Option<[f64; 2]>,
    /// Two-sided p-value of the difference, where there is an interval.
    pub p: Option<f64>,
    /// The same by Holm over the fingerprints of the table.
    pub p_holm: Option<f64>,
    /// Whether this is the best, or was tested and `p_holm` is above 0.05.
    pub tied_with_best: bool,
}

/// Rates that somebody published, each with that of this run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRates {
    /// Who published them, and where.
    pub source: String,
    /// The models judged there.
    pub population: String,
    /// What can't be compared, and why.
    pub notes: Vec<String>,
    /// The rates.
    pub rates: Vec<PublishedRate>,
}

/// A published rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRate {
    /// Its table there.
    pub table: String,
    /// Name of the fingerprint here.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Kind of variant; none over all.
    pub kind: Option<String>,
    /// Detail of the kind.
    pub detail: Option<String>,
    /// True-positive rate published.
    pub published: f64,
    /// Its standard deviation over draws, where one was published.
    pub published_sd: Option<f64>,
    /// Strict rate of this run; none where it has no such variants or budget.
    pub tpr: Option<Rate>,
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

/// Who a suspect was said to be, by one fingerprint at one budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentificationResult {
    /// The user's name for the fingerprint.
    pub fingerprint: String,
    /// What is named: `family`, `variation` or `model`.
    pub group: String,
    /// Queries a fingerprint may spend, L.
    pub budget: usize,
    /// Draws averaged.
    pub draws: usize,
    /// Delta degrees of freedom of every `sd` below.
    pub ddof: usize,
    /// What was found.
    pub rates: IdentificationRates,
}

/// Rates of an identification with suspects of groups that the owner does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentificationRates {
    /// Suspects of known groups, mean over draws.
    pub known: f64,
    /// Suspects of unknown groups, mean over draws.
    pub unknown: f64,
    /// Queries put to a suspect, mean over draws.
    pub queries: f64,
    /// Share of known suspects given their right name; with the next two it sums to 1.
    pub correct: Rate,
    /// Share given another name.
    pub wrong: Rate,
    /// Share given none.
    pub abstained: Rate,
    /// `correct` without the vanillas, which their own delegates recognise; none when there is nothing else.
    pub correct_without_vanillas: Option<Rate>,
    /// Share of unknown suspects that may be given a name, alpha.
    pub target: f64,
    /// Share of unknown suspects given a name; none when all are known.
    pub unknown_answered: Option<Rate>,
    /// Threshold on the smallest distance.
    pub threshold: Threshold,
    /// Share of known suspects whose nearest known group is the right one, whatever its distance.
    pub closed_set_accuracy: Rate,
    /// Chance that a known suspect's smallest distance is below an unknown one's, ties half; none when all are known.
    pub auroc: Option<Rate>,
    /// Rows by kind and detail first (`parameter` null), then each parameter; known suspects only.
    pub variations: Vec<IdentificationRow>,
}

/// Rates for one kind of variant, at the overall threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentificationRow {
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
    /// Suspects of this row that are of known groups, mean over draws.
    pub known: f64,
    /// Share given their right name.
    pub correct: Rate,
    /// Share given another name.
    pub wrong: Rate,
    /// Share given none.
    pub abstained: Rate,
}

/// How greedy sequential tests of known models ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequentialResult {
    /// `detection` or `identification`.
    pub goal: String,
    /// What is detected or named: `family`, `variation` or `model`.
    pub group: String,
    /// `positive` (the black box is of the hypothesis) or `negative`; none for identification.
    pub couples: Option<String>,
    /// By what queries were chosen: `mean`, `worst` or `best`.
    pub score: String,
    /// What a black box reveals, `top1`.
    pub access: String,
    /// Couples (hypothesis, model), or models, all of them.
    pub cases: usize,
    /// Share decided rightly; groups count equally in a detection, models in an identification.
    pub correct: f64,
    /// Share decided wrongly.
    pub wrong: f64,
    /// Share left undecided.
    pub abstained: f64,
    /// Queries until the end, undecided cases included.
    pub queries: QueriesToDecision,
}

/// Distribution of a number of queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueriesToDecision {
    /// Weighted mean.
    pub mean: f64,
    /// Ascending; the last one, of share 1, is the largest number.
    pub quantiles: Vec<Quantile>,
}

/// The smallest number of queries by which a share of the cases has ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// In `(0, 1]`.
    pub share: f64,
    /// Queries.
    pub queries: u32,
}

/// Figures of the distances between models, as data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Maps of all kept models, one a perplexity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<MapFigure>,
    /// Histograms of the distances of all pairs of kept models, one a selection and budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histograms: Vec<HistogramFigure>,
}

/// A map of models by t-SNE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapFigure {
    /// How the images behind the distances were chosen, in words.
    pub selection: String,
    /// How many they are.
    pub images: usize,
    /// Neighbours that a model keeps near, as asked.
    pub perplexity: f64,
    /// Kullback-Leibler divergence of the map, nats.
    pub kl: Option<f64>,
    /// Share of a model's 5 nearest that are of its family, on the distances; none without two models.
    pub purity: Option<f64>,
    /// Silhouette of the families on the distances; none without two families of two models.
    pub silhouette: Option<f64>,
    /// `[x, y]` of each kept model, in the order of the population.
    pub points: Vec<[f64; 2]>,
}

/// Histograms of distances at one budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramFigure {
    /// How the images behind the distances were chosen, in words.
    pub selection: String,
    /// How many they are, L.
    pub budget: usize,
    /// `same variation`, `same vanilla`, `different vanilla`.
    pub classes: Vec<HistogramClass>,
}

/// Distances of the pairs of models that have the same in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramClass {
    /// What they have in common.
    pub class: String,
    /// Pairs.
    pub pairs: u64,
    /// Pairs in each of the equal bins on `[0, 1]`.
    pub counts: Vec<u64>,
    /// Pairs whose distance is infinite.
    pub infinite: u64,
    /// Share of the pairs in each bin; with the infinite ones they sum to 1.
    pub shares: Vec<f64>,
}

#[cfg(test)]
mod tests;
