//! What the attacks share: the network's answers and gradients at 8-bit points, margins, rounding and norms.
//!
//! Every loss of theirs has a simple derivative by the logits, so attacks hand that in and only the network itself
//! is differentiated by libtorch.

use bertillon::{Error, Mode, Model, Result, Stream};
use tch::{Kind, Tensor};

/// Below this a gradient counts as zero.
const ZERO: f64 = 1e-12;

/// A network that counts what it is asked.
pub(super) struct Network<'a> {
    model: &'a dyn Model,
    pub(super) forwards: u64,
    pub(super) gradients: u64,
    /// Sums that must be finite, not looked at yet: to look at a number on a GPU is to wait for all before it.
    sums: Vec<Tensor>,
}

impl<'a> Network<'a> {
    pub(super) fn new(model: &'a dyn Model) -> Self {
        Self { model, forwards: 0, gradients: 0, sums: Vec::new() }
    }

    /// Refuses what was computed since, if it was not finite: on a GPU this is seen only here.
    pub(super) fn settle(&self) -> Result<()> {
        if self.sums.is_empty() {
            return Ok(());
        }
        match bool::try_from(Tensor::f_stack(&self.sums, 0)?.isfinite().all())? {
            true => Ok(()),
            false => Err(not_finite()),
        }
    }

    /// Whether all values are finite, as far as it can be told without waiting.
    fn seems_finite(&mut self, values: &Tensor) -> bool {
        // A sum is finite only when all its terms are.
        let sum = values.sum(Kind::Double);
        if values.device().is_cuda() {
            self.sums.push(sum);
            return true;
        }
        sum.double_value(&[]).is_finite()
    }

    /// Logits `[N, K]` of a batch, without a gradient.
    pub(super) fn logits(&mut self, points: &Tensor) -> Result<Tensor> {
        let logits = tch::no_grad(|| self.model.logits(points, Mode::Evaluation))?;
        self.check(points, &logits)?;
        Ok(logits)
    }

    /// Logits of a batch and what is needed to go back from them.
    pub(super) fn forward(&mut self, points: &Tensor) -> Result<Forward> {
        let points = points.detach().set_requires_grad(true);
        let output = tch::with_grad(|| self.model.logits(&points, Mode::Evaluation))?;
        self.check(&points, &output)?;
        if !output.requires_grad() {
            return Err(not_differentiable());
        }
        Ok(Forward { points, logits: output.detach(), output })
    }

    /// Logits of a batch and the gradient of a loss whose derivative by the logits is `derivative(logits)`.
    pub(super) fn gradient(
        &mut self,
        points: &Tensor,
        derivative: impl FnOnce(&Tensor) -> Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let forward = self.forward(points)?;
        let derivative = derivative(&forward.logits);
        let gradient = self.backward(&forward, &derivative, Graph::Drop)?;
        Ok((forward.logits, gradient))
    }

    /// Gradient by the points of a loss whose derivative by the logits is `derivative`.
    pub(super) fn backward(
        &mut self,
        forward: &Forward,
        derivative: &Tensor,
        graph: Graph,
    ) -> Result<Tensor> {
        let loss = tch::with_grad(|| (&forward.output * derivative).sum(Kind::Float));
        let keep = graph == Graph::Keep;
        let mut gradients = Tensor::f_run_backward(&[loss], &[&forward.points], keep, false)?;
        let gradient = gradients.swap_remove(0);
        if !gradient.defined() {
            return Err(not_differentiable());
        }
        self.gradients += images(&gradient);
        match self.seems_finite(&gradient) {
            true => Ok(gradient),
            false => Err(not_finite()),
        }
    }

    fn check(&mut self, points: &Tensor, logits: &Tensor) -> Result<()> {
        self.forwards += images(points);
        let expected = vec![points.size()[0], i64::try_from(self.model.classes()).unwrap_or(0)];
        if logits.size() != expected {
            return Err(Error::Shape { what: "logits", expected, actual: logits.size() });
        }
        if self.seems_finite(&logits.detach()) {
            return Ok(());
        }
        let bad = logits.detach().isfinite().logical_not();
        Err(Error::NotFinite {
            count: bad.sum(Kind::Int64).int64_value(&[]),
            total: logits.numel() as i64,
            first: bad.any_dim(1, false).to_kind(Kind::Int).argmax(0, false).int64_value(&[]),
        })
    }
}

