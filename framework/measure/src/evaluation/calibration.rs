//! The threshold of one owner, for a fingerprint that goes to work: from her own false pairs alone.

use super::{
    threshold::allowed,
    warning::{FAR_BELOW, FEW, Warning},
};
use crate::{Error, Result};

/// A suspect that is not the owner's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stranger {
    /// Its distance to her fingerprint, never NaN.
    pub distance: f64,
    /// Ancestry group of its family.
    pub group: usize,
}

/// A threshold, and what it lets pass of the strangers that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// What is nearer is accepted; `+inf` where every finite distance is.
    pub threshold: f64,
    /// Strangers that are accepted.
    pub accepted: usize,
    /// Strangers accepted when the threshold comes from the other ancestry groups alone, group by group: what families
    /// that had no part in it may expect. None where there is one group only.
    pub accepted_left_out: Option<usize>,
    /// What to know before trusting it.
    pub warnings: Vec<Warning>,
}

/// The largest threshold that accepts at most `floor(alpha N)` of N strangers.
///
/// ```text
/// k   = floor(alpha N)
/// tau = (k+1)-th smallest distance    accept when distance < tau
/// ```
///
/// # Errors
/// When there is no stranger, a distance is NaN, or `alpha` does not lie in (0, 1).
pub fn calibrate(strangers: &[Stranger], alpha: f64) -> Result<Calibration> {
    check(strangers, alpha)?;
    let threshold = largest(strangers.iter(), alpha).unwrap_or(f64::INFINITY);
    let mut groups: Vec<usize> = strangers.iter().map(|stranger| stranger.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let left_out = |group: &usize| {
        let (own, others): (Vec<&Stranger>, Vec<_>) =
            strangers.iter().partition(|stranger| stranger.group == *group);
        let threshold = largest(others.into_iter(), alpha).unwrap_or(f64::INFINITY);
        own.into_iter().filter(|stranger| stranger.distance < threshold).count()
    };
    let mut found = stated(strangers, threshold);
    found.accepted_left_out = (groups.len() > 1).then(|| groups.iter().map(left_out).sum());
    let behind = allowed(alpha, strangers.len() as u64);
    if behind < FEW {
        let negatives = strangers.len();
        found.warnings.push(Warning::FewNegatives { accepted: behind, negatives });
    }
    let mut behind: Vec<usize> =
        strangers.iter().filter(|s| s.distance < threshold).map(|s| s.group).collect();
    behind.sort_unstable();
    behind.dedup();
    if (behind.len() as u64) < FEW {
        found.warnings.push(Warning::FewFamilyPairs(behind.len() as f64));
    }
    let reached = found.accepted as f64 / strangers.len() as f64;
    if reached < FAR_BELOW * alpha {
        found.warnings.push(Warning::Ties { reached });
    }
    Ok(found)
}

/// The threshold for p-values: `p <= alpha` is accepted, and how many strangers are is a finding.
///
/// # Errors
/// As [`calibrate`], and when a distance is no p-value.
pub fn calibrate_nominally(strangers: &[Stranger], alpha: f64) -> Result<Calibration> {
    check(strangers, alpha)?;
    let is_p_value = |d: f64| (0.0..=1.0).contains(&d) || d == f64::INFINITY;
    match strangers.iter().find(|stranger| !is_p_value(stranger.distance)) {
        Some(stranger) => Err(Error::NotPValue(stranger.distance)),
        None => Ok(stated(strangers, alpha.next_up())),
    }
}

fn check(strangers: &[Stranger], alpha: f64) -> Result<()> {
    if !(0.0 < alpha && alpha < 1.0) {
        return Err(Error::Empty("the false-positive rate must lie in (0, 1)"));
    }
    if strangers.is_empty() {
        return Err(Error::Empty(
            "no suspect of another family is left: a threshold needs strangers",
        ));
    }
    match strangers.iter().any(|stranger| stranger.distance.is_nan()) {
        true => Err(Error::NanDistance),
        false => Ok(()),
    }
}

fn stated(strangers: &[Stranger], threshold: f64) -> Calibration {
    let accepted = strangers.iter().filter(|stranger| stranger.distance < threshold).count();
    Calibration { threshold, accepted, accepted_left_out: None, warnings: Vec::new() }
}

fn largest<'a>(strangers: impl Iterator<Item = &'a Stranger>, alpha: f64) -> Option<f64> {
    let mut distances: Vec<f64> = strangers.map(|stranger| stranger.distance).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let allowed = usize::try_from(allowed(alpha, distances.len() as u64)).unwrap_or(usize::MAX);
    distances.get(allowed.min(distances.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    fn strangers(distances: &[f64]) -> Vec<Stranger> {
        distances
            .iter()
            .enumerate()
            .map(|(i, &distance)| Stranger { distance, group: i % 3 })
            .collect()
    }

    /// Accepts as many as may be by trying every threshold there could be.
    fn by_trial(strangers: &[Stranger], alpha: f64) -> (f64, usize) {
        let accepted = |t: f64| strangers.iter().filter(|s| s.distance < t).count();
        let most = alpha * strangers.len() as f64 + 1e-9;
        strangers
            .iter()
            .map(|s| s.distance)
            .filter(|&t| accepted(t) as f64 <= most)
            .max_by(f64::total_cmp)
            .map(|t| (t, accepted(t)))
            .unwrap()
    }

    #[test]
    fn the_threshold_is_the_largest_that_any_trial_finds() {
        let mut stream = Stream::named(11, ["distances"]);
        for round in 0..200 {
            let n = 1 + stream.below(60) as usize;
            // Few different values, so that there are ties; some can't be told.
            let some = strangers(
                &(0..n)
                    .map(|_| match stream.below(12) {
                        11 => f64::INFINITY,
                        d => d as f64 / 10.0,
                    })
                    .collect::<Vec<_>>(),
            );
            let alpha = [0.05, 0.1, 0.37, 0.99][round % 4];
            let found = calibrate(&some, alpha).unwrap();
            assert_eq!((found.threshold, found.accepted), by_trial(&some, alpha), "{some:?}");
            let mut left_out = 0;
            for group in 0..3 {
                let (own, others): (Vec<_>, Vec<_>) = some.iter().partition(|s| s.group == group);
                let others: Vec<Stranger> = others.into_iter().copied().collect();
                if !others.is_empty() {
                    let (threshold, _) = by_trial(&others, alpha);
                    left_out += own.iter().filter(|s| s.distance < threshold).count();
                }
            }
            if n > 1 {
                assert_eq!(found.accepted_left_out, Some(left_out));
            }
        }
    }

    #[test]
    fn few_strangers_are_warned_of() {
        let few = calibrate(&strangers(&[0.5, 0.6, 0.7]), 0.05).unwrap();
        assert_eq!((few.threshold, few.accepted), (0.5, 0));
        assert!(few.warnings.contains(&Warning::FewNegatives { accepted: 0, negatives: 3 }));
        assert!(few.warnings.contains(&Warning::Ties { reached: 0.0 }));
        let many: Vec<Stranger> =
            (0..400).map(|i| Stranger { distance: f64::from(i), group: i as usize % 40 }).collect();
        assert_eq!(calibrate(&many, 0.05).unwrap().warnings, []);
    }

    #[test]
    fn p_values_up_to_alpha_are_accepted() {
        let found = calibrate_nominally(&strangers(&[0.01, 0.05, 0.051, 1.0]), 0.05).unwrap();
        assert_eq!((found.threshold > 0.05, found.accepted), (true, 2));
        assert!(calibrate_nominally(&strangers(&[1.5]), 0.05).is_err());
    }

    #[test]
    fn what_can_not_be_ranked_is_refused() {
        assert!(calibrate(&[], 0.05).is_err());
        assert!(calibrate(&strangers(&[f64::NAN]), 0.05).is_err());
        assert!(calibrate(&strangers(&[0.5]), 1.0).is_err());
    }
}
