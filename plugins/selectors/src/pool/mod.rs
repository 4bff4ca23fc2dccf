//! What selectors share: shares of the pool and the head of a ranking.

mod head;
mod share;

pub(crate) use head::{Head, known_answers, require_peers};
pub(crate) use share::{check_budget, whole};
