//! The smallest loss that a test would catch nine times in ten.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How often the stated loss is caught.
const CAUGHT: f64 = 0.9;

/// Noise of a difference of rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// Standard deviation of the difference.
    pub(super) sd: f64,
    /// Degrees of freedom it was estimated with.
    pub(super) freedom: f64,
}

impl Noise {
    /// Of the difference of two means over draws, by their pooled variance; none with fewer than three draws in all.
    pub(super) fn of_draws(base: &[f64], new: &[f64]) -> Option<Self> {
        let (n, m) = (base.len() as f64, new.len() as f64);
        let freedom = n + m - 2.0;
        if freedom < 1.0 || base.is_empty() || new.is_empty() {
            return None;
        }
        let variance = (squares(base) + squares(new)) / freedom;
        Some(Self { sd: (variance * (1.0 / n + 1.0 / m)).sqrt(), freedom })
    }

    /// Of a sum of differences, an owner each; none with fewer than two owners.
    pub(super) fn of_owners(differences: &[f64]) -> Option<Self> {
        let owners = differences.len() as f64;
        let freedom = owners - 1.0;
        let variance = squares(differences) / freedom * owners;
        (freedom >= 1.0).then(|| Self { sd: variance.sqrt(), freedom })
    }

    /// The smallest loss that is both significant at `level` and beyond `tolerance` nine times in ten.
    ///
    /// ```text
    /// max((t(1 - level) + t(0.9)) sd,  tolerance + z(0.9) sd)
    /// ```
    /// A permutation test of means has the power of Student's test to the first order, and the shifted statistic is
    /// taken as a shifted Student's t: a little pessimistic.
    pub(super) fn smallest_loss(self, level: f64, tolerance: f64) -> f64 {
        let Ok(student) = StudentsT::new(0.0, 1.0, self.freedom) else {
            return f64::INFINITY;
        };
        let significant = student.inverse_cdf(1.0 - level) + student.inverse_cdf(CAUGHT);
        let beyond = tolerance + Normal::standard().inverse_cdf(CAUGHT) * self.sd;
        (significant * self.sd).max(beyond)
    }
}

/// Sum of squared differences from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}
