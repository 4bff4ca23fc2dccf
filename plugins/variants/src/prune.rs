//! Pruning: the smallest weights of each tensor set to zero.
//!
//! Unstructured, by magnitude, tensor by tensor, as PyTorch's `l1_unstructured`. T. Maho, T. Furon, E. Le Merrer, "FBI:
//! Fingerprinting models with Benign Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! ```text
//! k = round(amount * n), halves to even;   the k of the n weights with the smallest |w| become 0
//! ```
//!
//! Ties go by position, the first are pruned.
//!
//! # Differences from the paper
//! What the paper calls filter pruning is `conv` here: as in the authors' code, no whole filter goes. `last` prunes the
//! classifier: the authors' code takes the last linear layer wherever it is, and passes off models without one (a
//! convolution classifies) as variants; here they are reported as unchanged.

use bertillon::{
    Changes, Configure, Derived, Error, Group, Model, Parameter, Result, Role, VariantGenerator,
    Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::shared::classifier;

/// Which tensors are pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layers {
    /// Every weight and bias, scales and shifts of normalisations included.
    All,
    /// The weight of every convolution, no bias.
    Conv,
    /// Weight and bias of the classifier.
    Last,
}

/// Parameters of pruning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which tensors are pruned: `all`, `conv` or `last`. Default: conv.
    pub layers: Layers,
    /// Share of each tensor set to zero, in [0, 1]. Default: 0.2 (the paper's grids: all 0.01 to 0.04, conv 0.1 to
    /// 0.3, last 0.7 to 0.95).
    pub amount: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { layers: Layers::Conv, amount: 0.2 }
    }
}

/// Prunes a model.
#[derive(Debug)]
pub struct Prune(Params);

impl Configure for Prune {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        match (0.0..=1.0).contains(&params.amount) {
            true => Ok(Self(params)),
            false => Err(Error::parameter("amount", params.amount, "must be in [0, 1]")),
        }
    }
}

impl VariantGenerator for Prune {
    fn variation(&self) -> Variation {
        let detail = match self.0.layers {
            Layers::All => "all",
            Layers::Conv => "conv",
            Layers::Last => "last",
        };
        Variation {
            kind: "prune".into(),
            detail: Some(detail.into()),
            parameter: Some(self.0.amount.to_string()),
            group: Group::Weights,
        }
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let mut parameters = copy.parameters();
        let targets = self.targets(&parameters, copy.classes());
        let weights: usize = parameters.iter().map(|parameter| parameter.tensor.numel()).sum();
        let (mut zeroed, mut tensors) = (0, Vec::new());
        for &i in &targets {
            let count = zero_smallest(&mut parameters[i].tensor, self.0.amount)?;
            if count > 0 {
                zeroed += count;
                tensors.push(parameters[i].name.clone());
            }
        }
        let changes = Changes {
            tensors,
            zeroed: Some(zeroed as f64 / weights.max(1) as f64),
            summary: self.summary(targets.len(), zeroed),
            unchanged: zeroed == 0,
        };
        Ok(Derived { model: copy, changes })
    }
}

bertillon::register_variant!("prune", Prune);

impl Prune {
    fn targets(&self, parameters: &[Parameter], classes: usize) -> Vec<usize> {
        let with = |wanted: fn(Role) -> bool| {
            (0..parameters.len()).filter(|&i| wanted(parameters[i].role)).collect()
        };
        match self.0.layers {
            Layers::All => with(|role| role != Role::Other),
            Layers::Conv => with(|role| role == Role::Convolution),
            Layers::Last => classifier::linear(parameters, classes)
                .map_or(Vec::new(), |weight| classifier::layer(parameters, weight)),
        }
    }

    fn summary(&self, targets: usize, zeroed: usize) -> String {
        let Params { layers, amount } = self.0;
        // Rounded for the eye: 0.07 * 100 is 7.000000000000001.
        let percent = (amount * 1e5).round() / 1e3;
        match (layers, targets, zeroed) {
            (Layers::Last, 0, _) => "classifier is a convolution: nothing pruned".into(),
            (Layers::Conv, 0, _) => "no convolution: nothing pruned".into(),
            (Layers::All, 0, _) => "no weights: nothing pruned".into(),
            (_, _, 0) => format!("{percent} % are no weight that is not zero: nothing pruned"),
            (Layers::All, n, _) => format!("zeroed {percent} % of each of {n} tensors"),
            (Layers::Conv, 1, _) => format!("zeroed {percent} % of 1 convolution"),
            (Layers::Conv, n, _) => format!("zeroed {percent} % of each of {n} convolutions"),
            (Layers::Last, ..) => format!("zeroed {percent} % of the classifier's weight and bias"),
        }
    }
}

/// Zeroes the smallest weights of a tensor; returns how many were not zero before.
fn zero_smallest(tensor: &mut Tensor, amount: f64) -> Result<usize> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view(-1);
    let mut values = Vec::<f64>::try_from(&flat)?;
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and the number of weights")]
    let k = (amount * values.len() as f64).round_ties_even() as usize;
    if k == 0 {
        return Ok(0);
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.select_nth_unstable_by(k - 1, |&a, &b| {
        values[a].abs().total_cmp(&values[b].abs()).then(a.cmp(&b))
    });
    let mut zeroed = 0;
    for &i in &order[..k] {
        zeroed += usize::from(values[i] != 0.0);
        values[i] = 0.0;
    }
    let pruned = Tensor::from_slice(&values).view(&tensor.size()[..]);
    tch::no_grad(|| tensor.f_copy_(&pruned))?;
    Ok(zeroed)
}

