//! template: brightens or darkens every image before the network sees it.
//!
//! Replace this by what yours does: full name, one sentence of idea, citation with a link, the equation followed.
//!
//! ```text
//! x' = clip(x + shift, 0, 1)
//! ```
//!
//! # Differences from the paper
//! None known.

use bertillon::{
    Changes, Configure, Derived, Error, Group, ImageShape, Mode, Model, Parameter, Result,
    VariantGenerator, Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::Tensor;

/// Parameters of `template`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What is added to every sample, in [-1, 1]; samples lie in [0, 1].
    #[schemars(range(min = -1.0, max = 1.0))]
    pub shift: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { shift: 0.1 }
    }
}

/// Shifts the brightness of every image.
#[derive(Debug)]
pub struct Template {
    shift: f64,
}

impl Configure for Template {
    type Parameters = Params;

    fn configure(Params { shift }: Params) -> Result<Self> {
        match (-1.0..=1.0).contains(&shift) {
            true => Ok(Self { shift }),
            false => Err(Error::parameter("shift", shift, "must be in [-1, 1]")),
        }
    }
}

impl VariantGenerator for Template {
    fn variation(&self) -> Variation {
        let parameter = Some(self.shift.to_string());
        Variation { kind: "template".into(), detail: None, parameter, group: Group::Input }
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let changes = Changes {
            summary: format!("{:+} on every sample", self.shift),
            unchanged: self.shift == 0.0,
            ..Changes::default()
        };
        Ok(Derived { model: Box::new(Shifted { model: copy, shift: self.shift }), changes })
    }
}

bertillon::register_variant!("template", Template);

#[cfg(feature = "library")]
bertillon::export_plugins!();

/// A network that sees every image shifted.
struct Shifted {
    model: Box<dyn Model>,
    shift: f64,
}

impl Model for Shifted {
    fn input(&self) -> ImageShape {
        self.model.input()
    }

    fn classes(&self) -> usize {
        self.model.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.model.logits(&(images + self.shift).clamp(0.0, 1.0), mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.model.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self { model: self.model.fork()?, shift: self.shift }))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        let half = self.model.to_half()?;
        Ok(half.map(|model| Box::new(Self { model, shift: self.shift }) as Box<dyn Model>))
    }
}

#[cfg(test)]
mod tests {
    use bertillon::testkit::{self, ToyModel};
    use tch::Device;

    use super::*;

    fn derived(shift: f64) -> Derived {
        let generator = Template::configure(Params { shift }).unwrap();
        generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap()
    }

    #[test]
    fn a_variant_answers_as_its_vanilla_does_to_the_shifted_image() {
        let images = testkit::images(4, 1).tensor(Device::Cpu);
        let shifted = (&images + 0.25).clamp(0.0, 1.0);
        let expected = ToyModel::new(0).logits(&shifted, Mode::Evaluation).unwrap();
        let actual = derived(0.25).model.logits(&images, Mode::Evaluation).unwrap();
        assert_eq!(actual, expected);
    }

    #[test]
    fn no_shift_changes_nothing() {
        assert!(derived(0.0).changes.unchanged);
        assert!(!derived(0.1).changes.unchanged);
    }

    #[test]
    fn a_shift_beyond_the_range_is_refused() {
        let error = Template::configure(Params { shift: 2.0 }).unwrap_err().to_string();
        assert_eq!(error, "`shift` = 2: must be in [-1, 1]");
    }
}
