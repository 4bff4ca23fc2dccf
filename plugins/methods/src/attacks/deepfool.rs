//! DeepFool: steps to the nearest boundary of the linearised network.
//!
//! Moosavi-Dezfooli, Fawzi, Frossard: DeepFool (CVPR 2016, <https://arxiv.org/abs/1511.04599>), algorithm 2:
//! ```text
//! l = argmin_k |f_k| / |w_k|,  f_k = Z_k - Z_y,  w_k = grad f_k
//! p <- p + (|f_l| / |w_l| + 1e-4) w_l / |w_l|,  x = x0 + (1 + overshoot) p
//! ```
//! # Differences from the paper
//! The network is taken at the 8-bit rounding of `x`, and steps go on until that is answered otherwise. Only the
//! best classes of the start are candidates.

use bertillon::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Crafted, Starts,
    attack::require,
    best::Best,
    gradient::{Graph, Network, by_image, difference, margin, norms, rounded},
};

/// Added to each step, so that it ends beyond the boundary.
const BEYOND: f64 = 1e-4;

/// Parameters of DeepFool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeepFool {
    /// Most steps, 1 to 1000 (the paper's 50).
    pub steps: u32,
    /// Share by which the sum of the steps is exceeded, 0 to 1 (the paper's 0.02).
    pub overshoot: f64,
    /// Classes of largest logit at the start that are considered, its own included, 2 to 1000 (10: the public code).
    pub candidates: u32,
}

impl Default for DeepFool {
    fn default() -> Self {
        Self { steps: 50, overshoot: 0.02, candidates: 10 }
    }
}

impl DeepFool {
    pub(super) fn check(&self) -> Result<()> {
        require((1..=1000).contains(&self.steps), "steps", self.steps, "from 1 to 1000")?;
        let over = self.overshoot;
        require((0.0..=1.0).contains(&over), "overshoot", over, "from 0 to 1")?;
        let candidates = self.candidates;
        require((2..=1000).contains(&candidates), "candidates", candidates, "from 2 to 1000")
    }

    pub(super) fn craft(&self, starts: &Starts<'_>) -> Result<Crafted> {
        let mut network = Network::new(starts.model);
        let mut best = Best::new(&starts.images);
        let mut rows = Tensor::arange(starts.len(), (Kind::Int64, starts.images.device()));
        let (mut origin, mut labels) =
            (starts.images.shallow_clone(), starts.labels.shallow_clone());
        let mut path = origin.zeros_like();
        let mut candidates = Tensor::new();
        for step in 0..=self.steps {
            let at = rounded(&(&origin + &path * (1.0 + self.overshoot)));
            let forward = network.forward(&at)?;
            let beyond = margin(&forward.logits, &labels).value.lt(0.0);
            best.record_rows(&rows, &at, &norms(&(&at - &origin)).view(-1), &beyond);
            let open = beyond.logical_not().nonzero().squeeze_dim(1);
            if open.numel() == 0 || step == self.steps {
                break;
            }
            if step == 0 {
                let count = i64::from(self.candidates).min(forward.logits.size()[1]);
                candidates = forward.logits.topk(count, 1, true, true).1;
            }
            let shortest = nearest(&mut network, &forward, &labels, &candidates)?;
            path += shortest;
            if open.size() != rows.size() {
                for kept in [&mut rows, &mut origin, &mut labels, &mut path, &mut candidates] {
                    *kept = kept.index_select(0, &open);
                }
            }
        }
        best.finish(&network)
    }
}

/// Step to the nearest of the boundaries to `candidates` `[N, k]`.
fn nearest(
    network: &mut Network<'_>,
    forward: &super::gradient::Forward,
    labels: &Tensor,
    candidates: &Tensor,
) -> Result<Tensor> {
    let own = forward.logits.gather(1, &labels.unsqueeze(1), false);
    let mut least = by_image(&own).full_like(f64::INFINITY);
    let mut shortest = Tensor::new();
    let count = candidates.size()[1];
    for rank in 0..count {
        let class = candidates.select(1, rank);
        // In the rows where the candidate is the class itself the derivative is wrong, and masked.
        let derivative = difference(&forward.logits, &class, labels);
        let graph = if rank + 1 == count { Graph::Drop } else { Graph::Keep };
        let slope = network.backward(forward, &derivative, graph)?;
        let gap = forward.logits.gather(1, &class.unsqueeze(1), false) - &own;
        let length = norms(&slope) + 1e-8;
        let distance = by_image(&gap.abs()) / &length;
        let itself = by_image(&class.eq_tensor(labels));
        let distance = distance.masked_fill(&itself, f64::INFINITY);
        let step = slope * ((&distance + BEYOND) / length).masked_fill(&itself, 0.0);
        shortest = match rank {
            0 => step,
            _ => step.where_self(&distance.lt_tensor(&least), &shortest),
        };
        least = least.minimum(&distance);
    }
    Ok(shortest)
}
