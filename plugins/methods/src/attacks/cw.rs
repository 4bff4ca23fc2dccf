//! The L2 attack of Carlini and Wagner.
//!
//! Carlini, Wagner: Towards Evaluating the Robustness of Neural Networks (IEEE S&P 2017,
//! <https://arxiv.org/abs/1608.04644>), untargeted, `c` found by bisection for each image:
//! ```text
//! min_m  |x' - x|^2 + c max(0, Z_y - max_{t != y} Z_t + kappa),   x' = (tanh(w + m) + 1) / 2
//! ```
//! # Differences from the paper
//! `x'` is rounded to 8 bits in the loss, with the gradient passed straight through. An image whose loss stalls
//! leaves the batch (the paper stops the whole batch). `kappa` is in units of the network's own logits. The
//! defaults are a budget version; the paper's are 9 searches of up to 10,000 steps from c = 0.001.

use bertillon::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Crafted, Starts,
    adam::Adam,
    attack::require,
    best::Best,
    gradient::{Network, difference, margin, rounded},
};

/// Keeps `atanh` finite at black and white.
const INSIDE: f64 = 1.0 - 1e-6;

/// Above this no upper bound of `c` is known.
const UNBOUNDED: f64 = 1e9;

/// A lowest loss above this share of what it was a tenth of the steps ago has stalled.
const STALLED: f64 = 0.9999;

/// Parameters of Carlini and Wagner's attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CarliniWagner {
    /// Values of `c` tried for each image, 1 to 20 (the paper's 9).
    pub search_steps: u32,
    /// Most steps of Adam for each, 1 to 10000 (the paper's 10000).
    pub steps: u32,
    /// First value of `c`, above 0 (the paper's 0.001, which wastes searches where there are few).
    pub c: f64,
    /// How far beyond the boundary, in standard deviations of the gap between the two best logits over the pool; at least 0.
    pub kappa: f64,
    /// Adam's step, above 0 and at most 1 (the paper's 0.01).
    pub learning_rate: f64,
}

impl Default for CarliniWagner {
    fn default() -> Self {
        Self { search_steps: 5, steps: 200, c: 0.1, kappa: 0.0, learning_rate: 0.01 }
    }
}

impl CarliniWagner {
    pub(super) fn check(&self) -> Result<()> {
        let searches = self.search_steps;
        require((1..=20).contains(&searches), "search_steps", searches, "from 1 to 20")?;
        let steps = self.steps;
        require((1..=10_000).contains(&steps), "steps", steps, "from 1 to 10000")?;
        require(self.c > 0.0 && self.c.is_finite(), "c", self.c, "above 0")?;
        require(self.kappa >= 0.0 && self.kappa.is_finite(), "kappa", self.kappa, "at least 0")?;
        let rate = self.learning_rate;
        require(rate > 0.0 && rate <= 1.0, "learning_rate", rate, "above 0 and at most 1")
    }

    pub(super) fn craft(&self, starts: &Starts<'_>) -> Result<Crafted> {
        let mut network = Network::new(starts.model);
        let mut best = Best::new(&starts.images);
        let mut search = Search::new(&starts.labels, self.c);
        for outer in 0..self.search_steps {
            if self.search_steps >= 10 && outer + 1 == self.search_steps {
                search.end_on_the_safe_side();
            }
            let succeeded = self.descend(starts, &search.c, &mut network, &mut best)?;
            search.narrow(&succeeded);
        }
        best.finish(&network)
    }

