//! Posterisation: fewer grey levels before the network.
//!
//! Keeps the highest bits of every sample. T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign
//! Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A; the operation is that of torchvision's
//! `posterize` and Pillow's `ImageOps.posterize`.
//!
//! ```text
//! v & (256 - 2^(8 - bits))
//! ```
//!
//! # Differences from the paper
//! None known.

use std::sync::Arc;

use bertillon::{
    Changes, Configure, Derived, Error, Model, Result, VariantGenerator, Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shared::input_transform::{InputTransform, variation};

/// Parameters of posterisation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Bits kept of each sample, 1 to 8. Default: 5 (the paper's grid: 3 to 7).
    pub bits: u8,
}

impl Default for Params {
    fn default() -> Self {
        Self { bits: 5 }
    }
}

/// Posterises every image.
#[derive(Debug)]
pub struct Posterize {
    bits: u8,
}

impl Configure for Posterize {
    type Parameters = Params;

    fn configure(Params { bits }: Params) -> Result<Self> {
        match bits {
            1..=8 => Ok(Self { bits }),
            _ => Err(Error::parameter("bits", bits, "must be in 1..=8")),
        }
    }
}

impl VariantGenerator for Posterize {
    fn variation(&self) -> Variation {
        variation("posterize", Some(self.bits.to_string()))
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        if self.bits == 8 {
            let changes = Changes {
                summary: "all 8 bits kept: nothing changed".into(),
                unchanged: true,
                ..Changes::default()
            };
            return Ok(Derived { model: copy, changes });
        }
        let mask = 0xFF_u8 << (8 - self.bits);
        let transform = Arc::new(move |image: &mut [u8], _| {
            image.iter_mut().for_each(|v| *v &= mask);
            Ok(())
        });
        let summary = format!("{} of 8 bits of every sample kept", self.bits);
        Ok(InputTransform::derive(copy, transform, summary))
    }
}

bertillon::register_variant!("posterize", Posterize);

#[cfg(test)]
mod tests {
    use bertillon::{Mode, testkit};
    use tch::Device;

    use super::*;

    fn derived(bits: u8) -> Derived {
        let posterize = Posterize::configure(Params { bits }).unwrap();
        posterize.derive(Box::new(testkit::ToyModel::new(0)), &mut testkit::workbench(0)).unwrap()
    }

    #[test]
    fn three_bits_keep_multiples_of_32() {
        let images = testkit::images(6, 2).tensor(Device::Cpu);
        let seen = ((&images * 255.0).round() / 32.0).floor() * 32.0 / 255.0;
        let expected = testkit::ToyModel::new(0).logits(&seen, Mode::Evaluation).unwrap();
        let actual = derived(3).model.logits(&images, Mode::Evaluation).unwrap();
        assert!((actual - expected).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn eight_bits_change_nothing() {
        assert!(derived(8).changes.unchanged);
        assert!(!derived(7).changes.unchanged);
    }

    #[test]
    fn no_bit_is_refused() {
        let error = Posterize::configure(Params { bits: 0 }).unwrap_err().to_string();
        assert_eq!(error, "`bits` = 0: must be in 1..=8");
    }
}
