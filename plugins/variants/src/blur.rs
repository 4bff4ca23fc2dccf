//! Gaussian blur before the network.
//!
//! One of the image manipulations that T. Maho, T. Furon, E. Le Merrer name, "FBI: Fingerprinting models with Benign
//! Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! ```text
//! w[d] = exp(-d^2 / (2 sigma^2)) / sum,   d = -r..r,   r = ceil(3 sigma)
//! out[y, x] = round(sum_{i, j} w[i] w[j] in[y + i, x + j])
//! ```
//!
//! Rows, then columns, in 64-bit floats, rounded once (halves to even); beyond the edge the nearest sample counts.
//!
//! # Differences from the paper
//! The paper names blurring without kernel or strength, and does not evaluate it.

use std::sync::Arc;

use bertillon::{
    Configure, Derived, Error, ImageShape, Model, Result, VariantGenerator, Variation, Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shared::input_transform::{InputTransform, variation};

/// Parameters of the blur.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Standard deviation of the kernel in pixels, in (0, 16]. Default: 0.6, mild on 28x28 images (the paper gives
    /// none).
    pub sigma: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { sigma: 0.6 }
    }
}

/// Blurs every image.
#[derive(Debug)]
pub struct Blur {
    sigma: f64,
    kernel: Arc<[f64]>,
}

impl Configure for Blur {
    type Parameters = Params;

    fn configure(Params { sigma }: Params) -> Result<Self> {
        match sigma > 0.0 && sigma <= 16.0 {
            true => Ok(Self { sigma, kernel: kernel(sigma).into() }),
            false => Err(Error::parameter("sigma", sigma, "must be in (0, 16]")),
        }
    }
}

impl VariantGenerator for Blur {
    fn variation(&self) -> Variation {
        variation("blur", Some(self.sigma.to_string()))
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let centre = self.kernel[self.kernel.len() / 2];
        let kernel = Arc::clone(&self.kernel);
        let transform = Arc::new(move |image: &mut [u8], shape| {
            blur(image, shape, &kernel);
            Ok(())
        });
        let summary = format!("every image blurred, sigma {} pixels", self.sigma);
        let mut derived = InputTransform::derive(copy, transform, summary);
        // No sample can move by half a level.
        if 255.0 * (1.0 - centre * centre) < 0.5 {
            derived.changes.summary = "the kernel is narrower than a pixel: nothing changed".into();
            derived.changes.unchanged = true;
        }
        Ok(derived)
    }
}

bertillon::register_variant!("blur", Blur);

fn kernel(sigma: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "sigma is at most 16")]
    let radius = (3.0 * sigma).ceil() as i32;
    let weights: Vec<f64> =
        (-radius..=radius).map(|d| (-f64::from(d * d) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

fn blur(image: &mut [u8], shape: ImageShape, kernel: &[f64]) {
    let ImageShape { height, width, .. } = shape;
    let radius = kernel.len() / 2;
    // Index of a sample d steps from `at`, of `size`, the nearest where there is none.
    let near = |at: usize, d: usize, size: usize| (at + d).saturating_sub(radius).min(size - 1);
    let mut rows = vec![0.0; height * width];
    for channel in image.chunks_exact_mut(height * width) {
        for (i, out) in rows.iter_mut().enumerate() {
            let (y, x) = (i / width, i % width);
            let sample = |d| f64::from(channel[y * width + near(x, d, width)]);
            *out = kernel.iter().enumerate().map(|(d, w)| w * sample(d)).sum();
        }
        for (i, out) in channel.iter_mut().enumerate() {
            let (y, x) = (i / width, i % width);
            let sample = |d| rows[near(y, d, height) * width + x];
            let sum: f64 = kernel.iter().enumerate().map(|(d, w)| w * sample(d)).sum();
            #[expect(clippy::cast_possible_truncation, reason = "a mean of bytes")]
            let byte = sum.round_ties_even().clamp(0.0, 255.0) as u8;
            *out = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use bertillon::testkit;

    use super::*;

    #[test]
    fn one_bright_pixel_spreads_as_the_kernel_says() {
        // sigma = 1: unnormalised 1, e^-0.5, e^-2, e^-4.5, sum 1 + 2 (0.60653 + 0.13534 + 0.01111) = 2.50596.
        let shape = ImageShape { channels: 1, height: 9, width: 9 };
        let mut image = vec![0; 81];
        image[40] = 255;
        blur(&mut image, shape, &kernel(1.0));
        // 255 / 2.50596^2 = 40.61, times 0.60653 = 24.63, times 0.60653^2 = 14.94, times 0.13534 = 5.50.
        assert_eq!((image[40], image[41], image[49], image[50]), (41, 25, 25, 15));
        assert_eq!(image[42], image[58]);
        assert!((5..=6).contains(&image[42]));
    }

    #[test]
    fn flat_images_stay_to_the_edge() {
        let shape = ImageShape { channels: 3, height: 5, width: 4 };
        let mut image = vec![201; 60];
        blur(&mut image, shape, &kernel(2.5));
        assert_eq!(image, vec![201; 60]);
    }

    #[test]
    fn a_kernel_narrower_than_a_pixel_changes_nothing() {
        let derived = |sigma| {
            let blur = Blur::configure(Params { sigma }).unwrap();
            blur.derive(Box::new(testkit::ToyModel::new(0)), &mut testkit::workbench(0)).unwrap()
        };
        assert!(derived(0.1).changes.unchanged);
        assert!(!derived(0.6).changes.unchanged);
    }

    #[test]
    fn a_sigma_of_zero_is_refused() {
        for sigma in [0.0, -1.0, f64::NAN, 17.0] {
            let error = Blur::configure(Params { sigma }).unwrap_err().to_string();
            assert!(error.contains("must be in (0, 16]"), "{error}");
        }
    }
}
