//! Adversarial fine-tuning: training on attacked images of the thief's own.
//!
//! A. Madry, A. Makelov, L. Schmidt, D. Tsipras, A. Vladu, "Towards Deep Learning Models Resistant to Adversarial
//! Attacks", ICLR 2018, <https://arxiv.org/abs/1706.06083>, equation 2.1; as a variant: T. Maho, T. Furon, E. Le Merrer,
//! "FBI: Fingerprinting models with Benign Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! ```text
//! x_0 = clip(x + u), u uniform in [-epsilon, epsilon]
//! x_(t+1) = clip(x_t + step sign(gradient of the loss at x_t))     into [x - epsilon, x + epsilon] and [0, 1]
//! ```
//!
//! and a step of stochastic gradient descent on the last one.
//!
//! # Differences from the paper
//! A few epochs from trained weights rather than a training from scratch, with 3 attack steps rather than 7 to 40.
//! Attacks see the running statistics of normalisation layers. FBI names adversarial training, and does not evaluate it.

use bertillon::{
    Changes, Configure, Cost, Derived, Error, Group, Mode, Model, Result, Stream, VariantGenerator,
    Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::Tensor;

use crate::shared::training::{BatchNorm, Sgd, cross_entropy};

/// Parameters of adversarial fine-tuning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Largest change of a sample in [0, 1], above 0, at most 1. Default: 0.03, about 8/255 (Madry et al. on CIFAR-10).
    pub epsilon: f64,
    /// Steps of each attack, 1 to 1000. Default: 3 (Madry et al.: 7 on CIFAR-10).
    pub steps: u32,
    /// Length of an attack's step, above 0. Default: 0.02 (2 epsilon / steps, so that any corner can be reached).
    pub step_size: f64,
    /// Passes over the thief's images, 1 or more. Default: 1.
    pub epochs: u32,
    /// Step size of the training, above 0. Default: 0.01, as for fine-tuning.
    pub learning_rate: f64,
    /// Images in a batch, 1 or more. Default: 64.
    pub batch: u32,
    /// Momentum, in [0, 1). Default: 0.9, Madry et al.'s.
    pub momentum: f64,
    /// Normalisation layers while training: by the batch (`training`) or by their running statistics (`evaluation`).
    /// Default: training.
    pub batch_norm: BatchNorm,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            epsilon: 0.03,
            steps: 3,
            step_size: 0.02,
            epochs: 1,
            learning_rate: 0.01,
            batch: 64,
            momentum: 0.9,
            batch_norm: BatchNorm::Training,
        }
    }
}

/// Fine-tunes a model on attacked images.
#[derive(Debug)]
pub struct AdversarialFinetune {
    attack: Attack,
    sgd: Sgd,
}

impl Configure for AdversarialFinetune {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        let Params { epsilon, steps, step_size, .. } = params;
        if !(epsilon > 0.0 && epsilon <= 1.0) {
            return Err(Error::parameter("epsilon", epsilon, "must be in (0, 1]"));
        }
        if !(1..=1000).contains(&steps) {
            return Err(Error::parameter("steps", steps, "must be in 1..=1000"));
        }
        if !(step_size > 0.0 && step_size.is_finite()) {
            return Err(Error::parameter("step_size", step_size, "must be above 0"));
        }
        let sgd = Sgd {
            epochs: params.epochs,
            learning_rate: params.learning_rate,
            batch: params.batch,
            momentum: params.momentum,
            mode: params.batch_norm.into(),
        };
        Ok(Self { attack: Attack { epsilon, steps, step_size }, sgd: sgd.checked()? })
    }
}

impl VariantGenerator for AdversarialFinetune {
    fn variation(&self) -> Variation {
        Variation {
            kind: "adversarial-finetune".into(),
            detail: None,
            parameter: Some(self.attack.epsilon.to_string()),
            group: Group::Training,
        }
    }

    fn cost(&self, images: usize) -> Cost {
        let passes = 3.0 * (1.0 + f64::from(self.attack.steps));
        let forwards_to_derive = passes * f64::from(self.sgd.epochs) * images as f64;
        Cost { forwards_to_derive, ..Cost::default() }
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        let parameters = copy.parameters();
        let all: Vec<usize> = (0..parameters.len()).collect();
        if all.is_empty() {
            return Err(Error::Refused("the model has no weights to fine-tune".into()));
        }
        let loss = self.sgd.train(copy.as_ref(), &all, workbench, |images, labels, stream| {
            self.attack.attacked(copy.as_ref(), &images, labels, stream)
        })?;
        let changes = Changes {
            tensors: parameters.into_iter().map(|parameter| parameter.name).collect(),
            summary: format!(
                "trained {} tensors for {} epochs on {} images attacked within {} to a loss of {loss:.3}",
                all.len(),
                self.sgd.epochs,
                workbench.images.len(),
                self.attack.epsilon
            ),
            ..Changes::default()
        };
        Ok(Derived { model: copy, changes })
    }
}

bertillon::register_variant!("adversarial-finetune", AdversarialFinetune);

#[derive(Debug)]
struct Attack {
    epsilon: f64,
    steps: u32,
    step_size: f64,
}

