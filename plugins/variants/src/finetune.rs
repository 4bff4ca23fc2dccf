//! Fine-tuning: further training on the thief's own images.
//!
//! Stochastic gradient descent on cross-entropy over all weights, or over the classifier's weight and bias only.
//! T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign Inputs", IEEE TIFS 2023,
//! <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! ```text
//! v = momentum v + gradient;   w = w - learning_rate v
//! ```
//!
//! # Differences from the paper
//! The paper trains for 50 epochs at a learning rate of 1e-5 on the ImageNet validation images and leaves the
//! optimiser, the batch and the normalisation layers open. The defaults here are for small networks and some
//! thousand images: they change answers, yet keep the accuracy. Normalisation runs by the batch when all weights
//! are trained, by the running statistics when only the classifier is.

use bertillon::{
    Changes, Configure, Cost, Derived, Error, Group, Model, Parameter, Result, VariantGenerator,
    Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shared::{
    classifier,
    training::{BatchNorm, Sgd},
};

/// Which weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layers {
    /// Every weight and bias, normalisation included.
    All,
    /// Weight and bias of the classifier.
    Last,
}

/// Parameters of fine-tuning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which weights are trained: `all` or `last`. Default: all.
    pub layers: Layers,
    /// Passes over the thief's images, 1 or more. Default: 2 (the paper: 50, at a far lower rate).
    pub epochs: u32,
    /// Step size, above 0. Default: 0.01 (the paper: 1e-5, on ImageNet networks).
    pub learning_rate: f64,
    /// Images in a batch, 1 or more. Default: 64 (the paper does not say).
    pub batch: u32,
    /// Momentum, in [0, 1). Default: 0.9 (the paper does not say).
    pub momentum: f64,
    /// Normalisation layers: by the batch (`training`) or by their running statistics (`evaluation`). Default:
    /// `training` for all layers, `evaluation` for the last.
    pub batch_norm: Option<BatchNorm>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            layers: Layers::All,
            epochs: 2,
            learning_rate: 0.01,
            batch: 64,
            momentum: 0.9,
            batch_norm: None,
        }
    }
}

/// Fine-tunes a model.
#[derive(Debug)]
pub struct Finetune {
    layers: Layers,
    sgd: Sgd,
}

impl Configure for Finetune {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        let policy = params.batch_norm.unwrap_or(match params.layers {
            Layers::All => BatchNorm::Training,
            Layers::Last => BatchNorm::Evaluation,
        });
        let sgd = Sgd {
            epochs: params.epochs,
            learning_rate: params.learning_rate,
            batch: params.batch,
            momentum: params.momentum,
            mode: policy.into(),
        };
        Ok(Self { layers: params.layers, sgd: sgd.checked()? })
    }
}

impl VariantGenerator for Finetune {
    fn variation(&self) -> Variation {
        let detail = match self.layers {
            Layers::All => "all",
            Layers::Last => "last",
        };
        Variation {
            kind: "finetune".into(),
            detail: Some(detail.into()),
            parameter: None,
            group: Group::Training,
        }
    }

    fn cost(&self, images: usize) -> Cost {
        // Without gradients of the features a step costs little more than its forward pass.
        let passes = if self.layers == Layers::All { 3.0 } else { 1.0 };
        let forwards_to_derive = passes * f64::from(self.sgd.epochs) * images as f64;
        Cost { forwards_to_derive, ..Cost::default() }
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        let parameters = copy.parameters();
        let trained = self.trained(&parameters, copy.classes())?;
        let loss = self.sgd.train(copy.as_ref(), &trained, workbench, |images, _, _| Ok(images))?;
        let changes = Changes {
            tensors: trained.iter().map(|&i| parameters[i].name.clone()).collect(),
            summary: format!(
                "trained {} tensors for {} epochs on {} images to a loss of {loss:.3}",
                trained.len(),
                self.sgd.epochs,
                workbench.images.len()
            ),
            ..Changes::default()
        };
        Ok(Derived { model: copy, changes })
    }
}

bertillon::register_variant!("finetune", Finetune);

impl Finetune {
    fn trained(&self, parameters: &[Parameter], classes: usize) -> Result<Vec<usize>> {
        let none = || Error::Refused("the model has no weights to fine-tune".into());
        match self.layers {
            Layers::All if parameters.is_empty() => Err(none()),
            Layers::All => Ok((0..parameters.len()).collect()),
            Layers::Last => classifier::linear(parameters, classes)
                .or_else(|| classifier::convolution(parameters, classes))
                .map(|weight| classifier::layer(parameters, weight))
                .ok_or_else(none),
        }
    }
}

#[cfg(test)]
mod tests {
    use bertillon::{Images, LabelledImages, Mode, Stream, testkit};
    use tch::{Device, Tensor};

