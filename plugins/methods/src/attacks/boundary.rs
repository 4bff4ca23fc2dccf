//! IP-Guard's own objective: a point at the boundary between the start's class and another.
//!
//! Cao, Jia, Gong: IPGuard (AsiaCCS 2021, <https://arxiv.org/abs/1910.12903>), eq. 5:
//! ```text
//! min_x  ReLU(Z_i - Z_j + k) + ReLU(max_{t != i, j} Z_t - Z_i)
//! ```
//! # Differences from the paper
//! `k` is in units of the network's own logits; points are 8-bit; a start that converged leaves the batch.

use bertillon::{Result, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Crafted, Starts,
    adam::Adam,
    attack::require,
    best::Best,
    gradient::{Network, difference, norms, rounded},
};

/// A loss of at most this counts as zero.
const SOLVED: f64 = 1e-6;

/// What images queries are crafted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Images of the pool that the owner's model answers rightly.
    Training,
    /// Uniform noise.
    Noise,
}

/// Towards which class a query goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// Any other class, uniformly.
    Random,
    /// The class of the start's lowest logit.
    LeastLikely,
}

/// Parameters of IP-Guard's own objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Boundary {
    /// What to start from (training: images of the pool answered rightly).
    pub start: Start,
    /// Which class to go to.
    pub target: Destination,
    /// How far beyond the boundary, in standard deviations of the gap between the two best logits over the pool; at least 0.
    pub k: f64,
    /// Adam's step, in pixels of `[0, 1]`; above 0, at most 1 (0.01: the public implementations).
    pub learning_rate: f64,
    /// Most steps, 1 to 1000 (the paper's 1000).
    pub iterations: u32,
}

impl Default for Boundary {
    fn default() -> Self {
        Self {
            start: Start::Training,
            target: Destination::Random,
            k: 0.5,
            learning_rate: 0.01,
            iterations: 1000,
        }
    }
}

impl Boundary {
    pub(super) fn check(&self) -> Result<()> {
        require(self.k >= 0.0 && self.k.is_finite(), "k", self.k, "at least 0")?;
        let rate = self.learning_rate;
        require(rate > 0.0 && rate <= 1.0, "learning_rate", rate, "above 0 and at most 1")?;
        let steps = self.iterations;
        require((1..=1000).contains(&steps), "iterations", steps, "from 1 to 1000")
    }

    pub(super) fn craft(&self, starts: &Starts<'_>, stream: &mut Stream) -> Result<Crafted> {
        let mut network = Network::new(starts.model);
        let mut best = Best::new(&starts.images);
        let margin = self.k * starts.logit_scale;
        let destinations = self.destinations(starts, &mut network, stream)?;
        let mut rows = Tensor::arange(starts.len(), (Kind::Int64, starts.images.device()));
        let (mut origin, mut points) = (starts.images.shallow_clone(), starts.images.copy());
        let (mut from, mut to) = (starts.labels.shallow_clone(), destinations);
        let mut adam = Adam::new(&points, self.learning_rate);
        for step in 0..=self.iterations {
            let at = rounded(&points);
            let last = step == self.iterations;
            let (loss, gradient) = if last {
                (objective(&network.logits(&at)?, &from, &to, margin).0, None)
            } else {
                let mut loss = Tensor::new();
                let (_, gradient) = network.gradient(&at, |logits| {
                    let (value, derivative) = objective(logits, &from, &to, margin);
                    loss = value;
                    derivative
                })?;
                (loss, Some(gradient))
            };
            let solved = loss.le(SOLVED);
            if last || bool::try_from(solved.any())? {
                best.record_rows(&rows, &at, &norms(&(&at - &origin)).view(-1), &solved);
            }
            let Some(mut gradient) = gradient else { break };
            if bool::try_from(solved.any())? {
                let open = solved.logical_not().nonzero().squeeze_dim(1);
                if open.numel() == 0 {
                    break;
                }
                for kept in [&mut rows, &mut origin, &mut points, &mut from, &mut to, &mut gradient]
                {
                    *kept = kept.index_select(0, &open);
                }
                adam.keep(&open);
            }
            adam.step(&mut points, &gradient);
            let _ = points.clamp_(0.0, 1.0);
        }
        best.finish(&network)
    }

