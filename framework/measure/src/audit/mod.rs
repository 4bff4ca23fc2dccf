//! Are models and data what they claim? Findings from answers, labels, images and finished runs, as pure functions.
//!
//! What each rule looks at, its threshold and the reason for it stand in `docs/AUDIT.md`.

mod finding;
mod finished;
mod images;
mod kinship;
mod labels;
mod population;
#[cfg(test)]
mod tests;

pub use finding::{Audit, Evidence, Finding, Rule, Severity};
pub use finished::{Nearest, finished};
pub use images::{ImageBytes, images};
pub use kinship::kinship;
pub use labels::labels;
pub use population::{AuditedFamily, AuditedModel, AuditedPopulation, models};
