//! Randomized smoothing: the answer to many noisy copies of each image.
//!
//! J. Cohen, E. Rosenfeld, Z. Kolter, "Certified Adversarial Robustness via Randomized Smoothing", ICML 2019,
//! <https://arxiv.org/abs/1902.02918>; as a variant: T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with
//! Benign Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! ```text
//! mean-logits: 1/n sum_j f(x + sigma e_j)          vote: #{j : argmax f(x + sigma e_j) = k} for each class k
//! ```
//!
//! with e_j standard normal for every sample of the image in [0, 1], added before normalisation, not clipped.
//!
//! # Differences from the paper
//! The paper's text aggregates classes (`vote`), the authors' code averages logits (`mean-logits`, the default). Their
//! noise is fresh at every call; here it is keyed by the image's 8-bit samples, so that a service answers an image
//! always alike, and so that variants with other sigmas or of other models meet the same noise. While such a model is
//! trained, one noisy copy an image is learnt, as Cohen et al. do.

use bertillon::{
    Changes, Configure, Cost, Derived, Error, ImageShape, Images, Mode, Model, Parameter, Result,
    Stream, VariantGenerator, Variation, Workbench, chunk,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::shared::input_transform::variation;

/// Noisy copies in a forward pass, the last one padded, in chunks of images: fixed, so that answers repeat to the bit.
const CHUNKS: usize = 2;

/// How the answers to the noisy copies become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// The mean of the logits.
    MeanLogits,
    /// How often each class was the best; ties go to the lower class.
    Vote,
}

/// Parameters of smoothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Standard deviation of the noise, of samples in [0, 1]; 0 or more. Default: 0.04 (the paper's grid: 0.01 to 0.1).
    pub sigma: f64,
    /// Noisy copies of each image, 1 to 100000. Default: 100, the paper's.
    pub samples: u32,
    /// How their answers become one: `mean-logits` or `vote`. Default: mean-logits, the authors' code.
    pub aggregate: Aggregate,
}

impl Default for Params {
    fn default() -> Self {
        Self { sigma: 0.04, samples: 100, aggregate: Aggregate::MeanLogits }
    }
}

/// Smooths a model.
#[derive(Debug)]
pub struct RandomizedSmoothing(Params);

impl Configure for RandomizedSmoothing {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        if !(params.sigma >= 0.0 && params.sigma.is_finite()) {
            return Err(Error::parameter("sigma", params.sigma, "must be 0 or more"));
        }
        if !(1..=100_000).contains(&params.samples) {
            return Err(Error::parameter("samples", params.samples, "must be in 1..=100000"));
        }
        Ok(Self(params))
    }
}

impl VariantGenerator for RandomizedSmoothing {
    fn variation(&self) -> Variation {
        let detail = match self.0.aggregate {
            Aggregate::MeanLogits => None,
            Aggregate::Vote => Some("vote".into()),
        };
        let parameter = Some(self.0.sigma.to_string());
        Variation { detail, ..variation("randomized-smoothing", parameter) }
    }

    fn cost(&self, _: usize) -> Cost {
        Cost { forwards_per_answer: f64::from(self.0.samples), ..Cost::default() }
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let Params { sigma, samples, .. } = self.0;
        if sigma == 0.0 {
            let summary = "noise of deviation 0: nothing changed".into();
            let changes = Changes { summary, unchanged: true, ..Changes::default() };
            return Ok(Derived { model: copy, changes });
        }
        let changes = Changes {
            summary: format!("{samples} noisy copies of every image, deviation {sigma}"),
            ..Changes::default()
        };
        Ok(Derived { model: Box::new(Smoothed { inner: copy, params: self.0.clone() }), changes })
    }
}

bertillon::register_variant!("randomized-smoothing", RandomizedSmoothing);

struct Smoothed {
    inner: Box<dyn Model>,
    params: Params,
}

impl Model for Smoothed {
    fn input(&self) -> ImageShape {
        self.inner.input()
    }

    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let n = images.size()[0];
        let rounded = Images::from_tensor(&images.detach())?;
        if mode == Mode::Training {
            // Padding would enter the statistics of BatchNorm: one pass.
            return self.noisy_logits(images, &rounded, 1, rounded.len(), mode);
        }
        let samples = self.params.samples as usize;
        let chunk = CHUNKS * chunk(rounded.shape());
        let logits = self.noisy_logits(images, &rounded, samples, chunk, mode)?;
        match self.params.aggregate {
            Aggregate::MeanLogits => {
                Ok(logits.f_view([n, samples as i64, -1])?.mean_dim(1, false, Kind::Float))
            }
            Aggregate::Vote => self.votes(&logits, samples),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self { inner: self.inner.fork()?, params: self.params.clone() }))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        let wrap =
            |inner| -> Box<dyn Model> { Box::new(Self { inner, params: self.params.clone() }) };
        Ok(self.inner.to_half()?.map(wrap))
    }
}