    use super::*;

    fn finetune(layers: Layers) -> Finetune {
        Finetune::configure(Params { layers, ..Params::default() }).unwrap()
    }

    fn values(model: &dyn Model) -> Vec<(String, Tensor)> {
        model.parameters().into_iter().map(|p| (p.name, p.tensor.copy())).collect()
    }

    #[test]
    fn one_step_follows_the_gradient_by_hand() {
        // One image, one step: the bias moves by -rate (softmax - onehot).
        let image = testkit::images(1, 3);
        let model = testkit::ToyModel::new(0);
        let logits = model.logits(&image.tensor(Device::Cpu), Mode::Evaluation).unwrap();
        let exponentials: Vec<f64> = (0..4).map(|k| logits.double_value(&[0, k]).exp()).collect();
        let before = values(&model);
        let mut workbench = Workbench {
            images: LabelledImages { images: image, labels: vec![2].into() },
            device: Device::Cpu,
            stream: Stream::named(0, ["t"]),
        };
        let one =
            Params { layers: Layers::Last, epochs: 1, learning_rate: 0.1, ..Params::default() };
        let derived =
            Finetune::configure(one).unwrap().derive(Box::new(model), &mut workbench).unwrap();
        let after = values(derived.model.as_ref());
        for k in 0..4_usize {
            let softmax = exponentials[k] / exponentials.iter().sum::<f64>();
            let expected = before[3].1.double_value(&[k as i64])
                - 0.1 * (softmax - if k == 2 { 1.0 } else { 0.0 });
            assert!((after[3].1.double_value(&[k as i64]) - expected).abs() < 1e-5);
        }
        assert_eq!(before[0].1, after[0].1, "the convolution is frozen");
    }

    #[test]
    fn the_last_layer_alone_or_all_of_them_change() {
        for (layers, count) in [(Layers::Last, 2), (Layers::All, 4)] {
            let model = Box::new(testkit::ToyModel::new(1));
            let before = values(model.as_ref());
            let derived = finetune(layers).derive(model, &mut testkit::workbench(0)).unwrap();
            let after = values(derived.model.as_ref());
            let changed: Vec<String> = before
                .iter()
                .zip(&after)
                .filter(|(a, b)| a.1 != b.1)
                .map(|(a, _)| a.0.clone())
                .collect();
            assert_eq!(changed.len(), count);
            let mut reported = derived.changes.tensors.clone();
            reported.sort();
            let mut changed = changed;
            changed.sort();
            assert_eq!(changed, reported);
            assert!(derived.model.parameters().iter().all(|p| !p.tensor.requires_grad()));
        }
    }

    #[test]
    fn training_teaches_the_thiefs_labels() {
        let workbench = || {
            let mut workbench = testkit::workbench(0);
            let labels: Vec<u16> = workbench.images.labels.iter().map(|l| (l + 1) % 4).collect();
            workbench.images.labels = labels.into();
            workbench
        };
        let params = Params { epochs: 30, batch: 16, ..Params::default() };
        let derived = Finetune::configure(params)
            .unwrap()
            .derive(Box::new(testkit::ToyModel::new(0)), &mut workbench())
            .unwrap();
        let images = &workbench().images;
        let logits =
            derived.model.logits(&images.images.tensor(Device::Cpu), Mode::Evaluation).unwrap();
        let right = bertillon::labels(&logits).unwrap();
        let right = right.iter().zip(&*images.labels).filter(|(a, b)| a == b).count();
        assert!(right > 55, "{right} of 64");
    }

    #[test]
    fn impossible_settings_and_images_are_refused() {
        let bad = |params: Params| Finetune::configure(params).unwrap_err().to_string();
        let rate = bad(Params { learning_rate: 0.0, ..Params::default() });
        assert!(rate.contains("`learning_rate` = 0"), "{rate}");
        let momentum = bad(Params { momentum: 1.0, ..Params::default() });
        assert!(momentum.contains("`momentum` = 1"), "{momentum}");
        let mut empty = testkit::workbench(0);
        empty.images = LabelledImages {
            images: Images::new(Vec::new(), testkit::SHAPE).unwrap(),
            labels: Vec::new().into(),
        };
        let derived = finetune(Layers::All).derive(Box::new(testkit::ToyModel::new(0)), &mut empty);
        assert!(derived.unwrap_err().to_string().contains("no images"));
    }

    #[test]
    fn divergence_is_an_error() {
        let wild = Params { learning_rate: 1e30, epochs: 3, batch: 8, ..Params::default() };
        let derived = Finetune::configure(wild)
            .unwrap()
            .derive(Box::new(testkit::ToyModel::new(0)), &mut testkit::workbench(0));
        assert!(derived.unwrap_err().to_string().contains("diverged"));
    }
}
