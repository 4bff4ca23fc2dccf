//! Half precision: weights and activations in 16-bit floats.
//!
//! What a service does to answer faster. T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign
//! Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! The image is rounded to 16 bits first, then normalised and classified in 16 bits; the logits come back in 32.
//!
//! # Differences from the paper
//! None known; the authors computed on a GPU, whose sums differ in the last bits from those of a CPU.

use bertillon::{
    Changes, Configure, Derived, Error, Group, Model, Result, VariantGenerator, Variation,
    Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::Kind;

/// Half precision has no parameters.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

/// Converts a model to 16-bit floats.
#[derive(Debug)]
pub struct Half;

impl Configure for Half {
    type Parameters = Params;

    fn configure(_: Params) -> Result<Self> {
        Ok(Self)
    }
}

impl VariantGenerator for Half {
    fn variation(&self) -> Variation {
        Variation { kind: "half".into(), detail: None, parameter: None, group: Group::Weights }
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let parameters = copy.parameters();
        let already = |p: &bertillon::Parameter| p.tensor.kind() == Kind::Half;
        if !parameters.is_empty() && parameters.iter().all(already) {
            let changes = Changes {
                summary: "weights are 16-bit floats already: nothing changed".into(),
                unchanged: true,
                ..Changes::default()
            };
            return Ok(Derived { model: copy, changes });
        }
        let model = copy.to_half()?.ok_or_else(|| {
            Error::Refused("this model has no form that computes in 16-bit floats".into())
        })?;
        let changes = Changes {
            summary: format!("{} tensors and all activations in 16-bit floats", parameters.len()),
            tensors: parameters.into_iter().map(|parameter| parameter.name).collect(),
            ..Changes::default()
        };
        Ok(Derived { model, changes })
    }
}

bertillon::register_variant!("half", Half);

#[cfg(test)]
mod tests {
    use bertillon::{ImageShape, Mode, Parameter, testkit};
    use tch::{Device, Tensor};

    use super::*;

    #[test]
    fn weights_are_rounded_to_16_bits_and_logits_hardly_move() {
        let mut workbench = testkit::workbench(0);
        let derived = Half.derive(Box::new(testkit::ToyModel::new(0)), &mut workbench).unwrap();
        let (before, after) = (testkit::ToyModel::new(0).parameters(), derived.model.parameters());
        for (before, after) in before.iter().zip(&after) {
            let rounded = before.tensor.to_kind(Kind::Half);
            assert_eq!(rounded, after.tensor);
        }
        let images = testkit::images(8, 1).tensor(Device::Cpu);
        let vanilla = testkit::ToyModel::new(0).logits(&images, Mode::Evaluation).unwrap();
        let half = derived.model.logits(&images, Mode::Evaluation).unwrap();
        assert_eq!(half.kind(), Kind::Float);
        let difference = (vanilla - half).abs().max().double_value(&[]);
        assert!(difference > 0.0 && difference < 0.05, "{difference}");
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let mut workbench = testkit::workbench(0);
        let once = Half.derive(Box::new(testkit::ToyModel::new(0)), &mut workbench).unwrap();
        assert!(!once.changes.unchanged);
        assert!(Half.derive(once.model, &mut workbench).unwrap().changes.unchanged);
    }

    struct SinglePrecision(testkit::ToyModel);

    impl Model for SinglePrecision {
        fn input(&self) -> ImageShape {
            self.0.input()
        }
        fn classes(&self) -> usize {
            self.0.classes()
        }
        fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
            self.0.logits(images, mode)
        }
        fn parameters(&self) -> Vec<Parameter> {
            self.0.parameters()
        }
        fn fork(&self) -> Result<Box<dyn Model>> {
            self.0.fork()
        }
    }

    #[test]
    fn a_model_without_a_half_form_is_refused() {
        let model = Box::new(SinglePrecision(testkit::ToyModel::new(0)));
        let error = Half.derive(model, &mut testkit::workbench(0)).unwrap_err();
        assert!(error.to_string().contains("16-bit"), "{error}");
    }
}
