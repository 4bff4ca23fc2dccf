//! Decoupled direction and norm.
//!
//! Rony et al.: Decoupling Direction and Norm (CVPR 2019, <https://arxiv.org/abs/1811.09600>), algorithm 1, with
//! `g` the direction of the gradient of the cross-entropy:
//! ```text
//! delta <- delta + a_i g,  eps <- eps (1 - gamma) where answered otherwise, else eps (1 + gamma)
//! delta <- eps delta / |delta|,  a_i from 1 to 0.01 along a cosine
//! ```
//! # Differences from the paper
//! The last point is looked at too. Points stay in floats; network and gradient are taken at their 8-bit rounding.

use bertillon::{Result, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Crafted, Starts,
    attack::require,
    best::Best,
    gradient::{Network, by_image, cross_entropy, margin, norms, rounded, unit},
};

/// Parameters of DDN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ddn {
    /// Steps, 1 to 10000 (the paper's 100).
    pub steps: u32,
    /// Share by which the norm changes at a step, above 0 and below 1 (the paper's 0.05).
    pub gamma: f64,
    /// Norm to begin with, in L2 of `[0, 1]`; above 0 (the paper's 1).
    pub initial_norm: f64,
}

impl Default for Ddn {
    fn default() -> Self {
        Self { steps: 100, gamma: 0.05, initial_norm: 1.0 }
    }
}

impl Ddn {
    pub(super) fn check(&self) -> Result<()> {
        require((1..=10_000).contains(&self.steps), "steps", self.steps, "from 1 to 10000")?;
        let gamma = self.gamma;
        require(gamma > 0.0 && gamma < 1.0, "gamma", gamma, "above 0 and below 1")?;
        let norm = self.initial_norm;
        require(norm > 0.0 && norm.is_finite(), "initial_norm", norm, "above 0")
    }

    pub(super) fn craft(&self, starts: &Starts<'_>, stream: &mut Stream) -> Result<Crafted> {
        let origin = &starts.images;
        let mut network = Network::new(starts.model);
        let mut best = Best::new(origin);
        let worst = norms(&origin.maximum(&(origin.neg() + 1.0)));
        let mut radius = worst.full_like(self.initial_norm).minimum(&worst);
        let mut points = origin.copy();
        for step in 0..self.steps {
            let at = rounded(&points);
            let (logits, gradient) =
                network.gradient(&at, |logits| cross_entropy(logits, &starts.labels))?;
            let beyond = margin(&logits, &starts.labels).value.lt(0.0);
            best.record(&at, &norms(&(&at - origin)).view(-1), &beyond);
            let rate = learning_rate(step, self.steps);
            let delta = &points - origin + unit(&gradient, stream) * rate;
            let shrunk = &radius * (1.0 - self.gamma);
            radius = shrunk.where_self(&by_image(&beyond), &(&radius * (1.0 + self.gamma)));
            radius = radius.minimum(&worst);
            points = (origin + &delta * (&radius / norms(&delta).clamp_min(1e-12))).clamp(0.0, 1.0);
        }
        let at = rounded(&points);
        let beyond = margin(&network.logits(&at)?, &starts.labels).value.lt(0.0);
        best.record(&at, &norms(&(&at - origin)).view(-1), &beyond);
        best.finish(&network)
    }
}

fn learning_rate(step: u32, steps: u32) -> f64 {
    let phase = std::f64::consts::PI * f64::from(step) / f64::from(steps);
    0.01 + 0.99 * (1.0 + phase.cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_falls_from_one_along_a_cosine() {
        assert_eq!(learning_rate(0, 100), 1.0);
        assert!((learning_rate(50, 100) - 0.505).abs() < 1e-12);
        assert!((learning_rate(100, 100) - 0.01).abs() < 1e-12);
    }
}
