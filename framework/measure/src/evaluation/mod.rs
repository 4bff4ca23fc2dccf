//! Evaluation: from distances to rates at a fixed false-positive rate, with honest error bars.
//!
//! Pure functions of distances. A pair (owner, suspect) is true when the suspect is of the owner's family. The
//! threshold comes from the false pairs alone:
//!
//! ```text
//! k   = floor(alpha N)                      false pairs that may be accepted, of N
//! tau = (k+1)-th smallest false distance    accept when distance < tau
//! FPR = #{false < tau} / N <= alpha         TPR = #{true < tau} / P
//! lambda = (alpha N - #{false < tau}) / #{false = tau}
//! TPR at exactly alpha = TPR + lambda #{true = tau} / P
//! ```
//! An infinite distance is never accepted by the strict test. Intervals are those of a bootstrap over families
//! with expanded percentiles (Hesterberg 2015, *What teachers should know about the bootstrap*): a true pair of
//! family `a` has weight `w_a`, a false pair between `a` and `c` has `w_a w_c`, and the threshold is found anew.

mod bootstrap;
mod curve;
mod evaluate;
mod grouping;
mod identification;
mod population;
mod rows;
mod sequential;
#[cfg(test)]
mod tests;
mod threshold;

pub use evaluate::{Case, Evaluated, Settings, Suspect, Warning, evaluate};
pub use grouping::Grouping;
pub use identification::{
    IdentificationCase, IdentificationDraw, IdentificationSettings, IdentificationWarning,
    Identified, identify, nearest_delegates,
};
pub use sequential::{
    Couple, Decision, DetectedKnown, IdentifiedKnown, Named, Observations, Score, Tally,
    detect_known, identify_known,
};
