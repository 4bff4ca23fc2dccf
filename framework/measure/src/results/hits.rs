//! Accepted true pairs, which comparisons of runs test.

use serde::{Deserialize, Serialize};

/// True pairs accepted by the test at exactly the target, by kind and by family.
///
/// A pair that equals the threshold counts by the share of such pairs that is accepted, so counts need not be whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hits {
    /// Crafted queries that an owner makes once and that all her draws sample from; none for queries from the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<usize>,
    /// Kinds with their details, parameters merged, in the order of [`BudgetResult::variations`](super::BudgetResult::variations).
    pub kinds: Vec<KindHits>,
    /// Families with true pairs.
    pub families: Vec<FamilyHits>,
}

/// Accepted true pairs of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindHits {
    /// Kind of variant.
    pub kind: String,
    /// Detail of the kind.
    pub detail: Option<String>,
    /// True pairs of a draw.
    pub positives: usize,
    /// Accepted, draw by draw, each in `[0, positives]`.
    pub accepted: Vec<f64>,
}

/// Accepted true pairs of one family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyHits {
    /// Name of its vanilla.
    pub family: String,
    /// True pairs of a draw, kind by kind.
    pub positives: Vec<u32>,
    /// Accepted over all draws together, kind by kind.
    pub accepted: Vec<f64>,
}
