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
//! An infinite distance is never accepted by the strict test. That is the pooled protocol: one threshold from all
//! false pairs, so its false-positive rate is alpha by construction, up to ties, and an interval of it would say
//! nothing about strangers: there is none. Left out one family at a time, an owner's threshold comes from the false
//! pairs that touch no family of her ancestry, neither as owner nor as suspect; the false-positive rate realised is
//! then that of her own false pairs, which had no part in it, and a finding, with its interval. A nominal threshold
//! takes distances for p-values and accepts `p <= alpha` (tau is the next number above alpha): nothing is calibrated,
//! the rate realised is a finding again, and there is no rate at exactly alpha, for how much weight the null
//! hypothesis puts on alpha itself is not known from p-values: the strict rate stands for it.
//!
//! Intervals are those of a bootstrap over families with expanded percentiles (Hesterberg 2015, *What teachers
//! should know about the bootstrap*): a true pair of family `a` has weight `w_a`, a false pair between `a` and `c`
//! has `w_a w_c`, and the threshold is found anew.

mod accept;
mod against_best;
mod bootstrap;
mod calibration;
mod copies;
mod curve;
mod evaluate;
mod exchange;
mod grouping;
mod hits;
mod holm;
mod identification;
mod lanes;
mod observe;
mod population;
mod protocol;
mod rows;
mod scan;
mod sequential;
#[cfg(test)]
mod tests;
mod threshold;
mod warning;
mod weights;

pub use against_best::{Contender, Replicated, against_best, difference};
pub(crate) use bootstrap::interval;
pub use calibration::{Calibration, Stranger, calibrate, calibrate_nominally};
pub use copies::{Copies, Farther, copies};
pub use evaluate::{Case, Evaluated, Settings, Suspect, evaluate};
pub use exchange::{Exchange, FEWEST_EXCHANGED, exchange};
pub use grouping::Grouping;
pub use hits::HitCounts;
pub(crate) use holm::holm;
pub use identification::{
    IdentificationCase, IdentificationDraw, IdentificationSettings, IdentificationWarning,
    Identified, identify, nearest_delegates,
};
pub use sequential::{
    Couple, Decision, DetectedKnown, IdentifiedKnown, Named, Observations, Score, Tally,
    detect_known, identify_known,
};
pub use warning::Warning;
