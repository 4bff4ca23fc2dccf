//! Boundary Projection: crosses the boundary early, then walks along it towards the start.
//!
//! Zhang, Avrithis, Furon, Amsaleg: Walking on the Edge (IEEE TIFS 2020, <https://arxiv.org/abs/1912.02153>),
//! with `g` the direction in which the margin grows, `delta = x - x0`, `r = <delta, g>`:
//! ```text
//! not yet crossed   x <- x - a gamma_i g
//! beyond (OUT)      eps = gamma_i |delta|,  x <- x0 + r g + n(x - x0 - r g) sqrt(max(0, eps^2 - r^2))
//! fallen back (IN)  eps = |delta| / gamma_i,  x <- x - (r + sqrt(eps^2 - |delta|^2 + r^2)) g
//! gamma_i = gamma_min + i / (K + 1) (1 - gamma_min)
//! ```
//! # Differences from the paper
//! The loss is the margin of logits. Points stay in floats while network and gradient are taken at their 8-bit
//! rounding, and the best rounded point is kept: rounding every point stalls steps below half a level. The first
//! stage has no step to tune: it spreads Newton's step to the boundary over the first fifth of the steps, then takes
//! it in full. No least step inwards, which only rounded points need.

use bertillon::{Result, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Crafted, Starts,
    attack::require,
    best::Best,
    gradient::{Network, by_image, difference, dot, margin, norms, rounded, unit},
};

/// Largest side of an image that counts as small.
const SMALL: i64 = 32;

/// Parameters of Boundary Projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bp {
    /// Steps, K; 2 to 10000 (the baseline of the FBI paper: 50).
    pub steps: u32,
    /// First factor of the radius, above 0 and below 1; none: 0.7 for images up to 32 pixels, else 0.3 (the paper's).
    pub gamma_min: Option<f64>,
}

impl Default for Bp {
    fn default() -> Self {
        Self { steps: 50, gamma_min: None }
    }
}

impl Bp {
    pub(super) fn check(&self) -> Result<()> {
        let steps = self.steps;
        require((2..=10_000).contains(&steps), "steps", steps, "from 2 to 10000")?;
        let Some(gamma) = self.gamma_min else { return Ok(()) };
        require(gamma > 0.0 && gamma < 1.0, "gamma_min", gamma, "above 0 and below 1")
    }

    pub(super) fn craft(&self, starts: &Starts<'_>, stream: &mut Stream) -> Result<Crafted> {
        let origin = &starts.images;
        let mut network = Network::new(starts.model);
        let mut best = Best::new(origin);
        let schedule = self.schedule(origin);
        let mut crossed = starts.labels.zeros_like().to_kind(Kind::Bool);
        let mut points = origin.copy();
        let mut first_step = Tensor::new();
        for (step, &gamma) in schedule.gammas.iter().enumerate() {
            let at = rounded(&points);
            let mut value = Tensor::new();
            let (_, gradient) = network.gradient(&at, |logits| {
                let margin = margin(logits, &starts.labels);
                value = margin.value;
                difference(logits, &starts.labels, &margin.rival)
            })?;
            let beyond = value.lt(0.0);
            best.record(&at, &norms(&(&at - origin)).view(-1), &beyond);
            crossed = crossed.logical_or(&beyond);

            let newton = newton_step(&value, &gradient);
            if step == 0 {
                first_step = &newton / schedule.first_stage;
            }
            let stride = &first_step * gamma;
            let stride = if step < schedule.approach { stride } else { stride.maximum(&newton) };
            let view = View::new(origin, &points, unit(&gradient, stream));
            let approach = &points - stride * &view.direction;
            let moved = view.outwards(gamma).where_self(&by_image(&beyond), &view.inwards(gamma));
            points = moved.where_self(&by_image(&crossed), &approach).clamp(0.0, 1.0);
        }
        let at = rounded(&points);
        let beyond = margin(&network.logits(&at)?, &starts.labels).value.lt(0.0);
        best.record(&at, &norms(&(&at - origin)).view(-1), &beyond);
        best.finish(&network)
    }

    fn schedule(&self, origin: &Tensor) -> Schedule {
        let size = origin.size();
        let small = size[2].max(size[3]) <= SMALL;
        let gamma_min = self.gamma_min.unwrap_or(if small { 0.7 } else { 0.3 });
        let steps = f64::from(self.steps);
        let gammas: Vec<f64> = (0..self.steps)
            .map(|i| gamma_min + f64::from(i) / (steps + 1.0) * (1.0 - gamma_min))
            .collect();
        let approach = (gammas.len() / 5).max(1);
        Schedule { first_stage: gammas[..approach].iter().sum(), approach, gammas }
    }
}

