//! Tracking: has a detection rate changed between two runs, and is that a reason to stop?
//!
//! Two doubts are kept apart. *On this population*: both runs judge the same models and differ in their queries, so
//! under the hypothesis that nothing has changed the draws of both runs are exchangeable, and a permutation of them
//! tells what difference luck alone makes ([`permute_draws`]). *For new families*: how far the difference would lie
//! elsewhere with other families is told by an interval that resamples families; it does not say whether anything
//! has changed, and never decides ([`Spread`]). A gate decides by the first alone, over a list that is known before
//! the runs ([`Gate`]).

mod baseline;
mod compare;
mod families;
mod gate;
mod inputs;
mod permutation;
mod power;
#[cfg(test)]
mod tests;

pub use baseline::{
    BASELINE_SCHEMA, Baseline, Inputs, TrackedBudget, TrackedDraw, TrackedFingerprint, TrackedKind,
    TrackedModel,
};
pub use compare::{Change, Comparison, Row, RunSummary, compare};
pub use families::Spread;
pub use gate::{Gate, LEVEL, List, Outcome, Verdict};
pub use inputs::InputChange;
pub use permutation::{Permutation, Unit, draws_needed, permute_draws, permute_owners};