impl Attack {
    fn attacked(
        &self,
        model: &dyn Model,
        images: &Tensor,
        labels: &Tensor,
        stream: &mut Stream,
    ) -> Result<Tensor> {
        let (low, high) =
            ((images - self.epsilon).clamp_min(0.0), (images + self.epsilon).clamp_max(1.0));
        #[expect(clippy::cast_possible_truncation, reason = "images are 32-bit floats")]
        let start: Vec<f32> = (0..images.numel())
            .map(|_| (self.epsilon * (2.0 * stream.uniform() - 1.0)) as f32)
            .collect();
        let start = Tensor::from_slice(&start).view(&images.size()[..]).to_device(images.device());
        let mut x = (images + start).maximum(&low).minimum(&high);
        for _ in 0..self.steps {
            x = x.detach().set_requires_grad(true);
            let loss = cross_entropy(&model.logits(&x, Mode::Evaluation)?, labels)?;
            let gradient = Tensor::f_run_backward(&[&loss], &[&x], false, false)?.remove(0);
            if !gradient.defined() {
                return Err(Error::Refused(
                    "no gradient reaches the images (an input transform comes before the network): \
                     there is nothing to attack"
                        .into(),
                ));
            }
            x = (x.detach() + gradient.sign() * self.step_size).maximum(&low).minimum(&high);
        }
        Ok(x.detach())
    }
}

#[cfg(test)]
mod tests {
    use bertillon::{registry, testkit};
    use tch::{Device, Kind};

    use super::*;

    fn loss(model: &dyn Model, images: &Tensor, labels: &Tensor) -> f64 {
        cross_entropy(&model.logits(images, Mode::Evaluation).unwrap(), labels)
            .unwrap()
            .double_value(&[])
    }

    #[test]
    fn an_attack_raises_the_loss_within_its_ball() {
        let model = testkit::ToyModel::new(0);
        let images = testkit::images(16, 4).tensor(Device::Cpu);
        let labels = model.logits(&images, Mode::Evaluation).unwrap().argmax(1, false);
        let attack = Attack { epsilon: 0.05, steps: 3, step_size: 0.04 };
        let stream = &mut Stream::named(0, ["attack"]);
        let attacked = attack.attacked(&model, &images, &labels, stream).unwrap();
        let change = (&attacked - &images).abs().max().double_value(&[]);
        assert!(change <= 0.05 + 1e-6 && change > 0.04, "{change}");
        assert!(attacked.min().double_value(&[]) >= 0.0 && attacked.max().double_value(&[]) <= 1.0);
        assert!(loss(&model, &attacked, &labels) > 2.0 * loss(&model, &images, &labels));
    }

    #[test]
    fn a_step_from_a_linear_loss_is_the_sign_of_its_gradient() {
        // With a step far longer than the ball, every sample ends at a face: x - epsilon or x + epsilon, clipped.
        let model = testkit::ToyModel::new(0);
        let images = testkit::images(4, 4).tensor(Device::Cpu);
        let labels = Tensor::from_slice(&[0_i64, 1, 2, 3]);
        let attack = Attack { epsilon: 0.01, steps: 1, step_size: 1.0 };
        let stream = &mut Stream::named(0, ["attack"]);
        let attacked = attack.attacked(&model, &images, &labels, stream).unwrap();
        let low = (&images - 0.01_f64).clamp_min(0.0);
        let high = (&images + 0.01_f64).clamp_max(1.0);
        let at_low = attacked.isclose(&low, 0.0, 1e-7, false);
        let at_face = at_low.logical_or(&attacked.isclose(&high, 0.0, 1e-7, false));
        assert_eq!(at_face.sum(Kind::Int64).int64_value(&[]), 4 * 64);
    }

    #[test]
    fn training_lowers_the_loss_under_attack() {
        let params = Params { epochs: 20, batch: 16, ..Params::default() };
        let plugin = AdversarialFinetune::configure(params).unwrap();
        let mut workbench = testkit::workbench(0);
        let model = Box::new(testkit::ToyModel::new(0));
        let derived = plugin.derive(model, &mut workbench).unwrap();
        let images = workbench.images.images.tensor(Device::Cpu);
        let labels: Vec<i64> = workbench.images.labels.iter().map(|&l| l.into()).collect();
        let labels = Tensor::from_slice(&labels);
        let attacked_loss = |model: &dyn Model| {
            let stream = &mut Stream::named(0, ["attack"]);
            let attacked = plugin.attack.attacked(model, &images, &labels, stream).unwrap();
            loss(model, &attacked, &labels)
        };
        assert!(attacked_loss(derived.model.as_ref()) < attacked_loss(&testkit::ToyModel::new(0)));
    }

    #[test]
    fn a_model_behind_an_input_transform_is_refused() {
        let all = registry::of_kind(registry::PluginKind::Variant).unwrap();
        let entry = all.iter().find(|entry| entry.name == "posterize").unwrap();
        let registry::Builder::Variant(build) = entry.builder else { unreachable!() };
        let mut workbench = testkit::workbench(0);
        let model = Box::new(testkit::ToyModel::new(0));
        let model = build("{}").unwrap().derive(model, &mut workbench).unwrap().model;
        let plugin = AdversarialFinetune::configure(Params::default()).unwrap();
        let error = plugin.derive(model, &mut workbench).unwrap_err().to_string();
        assert!(error.contains("no gradient"), "{error}");
    }

    #[test]
    fn impossible_attacks_are_refused() {
        let error = |params| AdversarialFinetune::configure(params).unwrap_err().to_string();
        let epsilon = error(Params { epsilon: 0.0, ..Params::default() });
        assert_eq!(epsilon, "`epsilon` = 0: must be in (0, 1]");
        let epochs = error(Params { epochs: 0, ..Params::default() });
        assert!(epochs.contains("`epochs` = 0"), "{epochs}");
    }
}