#[cfg(test)]
mod tests {
    use bertillon::{ImageShape, Mode, testkit};

    use super::*;

    fn derive(layers: Layers, amount: f64, model: Box<dyn Model>) -> Derived {
        let prune = Prune::configure(Params { layers, amount }).unwrap();
        prune.derive(model, &mut testkit::workbench(0)).unwrap()
    }

    fn toy() -> Box<dyn Model> {
        Box::new(testkit::ToyModel::new(0))
    }

    fn pruned(values: &[f32], amount: f64) -> (usize, Vec<f32>) {
        let mut tensor = Tensor::from_slice(values);
        let count = zero_smallest(&mut tensor, amount).unwrap();
        (count, Vec::<f32>::try_from(&tensor).unwrap())
    }

    #[test]
    fn the_smallest_magnitudes_go_and_ties_by_position() {
        assert_eq!(pruned(&[3.0, -0.5, 0.5, -2.0], 0.25), (1, vec![3.0, 0.0, 0.5, -2.0]));
        assert_eq!(pruned(&[3.0, -0.5, 0.5, -2.0], 0.75), (3, vec![3.0, 0.0, 0.0, 0.0]));
        assert_eq!(pruned(&[0.0, 1.0, 2.0, 3.0], 0.5), (1, vec![0.0, 0.0, 2.0, 3.0]));
    }

    #[test]
    fn half_a_weight_rounds_to_even() {
        // 0.25 * 2 = 0.5 -> 0, 0.25 * 6 = 1.5 -> 2, 0.25 * 10 = 2.5 -> 2.
        for (n, expected) in [(2, 0), (6, 2), (10, 2)] {
            let values: Vec<f32> = (0..n).map(|i| i as f32 + 1.0).collect();
            assert_eq!(pruned(&values, 0.25).0, expected, "{n}");
        }
    }

    #[test]
    fn each_form_prunes_its_tensors_and_counts_them() {
        // The toy has 54 + 6 + 864 + 4 = 928 weights.
        let cases = [
            (Layers::All, 0.5, 27 + 3 + 432 + 2, 4),
            (Layers::Conv, 0.5, 27, 1),
            (Layers::Last, 0.75, 648 + 3, 2),
        ];
        for (layers, amount, expected, tensors) in cases {
            let derived = derive(layers, amount, toy());
            let zeros: i64 = derived
                .model
                .parameters()
                .iter()
                .map(|p| p.tensor.eq(0.0).sum(Kind::Int64).int64_value(&[]))
                .sum();
            assert_eq!(zeros, expected);
            assert_eq!(derived.changes.zeroed, Some(expected as f64 / 928.0));
            assert_eq!(derived.changes.tensors.len(), tensors);
            assert!(!derived.changes.unchanged);
        }
        assert_eq!(
            derive(Layers::Conv, 0.2, toy()).changes.summary,
            "zeroed 20 % of 1 convolution"
        );
    }

    #[test]
    fn an_amount_below_half_a_weight_changes_nothing() {
        let derived = derive(Layers::Conv, 0.001, toy());
        assert!(derived.changes.unchanged, "{}", derived.changes.summary);
        assert!(derived.changes.tensors.is_empty());
    }

    /// A network of which a convolution is the classifier.
    struct Convolutional(Tensor);

    impl Model for Convolutional {
        fn input(&self) -> ImageShape {
            testkit::SHAPE
        }
        fn classes(&self) -> usize {
            testkit::CLASSES
        }
        fn logits(&self, images: &Tensor, _: Mode) -> Result<Tensor> {
            Ok(images.f_conv2d(&self.0, None::<Tensor>, 1, 0, 1, 1)?.flatten(1, -1))
        }
        fn parameters(&self) -> Vec<Parameter> {
            let tensor = self.0.shallow_clone();
            vec![Parameter { name: "head.weight".into(), role: Role::Convolution, tensor }]
        }
        fn fork(&self) -> Result<Box<dyn Model>> {
            Ok(Box::new(Self(self.0.copy())))
        }
    }

    #[test]
    fn a_convolution_as_classifier_is_left_alone_and_said_so() {
        let model = Convolutional(Tensor::ones([4, 1, 8, 8], tch::kind::FLOAT_CPU));
        let derived = derive(Layers::Last, 0.9, Box::new(model));
        assert!(derived.changes.unchanged);
        assert_eq!(derived.changes.summary, "classifier is a convolution: nothing pruned");
        assert_eq!(derived.changes.zeroed, Some(0.0));
    }

    #[test]
    fn a_share_above_one_is_refused() {
        for amount in [1.5, -0.1, f64::NAN] {
            let error = Prune::configure(Params { amount, ..Params::default() }).unwrap_err();
            assert!(error.to_string().contains("must be in [0, 1]"), "{error}");
        }
    }

    #[test]
    fn a_variation_names_layers_and_amount() {
        let prune = Prune::configure(Params::default()).unwrap();
        assert_eq!(prune.variation().to_string(), "prune/conv/0.2");
    }
}