struct Schedule {
    gammas: Vec<f64>,
    /// Steps over which the first Newton step is spread.
    approach: usize,
    /// Sum of their gammas.
    first_stage: f64,
}

/// Length of the step to the boundary of the linearised network, `[N, 1, 1, 1]`; at most an image's diagonal.
fn newton_step(margin: &Tensor, gradient: &Tensor) -> Tensor {
    let diagonal = (gradient.numel() as f64 / gradient.size()[0] as f64).sqrt();
    let length = by_image(&margin.abs()) / norms(gradient).clamp_min(1e-12);
    length.clamp_max(diagonal)
}

/// A point as seen from its start, and the direction in which the margin grows there.
struct View<'a> {
    origin: &'a Tensor,
    points: &'a Tensor,
    direction: Tensor,
    delta: Tensor,
    distance: Tensor,
    /// `<delta, direction>`.
    along: Tensor,
}

impl<'a> View<'a> {
    fn new(origin: &'a Tensor, points: &'a Tensor, direction: Tensor) -> Self {
        let delta = points - origin;
        let (distance, along) = (norms(&delta), dot(&delta, &direction));
        Self { origin, points, direction, delta, distance, along }
    }

    /// On the tangent plane, nearer to the start: at `gamma` times the distance where the plane comes so near.
    fn outwards(&self, gamma: f64) -> Tensor {
        let radius = &self.distance * gamma;
        let foot = &self.along * &self.direction;
        let within = &self.delta - &foot;
        let within = &within / norms(&within).clamp_min(1e-12);
        let reach = (radius.square() - self.along.square()).clamp_min(0.0).sqrt();
        self.origin + foot + within * reach
    }

    /// Against the direction, out to the distance divided by `gamma`.
    fn inwards(&self, gamma: f64) -> Tensor {
        let radius = &self.distance / gamma;
        let room = radius.square() - self.distance.square() + self.along.square();
        let beta = &self.along + room.clamp_min(0.0).sqrt();
        self.points - beta * &self.direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel_pair(a: f32, b: f32) -> Tensor {
        Tensor::from_slice(&[a, b]).view([1, 1, 1, 2])
    }

    fn values(point: &Tensor) -> Vec<f32> {
        Vec::<f32>::try_from(point.view(-1)).unwrap()
    }

    #[test]
    fn outwards_goes_along_the_plane_to_the_smaller_radius() {
        // delta = (3, 4), g = (-1, 0): r = -3, eps = .7 * 5 = 3.5, so the second pixel is sqrt(3.5^2 - 3^2).
        let (origin, points) = (pixel_pair(0.0, 0.0), pixel_pair(3.0, 4.0));
        let view = View::new(&origin, &points, pixel_pair(-1.0, 0.0));
        let moved = values(&view.outwards(0.7));
        assert!((moved[0] - 3.0).abs() < 1e-6);
        assert!((moved[1] - 3.25_f32.sqrt()).abs() < 1e-5, "{moved:?}");
        // eps = .5 * 5 = 2.5 < 3: the foot of the perpendicular.
        assert_eq!(values(&view.outwards(0.5)), [3.0, 0.0]);
    }

    #[test]
    fn inwards_goes_against_the_direction_to_the_larger_radius() {
        let (origin, points) = (pixel_pair(0.0, 0.0), pixel_pair(3.0, 4.0));
        let view = View::new(&origin, &points, pixel_pair(-1.0, 0.0));
        let moved = values(&view.inwards(0.5));
        // |z| = 10 with the second pixel still 4.
        assert!((moved[0] - 84.0_f32.sqrt()).abs() < 1e-5, "{moved:?}");
        assert_eq!(moved[1], 4.0);
    }

    #[test]
    fn the_radius_factor_rises_from_its_least_value_and_stays_below_one() {
        let origin = Tensor::zeros([1, 1, 28, 28], (Kind::Float, tch::Device::Cpu));
        let schedule = Bp { steps: 9, gamma_min: None }.schedule(&origin);
        assert!((schedule.gammas[0] - 0.7).abs() < 1e-12);
        assert!((schedule.gammas[8] - 0.94).abs() < 1e-12);
        let large = Tensor::zeros([1, 3, 224, 224], (Kind::Float, tch::Device::Cpu));
        assert_eq!(Bp::default().schedule(&large).gammas[0], 0.3);
    }
}