/// Whether a forward pass can be gone back through once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Graph {
    Keep,
    Drop,
}

/// A forward pass that can be gone back through.
pub(super) struct Forward {
    points: Tensor,
    output: Tensor,
    /// `[N, K]`, without its history.
    pub(super) logits: Tensor,
}

fn not_differentiable() -> Error {
    Error::Refused(
        "the model's logits have no gradient by its images (a transform before the network is not \
         differentiable): no query can be crafted on it"
            .into(),
    )
}

fn not_finite() -> Error {
    Error::Refused(
        "a gradient is NaN or infinite, or logits are: no query can be crafted on this model"
            .into(),
    )
}

fn images(batch: &Tensor) -> u64 {
    u64::try_from(batch.size()[0]).unwrap_or(0)
}

/// How far each image is from being answered otherwise than `labels`: negative where it is.
pub(super) struct Margin {
    /// `Z_y - max_{t != y} Z_t`, `[N]`.
    pub(super) value: Tensor,
    /// The best other class, `[N]`.
    pub(super) rival: Tensor,
}

/// Margins of `logits` `[N, K]` against `labels` `[N]`.
pub(super) fn margin(logits: &Tensor, labels: &Tensor) -> Margin {
    let index = labels.unsqueeze(1);
    let own = logits.gather(1, &index, false).squeeze_dim(1);
    let (best, rival) = logits.scatter_value(1, &index, f64::NEG_INFINITY).max_dim(1, false);
    Margin { value: own - best, rival }
}

/// Derivative of `Z_plus - Z_minus` by the logits, `[N, K]`; the two classes differ in every row.
pub(super) fn difference(logits: &Tensor, plus: &Tensor, minus: &Tensor) -> Tensor {
    logits.zeros_like().scatter_value(1, &plus.unsqueeze(1), 1.0).scatter_value(
        1,
        &minus.unsqueeze(1),
        -1.0,
    )
}

/// Derivative of the cross-entropy by the logits: `softmax(Z) - onehot(y)`.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    let index = labels.unsqueeze(1);
    let one_hot = logits.zeros_like().scatter_value(1, &index, 1.0);
    logits.softmax(1, Kind::Float) - one_hot
}

/// Nearest 8-bit points in `[0, 1]`, as [`bertillon::Images`] gives them back to the bit.
pub(super) fn rounded(points: &Tensor) -> Tensor {
    let mut levels = points * 255.0;
    let _ = levels.round_();
    let _ = levels.clamp_(0.0, 255.0);
    levels / 255.0
}

/// Euclidean norm of each image, `[N, 1, 1, 1]`.
pub(super) fn norms(batch: &Tensor) -> Tensor {
    batch.norm_scalaropt_dim(2.0, [1, 2, 3].as_slice(), true)
}

/// Scalar product image by image, `[N, 1, 1, 1]`.
pub(super) fn dot(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist([1, 2, 3].as_slice(), true, Kind::Float)
}

/// One value an image, `[N]`, shaped to multiply images, `[N, 1, 1, 1]`.
pub(super) fn by_image(values: &Tensor) -> Tensor {
    values.view([-1, 1, 1, 1])
}

/// The images scaled to norm 1; one of zero becomes a random direction.
pub(super) fn unit(batch: &Tensor, stream: &mut Stream) -> Tensor {
    let norms = norms(batch);
    let zero = norms.lt(ZERO);
    if batch.device().is_cuda() {
        // Any direction serves. Drawing one from the stream would mean to wait and see whether it is needed.
        let fixed = scattered(batch);
        return fixed.where_self(&zero, &(batch / norms.clamp_min(ZERO)));
    }
    if !bool::try_from(zero.any()).unwrap_or(false) {
        return batch / norms;
    }
    let random = normal(batch, stream);
    let random = &random / self::norms(&random);
    random.where_self(&zero, &(batch / norms.clamp_min(ZERO)))
}

/// A direction for each image, `[N, C, H, W]` of norm 1, the same each time: the fractions of multiples of the golden
/// ratio, which spread evenly.
fn scattered(batch: &Tensor) -> Tensor {
    let count = i64::try_from(batch.numel()).unwrap_or(i64::MAX);
    let multiples = Tensor::arange(count, (Kind::Double, batch.device())) * 0.618_033_988_749_895;
    let centred = &multiples - multiples.floor() - 0.5;
    let directions = centred.view(batch.size().as_slice()).to_kind(batch.kind());
    &directions / norms(&directions)
}

