//! What comes out of an attack: the best 8-bit point found for each start.

use bertillon::{Images, Result};
use tch::{Kind, Tensor};

use super::gradient::{Network, by_image};

/// Queries crafted from a batch of starts, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crafted {
    /// The queries; where an attack failed, the last point it tried.
    pub images: Images,
    /// Whether each is what the attack wants: answered otherwise than its start, with the margin asked for.
    pub converged: Vec<bool>,
    /// Images put through the network.
    pub forwards: u64,
    /// Images gone back through the network for.
    pub gradients: u64,
}

/// The point of least distortion found so far for each start.
pub(super) struct Best {
    points: Tensor,
    distortions: Tensor,
}

impl Best {
    pub(super) fn new(starts: &Tensor) -> Self {
        let distortions =
            Tensor::full([starts.size()[0]], f64::INFINITY, (Kind::Float, starts.device()));
        Self { points: starts.copy(), distortions }
    }

    /// Takes the points that are better: successes of less distortion, and anything while there is no success.
    pub(super) fn record(&mut self, points: &Tensor, distortions: &Tensor, success: &Tensor) {
        let candidates = distortions.masked_fill(&success.logical_not(), f64::INFINITY);
        let take = candidates.lt_tensor(&self.distortions);
        let take = take.logical_or(&self.distortions.isinf());
        self.points = points.where_self(&by_image(&take), &self.points);
        self.distortions = candidates.minimum(&self.distortions);
    }

    /// As [`record`](Self::record), for some of the starts only.
    pub(super) fn record_rows(
        &mut self,
        rows: &Tensor,
        points: &Tensor,
        distortions: &Tensor,
        success: &Tensor,
    ) {
        let mut some = Self {
            points: self.points.index_select(0, rows),
            distortions: self.distortions.index_select(0, rows),
        };
        some.record(points, distortions, success);
        let _ = self.points.index_copy_(0, rows, &some.points);
        let _ = self.distortions.index_copy_(0, rows, &some.distortions);
    }

    pub(super) fn finish(self, network: &Network<'_>) -> Result<Crafted> {
        network.settle()?;
        Ok(Crafted {
            images: Images::from_tensor(&self.points)?,
            converged: Vec::<bool>::try_from(self.distortions.isfinite())?,
            forwards: network.forwards,
            gradients: network.gradients,
        })
    }
}

#[cfg(test)]
mod tests {
    use bertillon::testkit::ToyModel;

    use super::*;

    #[test]
    fn a_success_is_replaced_by_a_nearer_success_only() {
        let image = |value: f32| Tensor::from_slice(&[value; 2]).view([2, 1, 1, 1]);
        let pair = |a: f32, b: f32| Tensor::from_slice(&[a, b]);
        let flags = |a, b| Tensor::from_slice(&[a, b]);
        let mut best = Best::new(&image(0.0));
        best.record(&image(0.2), &pair(2.0, 2.0), &flags(true, false));
        best.record(&image(0.4), &pair(3.0, 3.0), &flags(true, false));
        best.record(&image(0.6), &pair(1.0, 1.0), &flags(false, false));
        let model = ToyModel::new(0);
        let crafted = best.finish(&Network::new(&model)).unwrap();
        assert_eq!(crafted.images.as_bytes(), [51, 153]);
        assert_eq!(crafted.converged, [true, false]);
    }
}