    /// Minimises the loss for the given `c` `[N]`; which of the images were ever answered otherwise.
    fn descend(
        &self,
        starts: &Starts<'_>,
        c: &Tensor,
        network: &mut Network<'_>,
        best: &mut Best,
    ) -> Result<Tensor> {
        let kappa = self.kappa * starts.logit_scale;
        let mut succeeded = starts.labels.zeros_like().to_kind(Kind::Bool);
        let mut open = Open {
            rows: Tensor::arange(starts.len(), (Kind::Int64, starts.images.device())),
            origin: starts.images.shallow_clone(),
            labels: starts.labels.shallow_clone(),
            c: c.shallow_clone(),
            base: ((&starts.images * 2.0 - 1.0) * INSIDE).atanh(),
            shift: starts.images.zeros_like(),
            lowest: c.full_like(f64::INFINITY),
            before: c.full_like(f64::INFINITY),
        };
        let mut adam = Adam::new(&open.shift, self.learning_rate);
        let tenth = (self.steps / 10).max(1);
        for step in 0..self.steps {
            let curve = (&open.base + &open.shift).tanh();
            let at = rounded(&((&curve + 1.0) / 2.0));
            let mut lack = Tensor::new();
            let (_, slope) = network.gradient(&at, |logits| {
                let margin = margin(logits, &open.labels);
                lack = margin.value + kappa;
                let weight = &open.c * lack.gt(0.0).to_kind(Kind::Float);
                difference(logits, &open.labels, &margin.rival) * weight.unsqueeze(1)
            })?;
            let delta = &at - &open.origin;
            let squared = delta.square().sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Float);
            let success = lack.lt(0.0);
            best.record_rows(&open.rows, &at, &squared, &success);
            let ever = succeeded.index_select(0, &open.rows).logical_or(&success);
            let _ = succeeded.index_copy_(0, &open.rows, &ever);

            let inner = (curve.square().neg() + 1.0) / 2.0;
            let mut gradient = (delta * 2.0 + slope) * inner;
            let loss = squared + lack.relu() * &open.c;
            open.lowest = open.lowest.minimum(&loss);
            if step % tenth == 0 {
                let moving = open.lowest.le_tensor(&(&open.before * STALLED));
                open.before = open.lowest.shallow_clone();
                let moving = moving.nonzero().squeeze_dim(1);
                if moving.numel() == 0 {
                    break;
                }
                if moving.size() != open.rows.size() {
                    open.keep(&moving);
                    adam.keep(&moving);
                    gradient = gradient.index_select(0, &moving);
                }
            }
            adam.step(&mut open.shift, &gradient);
        }
        Ok(succeeded)
    }
}

/// The images that a descent still works on.
struct Open {
    rows: Tensor,
    origin: Tensor,
    labels: Tensor,
    c: Tensor,
    base: Tensor,
    shift: Tensor,
    /// Lowest loss so far, and what it was a tenth of the steps ago.
    lowest: Tensor,
    before: Tensor,
}

impl Open {
    fn keep(&mut self, rows: &Tensor) {
        for kept in [
            &mut self.rows,
            &mut self.origin,
            &mut self.labels,
            &mut self.c,
            &mut self.base,
            &mut self.shift,
            &mut self.lowest,
            &mut self.before,
        ] {
            *kept = kept.index_select(0, rows);
        }
    }
}

/// Bisection for the smallest `c` that succeeds, image by image.
struct Search {
    c: Tensor,
    lower: Tensor,
    upper: Tensor,
}

impl Search {
    fn new(labels: &Tensor, c: f64) -> Self {
        let zero = labels.zeros_like().to_kind(Kind::Float);
        Self { c: &zero + c, upper: &zero + 1e10, lower: zero }
    }

    fn narrow(&mut self, succeeded: &Tensor) {
        self.upper = self.upper.minimum(&self.c).where_self(succeeded, &self.upper);
        self.lower = self.lower.where_self(succeeded, &self.lower.maximum(&self.c));
        let middle = (&self.lower + &self.upper) / 2.0;
        self.c = middle.where_self(&self.upper.lt(UNBOUNDED), &(&self.c * 10.0));
    }

    /// The last of many searches takes the smallest `c` known to succeed.
    fn end_on_the_safe_side(&mut self) {
        self.c = self.upper.where_self(&self.upper.lt(UNBOUNDED), &self.c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_grows_tenfold_until_a_success_then_is_bisected() {
        let mut search = Search::new(&Tensor::from_slice(&[0_i64]), 0.5);
        let mut narrow = |success: bool| {
            search.narrow(&Tensor::from_slice(&[success]));
            search.c.double_value(&[0])
        };
        assert_eq!(narrow(false), 5.0);
        assert_eq!(narrow(true), 2.75);
        assert_eq!(narrow(false), 3.875);
        assert_eq!(narrow(true), 3.3125);
    }
}