impl Smoothed {
    /// Logits of `samples` noisy copies of each image, image by image, in passes of `chunk` copies.
    fn noisy_logits(
        &self,
        images: &Tensor,
        rounded: &Images,
        samples: usize,
        chunk: usize,
        mode: Mode,
    ) -> Result<Tensor> {
        let (copies, size) = (rounded.len() * samples, rounded.shape().samples());
        let mut noise = vec![0.0_f32; chunk * size];
        let mut stream = Stream::keyed([0; 32]);
        let mut parts = Vec::with_capacity(copies.div_ceil(chunk));
        for start in (0..copies).step_by(chunk) {
            let mut sources = Vec::with_capacity(chunk);
            for (copy, noise) in (start..start + chunk).zip(noise.chunks_exact_mut(size)) {
                if copy >= copies {
                    noise.fill(0.0);
                } else {
                    if copy % samples == 0 {
                        stream = noise_stream(rounded.image(copy / samples));
                    }
                    stream.fill_normal(noise);
                }
                sources.push((copy.min(copies - 1) / samples) as i64);
            }
            let sources = Tensor::from_slice(&sources).to_device(images.device());
            let noise = Tensor::from_slice(&noise).view(rounded.shape().batch(chunk));
            let noisy = images.f_index_select(0, &sources)?
                + noise.to_device(images.device()) * self.params.sigma;
            let rows = chunk.min(copies - start) as i64;
            parts.push(self.inner.logits(&noisy, mode)?.narrow(0, 0, rows));
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    fn votes(&self, logits: &Tensor, samples: usize) -> Result<Tensor> {
        let classes = self.inner.classes();
        let labels = bertillon::labels(logits)?;
        let mut votes = vec![0.0_f32; labels.len() / samples * classes];
        for (labels, votes) in labels.chunks_exact(samples).zip(votes.chunks_exact_mut(classes)) {
            labels.iter().for_each(|&label| votes[usize::from(label)] += 1.0);
        }
        Ok(Tensor::from_slice(&votes).view([-1, classes as i64]).to_device(logits.device()))
    }
}

/// The noise of an image, whoever asks, `samples x C x H x W` standard normal numbers.
fn noise_stream(image: &[u8]) -> Stream {
    let mut hasher = blake3::Hasher::new_derive_key("bertillon 2026 randomized smoothing noise");
    hasher.update(image);
    Stream::keyed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use bertillon::testkit::{self, SHAPE, ToyModel};
    use tch::Device;

    use super::*;

    fn smoothed(sigma: f64, samples: u32, aggregate: Aggregate) -> Box<dyn Model> {
        let plugin = RandomizedSmoothing::configure(Params { sigma, samples, aggregate }).unwrap();
        plugin.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap().model
    }

    /// One forward pass a copy.
    fn by_hand(images: &Images, sigma: f64, samples: usize) -> Vec<Vec<Tensor>> {
        let model = ToyModel::new(0);
        let image = |i: usize| {
            let mut stream = noise_stream(images.image(i));
            (0..samples)
                .map(|_| {
                    let mut noise = vec![0.0_f32; SHAPE.samples()];
                    stream.fill_normal(&mut noise);
                    let noise = Tensor::from_slice(&noise).view(SHAPE.batch(1)) * sigma;
                    let noisy = images.to_tensor(i..i + 1, Device::Cpu) + noise;
                    model.logits(&noisy, Mode::Evaluation).unwrap()
                })
                .collect()
        };
        (0..images.len()).map(image).collect()
    }

    #[test]
    fn mean_logits_are_the_mean_over_the_copies() {
        let images = testkit::images(3, 5);
        let actual = smoothed(0.1, 33, Aggregate::MeanLogits)
            .logits(&images.tensor(Device::Cpu), Mode::Evaluation)
            .unwrap();
        let expected: Vec<Tensor> = by_hand(&images, 0.1, 33)
            .iter()
            .map(|copies| Tensor::cat(copies, 0).mean_dim(0, true, Kind::Float))
            .collect();
        let difference = (actual - Tensor::cat(&expected, 0)).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn votes_count_the_best_class_of_each_copy() {
        let images = testkit::images(3, 5);
        let actual = smoothed(0.5, 33, Aggregate::Vote)
            .logits(&images.tensor(Device::Cpu), Mode::Evaluation)
            .unwrap();
        for (i, copies) in by_hand(&images, 0.5, 33).iter().enumerate() {
            let mut votes = [0.0; testkit::CLASSES];
            copies.iter().for_each(|c| votes[usize::from(bertillon::labels(c).unwrap()[0])] += 1.0);
            for (class, expected) in votes.iter().enumerate() {
                assert_eq!(actual.double_value(&[i as i64, class as i64]), *expected);
            }
        }
    }

    #[test]
    fn an_image_is_answered_alike_in_any_company() {
        let images = testkit::images(7, 6).tensor(Device::Cpu);
        let model = smoothed(0.1, 100, Aggregate::MeanLogits);
        let together = model.logits(&images, Mode::Evaluation).unwrap();
        let alone = model.logits(&images.narrow(0, 4, 1), Mode::Evaluation).unwrap();
        let difference = (together.narrow(0, 4, 1) - alone).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn training_learns_one_noisy_copy_with_gradients() {
        let images = testkit::images(3, 5).tensor(Device::Cpu);
        let model = smoothed(0.1, 33, Aggregate::Vote);
        let weight = model.parameters().remove(2).tensor.set_requires_grad(true);
        let logits = model.logits(&images, Mode::Training).unwrap();
        assert_eq!(logits.size(), [3, 4]);
        let gradient =
            &Tensor::run_backward(&[logits.sum(Kind::Float)], &[&weight], false, false)[0];
        assert!(gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }

    #[test]
    fn no_noise_changes_nothing() {
        let plugin =
            RandomizedSmoothing::configure(Params { sigma: 0.0, ..Params::default() }).unwrap();
        let derived =
            plugin.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap();
        assert!(derived.changes.unchanged);
    }

    #[test]
    fn impossible_noise_is_refused() {
        let error = |params| RandomizedSmoothing::configure(params).unwrap_err().to_string();
        let sigma = error(Params { sigma: -0.1, ..Params::default() });
        assert_eq!(sigma, "`sigma` = -0.1: must be 0 or more");
        let samples = error(Params { samples: 0, ..Params::default() });
        assert!(samples.contains("`samples` = 0"), "{samples}");
    }
}
