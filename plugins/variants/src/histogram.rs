//! Histogram equalisation of every channel before the network.
//!
//! T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign Inputs", IEEE TIFS 2023,
//! <https://arxiv.org/abs/2208.03169>, section III-A; the operation is that of torchvision's `equalize`, and of Pillow's
//! `ImageOps.equalize`.
//!
//! ```text
//! h = histogram of the channel, N = its samples, last = count of the highest value that occurs
//! step = (N - last) / 255                          integer division; step = 0: the channel stays
//! v -> min(255, (step / 2 + sum_{u < v} h[u]) / step)
//! ```
//!
//! # Differences from the paper
//! None known. Channels are equalised one by one, not by luminance, as the authors' code does. Small images overflow
//! 255 often, where the minimum matters.

use std::sync::Arc;

use bertillon::{
    Configure, Derived, ImageShape, Model, Result, VariantGenerator, Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shared::input_transform::{InputTransform, variation};

/// Equalisation has no parameters.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

/// Equalises every image.
#[derive(Debug)]
pub struct Histogram;

impl Configure for Histogram {
    type Parameters = Params;

    fn configure(_: Params) -> Result<Self> {
        Ok(Self)
    }
}

impl VariantGenerator for Histogram {
    fn variation(&self) -> Variation {
        variation("histogram", None)
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let summary = "histogram of every channel equalised".into();
        Ok(InputTransform::derive(copy, Arc::new(equalize), summary))
    }
}

bertillon::register_variant!("histogram", Histogram);

#[expect(clippy::unnecessary_wraps, reason = "the signature of a transform")]
fn equalize(image: &mut [u8], shape: ImageShape) -> Result<()> {
    for channel in image.chunks_exact_mut(shape.height * shape.width) {
        let mut histogram = [0_usize; 256];
        channel.iter().for_each(|&v| histogram[usize::from(v)] += 1);
        let last = histogram.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
        let step = (channel.len() - last) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = histogram.map(|count| {
            let level = (below / step).min(255);
            below += count;
            u8::try_from(level).expect("at most 255")
        });
        channel.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equalized(image: &[u8], height: usize, width: usize) -> Vec<u8> {
        let mut image = image.to_vec();
        equalize(&mut image, ImageShape { channels: 1, height, width }).unwrap();
        image
    }

    #[test]
    fn a_step_of_one_counts_the_samples_below() {
        // 300 samples: 100 of 10, 160 of 20, 40 of 30; step = (300 - 40) / 255 = 1.
        let image = [vec![10; 100], vec![20; 160], vec![30; 40]].concat();
        let out = equalized(&image, 15, 20);
        // 260 samples lie below the highest value, clamped to 255.
        assert_eq!((out[0], out[100], out[299]), (0, 100, 255));
    }

    #[test]
    fn a_larger_step_divides_with_half_a_step_added() {
        // 1024 samples: 500 of 1, 14 of 2, 510 of 200; step = 514 / 255 = 2.
        let image = [vec![1; 500], vec![2; 14], vec![200; 510]].concat();
        let out = equalized(&image, 32, 32);
        assert_eq!((out[0], out[500], out[600]), (0, 250, 255));
    }

    #[test]
    fn a_flat_image_and_a_tiny_one_stay() {
        assert_eq!(equalized(&[7; 1024], 32, 32), [7; 1024]);
        let tiny: Vec<u8> = (0..64).collect();
        assert_eq!(equalized(&tiny, 8, 8), tiny);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let entry = bertillon::registry::of_kind(bertillon::registry::PluginKind::Variant).unwrap();
        let entry = entry.iter().find(|entry| entry.name == "histogram").unwrap();
        let bertillon::registry::Builder::Variant(build) = entry.builder else { unreachable!() };
        assert!(build("{}").is_ok());
        assert!(build(r#"{"bins": 3}"#).err().unwrap().to_string().contains("bins"));
    }
}