    fn destinations(
        &self,
        starts: &Starts<'_>,
        network: &mut Network<'_>,
        stream: &mut Stream,
    ) -> Result<Tensor> {
        if self.target == Destination::LeastLikely {
            let index = starts.labels.unsqueeze(1);
            let others = network.logits(&starts.images)?.scatter_value(1, &index, f64::INFINITY);
            return Ok(others.argmin(1, false));
        }
        let labels = Vec::<i64>::try_from(&starts.labels)?;
        let others = u32::try_from(starts.model.classes() - 1).unwrap_or(u32::MAX);
        let destinations: Vec<i64> = labels
            .iter()
            .map(|&label| {
                let drawn = i64::from(stream.below(others));
                drawn + i64::from(drawn >= label)
            })
            .collect();
        Ok(Tensor::from_slice(&destinations).to_device(starts.images.device()))
    }
}

/// Value `[N]` of the objective and its derivative by the logits `[N, K]`.
fn objective(logits: &Tensor, from: &Tensor, to: &Tensor, k: f64) -> (Tensor, Tensor) {
    let (i, j) = (from.unsqueeze(1), to.unsqueeze(1));
    let z_i = logits.gather(1, &i, false);
    let z_j = logits.gather(1, &j, false);
    let others =
        logits.scatter_value(1, &i, f64::NEG_INFINITY).scatter_value(1, &j, f64::NEG_INFINITY);
    let (z_o, other) = others.max_dim(1, true);
    let crossing = &z_i - z_j + k;
    let staying = z_o - z_i;
    let value = (crossing.relu() + staying.relu()).squeeze_dim(1);
    let active = |term: &Tensor| term.gt(0.0).to_kind(Kind::Float);
    let derivative = difference(logits, from, to) * active(&crossing)
        + difference(logits, &other.squeeze_dim(1), from) * active(&staying);
    (value, derivative)
}

#[cfg(test)]
mod tests {
    use bertillon::{Access, Images, Mode, Model, answer, testkit};
    use tch::Device;

    use super::*;

    #[test]
    fn the_objective_is_that_of_equation_5() {
        let logits =
            Tensor::from_slice(&[3.0_f32, 1.0, 5.0, 0.0, 3.0, 4.0, -1.0, 0.0]).view([2, 4]);
        let (value, derivative) = objective(
            &logits,
            &Tensor::from_slice(&[0_i64, 0]),
            &Tensor::from_slice(&[1_i64, 1]),
            0.5,
        );
        assert_eq!(Vec::<f32>::try_from(value).unwrap(), [2.5 + 2.0, 0.0]);
        let expected = [0.0_f32, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(Vec::<f32>::try_from(derivative.view(-1)).unwrap(), expected);
    }

    #[test]
    fn two_classes_have_no_second_term() {
        let logits = Tensor::from_slice(&[1.0_f32, 4.0]).view([1, 2]);
        let (value, derivative) =
            objective(&logits, &Tensor::from_slice(&[0_i64]), &Tensor::from_slice(&[1_i64]), 5.0);
        assert_eq!(value.double_value(&[0]), 2.0);
        assert_eq!(Vec::<f32>::try_from(derivative.view(-1)).unwrap(), [1.0, -1.0]);
    }

    #[test]
    fn queries_end_beyond_the_boundary_to_the_class_aimed_at_by_the_margin() {
        let model = testkit::ToyModel::new(2);
        let images = testkit::images(8, 2);
        let labels = answer(&model, &images, Access::Top1, Device::Cpu).unwrap();
        let starts = Starts::new(&model, &images, labels.as_slice(), 0.5, Device::Cpu).unwrap();
        let attack = Boundary { k: 3.0, target: Destination::LeastLikely, ..Boundary::default() };
        let crafted = attack.craft(&starts, &mut Stream::named(1, ["margin"])).unwrap();
        assert_eq!(crafted.converged, [true; 8]);
        let logits = |images: &Images| model.logits(&images.tensor(Device::Cpu), Mode::Evaluation);
        let to = logits(&images).unwrap().argmin(1, true);
        let from = starts.labels.unsqueeze(1);
        let ends = logits(&crafted.images).unwrap();
        let gap = ends.gather(1, &to, false) - ends.gather(1, &from, false);
        assert!(gap.min().double_value(&[]) >= 1.5 - 1e-4, "3 times the scale of 0.5");
        assert!(gap.max().double_value(&[]) < 4.5, "and not far beyond");
    }
}
