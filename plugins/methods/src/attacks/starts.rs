//! What goes into an attack: a model, the images it starts from and their labels.

use bertillon::{Error, ImageShape, Images, Model, Result};
use tch::{Device, Kind, Tensor};

use super::gradient::Network;

/// A model and a batch of images from which queries are crafted.
pub struct Starts<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) images: Tensor,
    pub(super) labels: Tensor,
    pub(super) logit_scale: f64,
}

impl std::fmt::Debug for Starts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starts")
            .field("images", &self.images.size())
            .field("logit_scale", &self.logit_scale)
            .finish_non_exhaustive()
    }
}

impl<'a> Starts<'a> {
    /// Starts from `images`, answered by `model` as `labels` say.
    ///
    /// `logit_scale` is the unit of confidence margins, see [`logit_scale`].
    ///
    /// # Errors
    /// When there is no image, a label is no class, or the numbers of both differ.
    pub fn new(
        model: &'a dyn Model,
        images: &Images,
        labels: &[u16],
        logit_scale: f64,
        device: Device,
    ) -> Result<Self> {
        let classes = model.classes();
        if classes < 2 {
            return Err(Error::Refused(format!("a model with {classes} classes has no boundary")));
        }
        if images.is_empty() || images.len() != labels.len() {
            return Err(Error::Refused(format!(
                "{} images with {} labels to start an attack from",
                images.len(),
                labels.len()
            )));
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(Error::Refused(format!("label {label} of a model with {classes} classes")));
        }
        if images.shape() != model.input() {
            let [_, expected @ ..] = model.input().batch(0);
            let [_, actual @ ..] = images.shape().batch(0);
            return Err(Error::Shape {
                what: "an image to start an attack from",
                expected: expected.into(),
                actual: actual.into(),
            });
        }
        let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
        Ok(Self {
            model,
            images: images.tensor(device),
            labels: Tensor::from_slice(&labels).to_device(device),
            logit_scale,
        })
    }

    /// Number of images.
    pub(super) fn len(&self) -> i64 {
        self.images.size()[0]
    }
}

/// Most images whose gradients are taken at a time, and fewest.
const BATCHES: [usize; 2] = [256, 8];

/// Samples whose gradients are taken at a time: bounds the memory for the maps of a large network.
const BATCH_SAMPLES: usize = 256 * 3 * 32 * 32;

/// Images of this shape whose gradients are taken at a time.
pub fn batch(shape: ImageShape) -> usize {
    let [most, fewest] = BATCHES;
    (BATCH_SAMPLES / shape.samples()).clamp(fewest, most)
}

/// Standard deviation of the gap between a model's two best logits over `images`: the unit of confidence margins.
///
/// Logits of different networks differ in scale by orders of magnitude, so a margin in logits would mean another
/// thing for each. 1 where the gap doesn't vary.
///
/// # Errors
/// When the model fails or answers NaN.
pub fn logit_scale(model: &dyn Model, images: &Images, device: Device) -> Result<f64> {
    let (mut network, batch) = (Network::new(model), batch(images.shape()));
    let starts = (0..images.len()).step_by(batch);
    let ranges = starts.map(|start| start..images.len().min(start + batch));
    let logits: Vec<Tensor> = ranges
        .map(|range| network.logits(&images.to_tensor(range, device)))
        .collect::<Result<_>>()?;
    network.settle()?;
    let logits = Tensor::f_cat(&logits, 0)?;
    let (best, _) = logits.topk(2, 1, true, true);
    let gap = (best.select(1, 0) - best.select(1, 1)).to_kind(Kind::Double);
    let deviation = (&gap - gap.mean(Kind::Double)).square().mean(Kind::Double).sqrt();
    let deviation = deviation.double_value(&[]);
    Ok(if deviation > 0.0 { deviation } else { 1.0 })
}
