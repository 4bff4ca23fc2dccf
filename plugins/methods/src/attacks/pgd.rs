//! Projected gradient descent within a ball around the start.
//!
//! Madry et al.: Towards Deep Learning Models Resistant to Adversarial Attacks (ICLR 2018,
//! <https://arxiv.org/abs/1706.06083>), with `g` the gradient of the cross-entropy:
//! ```text
//! Linf  x <- clip(x0 + clamp(x + a sign(g) - x0, -eps, eps))
//! L2    x <- clip(x0 + d min(1, eps / |d|)),  d = x + a g / |g| - x0
//! ```
//! # Differences from the paper
//! Network and gradient are taken at the 8-bit rounding of `x`. The last point answered otherwise is kept.

use bertillon::{Result, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Crafted, Starts,
    attack::require,
    best::Best,
    gradient::{Network, cross_entropy, margin, normal, norms, rounded, uniform, unit},
};

/// Norm of a ball.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Largest change of a pixel.
    Linf,
    /// Euclidean, over the whole image.
    L2,
}

/// Parameters of projected gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pgd {
    /// Norm of the ball.
    pub norm: Norm,
    /// Its radius in `[0, 1]` units, above 0; none: 8/255 for linf, 1 for l2.
    pub epsilon: Option<f64>,
    /// Length of a step, above 0; none: 2/255 for linf, 0.2 for l2.
    pub step: Option<f64>,
    /// Steps, 1 to 10000 (10: torchattacks).
    pub steps: u32,
}

impl Default for Pgd {
    fn default() -> Self {
        Self { norm: Norm::Linf, epsilon: None, step: None, steps: 10 }
    }
}

impl Pgd {
    pub(super) fn check(&self) -> Result<()> {
        require((1..=10_000).contains(&self.steps), "steps", self.steps, "from 1 to 10000")?;
        let (epsilon, step) = self.lengths();
        require(epsilon > 0.0 && epsilon.is_finite(), "epsilon", epsilon, "above 0")?;
        require(step > 0.0 && step.is_finite(), "step", step, "above 0")
    }

    fn lengths(&self) -> (f64, f64) {
        let (epsilon, step) = match self.norm {
            Norm::Linf => (8.0 / 255.0, 2.0 / 255.0),
            Norm::L2 => (1.0, 0.2),
        };
        (self.epsilon.unwrap_or(epsilon), self.step.unwrap_or(step))
    }

    pub(super) fn craft(&self, starts: &Starts<'_>, stream: &mut Stream) -> Result<Crafted> {
        let (epsilon, step) = self.lengths();
        let origin = &starts.images;
        let mut network = Network::new(starts.model);
        let mut best = Best::new(origin);
        let mut points = (origin + self.beginning(origin, epsilon, stream)).clamp(0.0, 1.0);
        for steps_left in (0..self.steps).rev() {
            let at = rounded(&points);
            let (logits, gradient) =
                network.gradient(&at, |logits| cross_entropy(logits, &starts.labels))?;
            let beyond = margin(&logits, &starts.labels).value.lt(0.0);
            best.record(&at, &recency(&beyond, steps_left + 1), &beyond);
            let ahead = match self.norm {
                Norm::Linf => gradient.sign() * step,
                Norm::L2 => unit(&gradient, stream) * step,
            };
            let delta = self.projected(&(&points - origin + ahead), epsilon);
            points = (origin + delta).clamp(0.0, 1.0);
        }
        let at = rounded(&points);
        let beyond = margin(&network.logits(&at)?, &starts.labels).value.lt(0.0);
        best.record(&at, &recency(&beyond, 0), &beyond);
        best.finish(&network)
    }

    fn projected(&self, delta: &Tensor, epsilon: f64) -> Tensor {
        match self.norm {
            Norm::Linf => delta.clamp(-epsilon, epsilon),
            Norm::L2 => delta * (epsilon / norms(delta).clamp_min(1e-12)).clamp_max(1.0),
        }
    }

    /// A random point of the ball.
    fn beginning(&self, origin: &Tensor, epsilon: f64, stream: &mut Stream) -> Tensor {
        match self.norm {
            Norm::Linf => (uniform(origin, &origin.size(), stream) * 2.0 - 1.0) * epsilon,
            Norm::L2 => {
                let direction = unit(&normal(origin, stream), stream);
                direction * uniform(origin, &[origin.size()[0], 1, 1, 1], stream) * epsilon
            }
        }
    }
}

/// Stands for a distortion where later points are preferred to earlier ones.
fn recency(like: &Tensor, steps_left: u32) -> Tensor {
    Tensor::full(like.size(), f64::from(steps_left), (Kind::Float, like.device()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_projected_into_the_ball() {
        let delta = Tensor::from_slice(&[3.0_f32, -4.0]).view([1, 1, 1, 2]);
        let projected = |norm, epsilon| {
            let attack = Pgd { norm, ..Pgd::default() };
            Vec::<f32>::try_from(attack.projected(&delta, epsilon).view(-1)).unwrap()
        };
        assert_eq!(projected(Norm::Linf, 3.5), [3.0, -3.5]);
        assert_eq!(projected(Norm::L2, 2.5), [1.5, -2.0]);
        assert_eq!(projected(Norm::L2, 6.0), [3.0, -4.0]);
    }
}
