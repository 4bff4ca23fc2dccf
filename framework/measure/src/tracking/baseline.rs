//! Baselines: what a comparison needs of a run, small enough to live in a repository.

use serde::{Deserialize, Serialize};

use crate::{
    Provenance,
    results::{BudgetResult, Evaluation, FingerprintResult, Hits, ModelRow, Results, kind_name},
};

/// Version of the format of baselines.
pub const BASELINE_SCHEMA: u32 = 1;

/// Hexadecimal digits that are kept of a digest: 64 bits tell what changed, and no attacker gains by a clash.
const DIGEST_DIGITS: usize = 16;

/// The part of a run that is compared with others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Version of the format, [`BASELINE_SCHEMA`] when written.
    pub baseline_schema: u32,
    /// Name of the suite.
    pub suite: String,
    /// Seed of every stream of the run.
    pub seed: u64,
    /// What was asked of the evaluation.
    pub evaluation: Evaluation,
    /// What the run was made of; none where only its results are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// Every model of the population.
    pub models: Vec<TrackedModel>,
    /// One entry a fingerprint of the suite.
    pub fingerprints: Vec<TrackedFingerprint>,
    /// Cells that failed, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// What a run was made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Version of bertillon.
    pub bertillon: String,
    /// Digest of its core.
    pub source: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// What computed: `Cpu`, `Cuda(0)`.
    pub device: String,
    /// Digest of the images or labels.
    pub data: String,
    /// Name and source digest of every plugin at work, ascending.
    pub plugins: Vec<[String; 2]>,
    /// The suite's text, with every override applied.
    pub suite: String,
}

/// A model of the population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedModel {
    /// Its name.
    pub name: String,
    /// Whether it is judged.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub kept: bool,
    /// Digest of its weights or recorded answers; none for what a run derives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Share of the pool answered rightly, where there is no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Share of the pool answered as its vanilla does, where there is no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
}

/// What is tracked of a fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedFingerprint {
    /// The user's name for it.
    pub name: String,
    /// Registered name of the method.
    pub method: String,
    /// One entry a budget, ascending.
    pub budgets: Vec<TrackedBudget>,
}

/// Rates at exactly the target, at one budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedBudget {
    /// Queries a fingerprint may spend, L.
    pub budget: usize,
    /// True pairs judged.
    pub positives: usize,
    /// Draw by draw.
    pub draws: Vec<TrackedDraw>,
    /// By kind with its detail, parameters merged.
    pub kinds: Vec<TrackedKind>,
    /// Accepted pairs by kind and draw and by family; at the primary budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<Hits>,
}

/// One draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedDraw {
    /// Digest of the queries of all owners.
    pub queries: String,
    /// Rate at exactly the target.
    pub rate: f64,
}

/// The mean rate of a kind of variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedKind {
    /// Kind of variant.
    pub kind: String,
    /// Detail of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// True pairs of a draw.
    pub positives: usize,
    /// Mean over draws.
    pub rate: f64,
}

impl Baseline {
    /// What is tracked of a run; `provenance` where it is known.
    pub fn of(results: &Results, provenance: Option<&Provenance>) -> Self {
        let digests: std::collections::BTreeMap<&str, &str> = provenance
            .iter()
            .flat_map(|provenance| &provenance.models)
            .map(|[name, digest]| (name.as_str(), digest.as_str()))
            .collect();
        let model = |row: &ModelRow| {
            let digest = digests.get(row.name.as_str()).map(|digest| short(digest));
            let derived = digest.is_none();
            TrackedModel {
                name: row.name.clone(),
                kept: row.kept,
                accuracy: row.accuracy.filter(|_| derived),
                agreement: row.agreement.filter(|_| derived),
                digest,
            }
        };
        let failure = |failure: &crate::results::Failure| {
            format!("{} {}: {}", failure.step, failure.subject, failure.reason)
        };
        Self {
            baseline_schema: BASELINE_SCHEMA,
            suite: results.suite.clone(),
            seed: results.seed,
            evaluation: results.evaluation.clone(),
            inputs: provenance.map(Inputs::of),
            models: results.population.models.iter().map(model).collect(),
            fingerprints: results.fingerprints.iter().map(TrackedFingerprint::of).collect(),
            failures: results.failures.iter().map(failure).collect(),
        }
    }

    /// The fingerprint of this name.
    pub fn fingerprint(&self, name: &str) -> Option<&TrackedFingerprint> {
        self.fingerprints.iter().find(|fingerprint| fingerprint.name == name)
    }
}

impl Inputs {
    fn of(provenance: &Provenance) -> Self {
        let mut plugins: Vec<[String; 2]> = provenance
            .plugins
            .iter()
            .map(|[name, _, source]| [name.clone(), short(source)])
            .collect();
        plugins.sort_unstable();
        plugins.dedup();
        Self {
            bertillon: provenance.bertillon.clone(),
            source: short(&provenance.source),
            libtorch: provenance.libtorch.clone(),
            device: provenance.device.clone(),
            data: short(&provenance.data),
            plugins,
            suite: provenance.suite.clone(),
        }
    }
}

impl TrackedFingerprint {
    fn of(result: &FingerprintResult) -> Self {
        Self {
            name: result.name.clone(),
            method: result.method.clone(),
            budgets: result.budgets.iter().map(TrackedBudget::of).collect(),
        }
    }

    /// Its rates at this budget.
    pub fn at(&self, budget: usize) -> Option<&TrackedBudget> {
        self.budgets.iter().find(|at| at.budget == budget)
    }
}

impl TrackedBudget {
    fn of(result: &BudgetResult) -> Self {
        let kinds: Vec<TrackedKind> = result
            .variations
            .iter()
            .filter(|row| row.parameter.is_none())
            .map(|row| TrackedKind {
                kind: row.kind.clone(),
                detail: row.detail.clone(),
                positives: row.positives,
                rate: row.tpr_randomised.mean,
            })
            .collect();
        let draws = result.by_draw.iter();
        Self {
            budget: result.budget,
            positives: kinds.iter().map(|kind| kind.positives).sum(),
            draws: draws
                .map(|draw| TrackedDraw {
                    queries: short(&draw.queries),
                    rate: draw.tpr_randomised,
                })
                .collect(),
            kinds,
            hits: result.hits.clone(),
        }
    }

    /// Mean over draws; none without any.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.draws.iter().map(|draw| draw.rate).sum();
        (!self.draws.is_empty()).then(|| sum / self.draws.len() as f64)
    }
}

impl TrackedKind {
    /// `prune/conv`.
    pub fn name(&self) -> String {
        kind_name(&self.kind, self.detail.as_deref())
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGEST_DIGITS).collect()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_true(kept: &bool) -> bool {
    *kept
}