/// Independent standard normal numbers in the shape of `batch`.
pub(super) fn normal(batch: &Tensor, stream: &mut Stream) -> Tensor {
    let mut values = vec![0.0_f32; batch.numel()];
    stream.fill_normal(&mut values);
    Tensor::from_slice(&values).view(batch.size().as_slice()).to_device(batch.device())
}

/// Independent numbers, uniform in `[0, 1)`, in the given shape.
pub(super) fn uniform(like: &Tensor, shape: &[i64], stream: &mut Stream) -> Tensor {
    let count = shape.iter().product::<i64>();
    let values: Vec<f64> = (0..count).map(|_| stream.uniform()).collect();
    Tensor::from_slice(&values).view(shape).to_device(like.device()).to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use bertillon::{Images, testkit};
    use tch::Device;

    use super::*;

    #[test]
    fn margins_are_against_the_best_other_class() {
        let logits = Tensor::from_slice(&[-5.0_f32, -2.0, -3.0, 1.0, 4.0, 2.0]).view([2, 3]);
        let margin = margin(&logits, &Tensor::from_slice(&[1_i64, 0]));
        assert_eq!(Vec::<f32>::try_from(margin.value).unwrap(), [1.0, -3.0]);
        assert_eq!(Vec::<i64>::try_from(margin.rival).unwrap(), [2, 1]);
    }

    #[test]
    fn rounding_agrees_with_the_images_that_a_service_receives() {
        let stream = &mut Stream::named(1, ["points"]);
        let points = normal(&Tensor::zeros([3, 1, 8, 8], (Kind::Float, Device::Cpu)), stream);
        let images = Images::from_tensor(&points).unwrap();
        assert_eq!(rounded(&points), images.tensor(Device::Cpu));
    }

    #[test]
    fn a_zero_gradient_becomes_a_random_direction() {
        let batch = Tensor::from_slice(&[0.0_f32, 0.0, 3.0, 4.0]).view([2, 1, 1, 2]);
        let units = unit(&batch, &mut Stream::named(1, ["zero"]));
        let lengths = Vec::<f32>::try_from(norms(&units).view(-1)).unwrap();
        assert!(lengths.iter().all(|length| (length - 1.0).abs() < 1e-6), "{lengths:?}");
        assert!((units.double_value(&[1, 0, 0, 0]) - 0.6).abs() < 1e-6);
    }

    #[test]
    fn scattered_directions_have_norm_one_and_differ() {
        let directions = scattered(&Tensor::zeros([3, 1, 8, 8], (Kind::Float, Device::Cpu)));
        let lengths = Vec::<f32>::try_from(norms(&directions).view(-1)).unwrap();
        assert!(lengths.iter().all(|length| (length - 1.0).abs() < 1e-6), "{lengths:?}");
        let cosine = dot(&directions.narrow(0, 0, 1), &directions.narrow(0, 1, 1));
        assert!(cosine.double_value(&[0, 0, 0, 0]).abs() < 0.9);
    }

    #[test]
    fn the_gradient_of_a_difference_of_logits_is_that_of_finite_differences() {
        let model = testkit::ToyModel::new(3);
        let point = testkit::images(1, 3).tensor(Device::Cpu);
        let class = |c: i64| Tensor::from_slice(&[c]);
        let mut network = Network::new(&model);
        let (_, gradient) =
            network.gradient(&point, |z| difference(z, &class(2), &class(0))).unwrap();
        let mut difference_at = |shift: f64| {
            let moved = point.copy();
            let _ = moved.narrow(2, 4, 1).narrow(3, 5, 1).f_add_scalar_(shift).unwrap();
            let logits = network.logits(&moved).unwrap();
            logits.double_value(&[0, 2]) - logits.double_value(&[0, 0])
        };
        let slope = (difference_at(0.01) - difference_at(-0.01)) / 0.02;
        assert!((slope - gradient.double_value(&[0, 0, 4, 5])).abs() < 1e-2 * slope.abs().max(1.0));
        assert_eq!((network.forwards, network.gradients), (3, 1));
    }
}
