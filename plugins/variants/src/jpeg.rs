//! JPEG compression before the network.
//!
//! Every image is compressed and decompressed. T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign
//! Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, section III-A.
//!
//! Colour images come out byte for byte as from Pillow's `save(format="JPEG", quality=q)` and reload, that is from
//! libjpeg-turbo with its defaults: baseline, Annex K tables scaled to the quality, 4:2:0, exact integer transforms,
//! smooth chroma upsampling. Grey images are grey JPEGs (Pillow's mode `L`).
//!
//! # Differences from the paper
//! The authors compressed the stored images once, before they were resized or after (unknown); here it is the image
//! that the network receives, as a thief's service would do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bertillon::{
    Configure, Derived, Error, ImageShape, Model, Result, VariantGenerator, Variation, Workbench,
};
use mozjpeg::{ColorSpace, Compress, DctMethod, Decompress, qtable};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shared::input_transform::{InputTransform, variation};

/// Parameters of JPEG compression.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Quality as libjpeg counts it, 1 to 100. Default: 75, Pillow's (the paper's grid: 30 to 90).
    pub quality: u8,
}

impl Default for Params {
    fn default() -> Self {
        Self { quality: 75 }
    }
}

/// Compresses every image.
#[derive(Debug)]
pub struct Jpeg {
    quality: u8,
}

impl Configure for Jpeg {
    type Parameters = Params;

    fn configure(Params { quality }: Params) -> Result<Self> {
        match quality {
            1..=100 => Ok(Self { quality }),
            _ => Err(Error::parameter("quality", quality, "must be in 1..=100")),
        }
    }
}

impl VariantGenerator for Jpeg {
    fn variation(&self) -> Variation {
        variation("jpeg", Some(self.quality.to_string()))
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        let quality = self.quality;
        let transform = Arc::new(move |image: &mut [u8], shape| recompress(image, shape, quality));
        let summary = format!("every image compressed as JPEG of quality {quality}");
        Ok(InputTransform::derive(copy, transform, summary))
    }
}

bertillon::register_variant!("jpeg", Jpeg);

/// Compresses and decompresses one image `[C, H, W]` in place.
fn recompress(image: &mut [u8], shape: ImageShape, quality: u8) -> Result<()> {
    if !matches!(shape.channels, 1 | 3) {
        return Err(Error::Refused(format!("JPEG has no images of {} channels", shape.channels)));
    }
    let mut pixels = vec![0; image.len()];
    let area = shape.height * shape.width;
    for (i, pixel) in pixels.chunks_exact_mut(shape.channels).enumerate() {
        pixel.iter_mut().enumerate().for_each(|(c, v)| *v = image[c * area + i]);
    }
    // The C library reports its errors by unwinding.
    let decoded =
        catch_unwind(AssertUnwindSafe(|| decode(&encode(&pixels, shape, quality)?, shape)))
            .unwrap_or_else(|_| Err(std::io::Error::other("libjpeg gave up")))
            .map_err(|error| {
                let ImageShape { height, width, .. } = shape;
                Error::Refused(format!("a {height}x{width} image can't be a JPEG: {error}"))
            })?;
    for (i, pixel) in decoded.chunks_exact(shape.channels).enumerate() {
        pixel.iter().enumerate().for_each(|(c, &v)| image[c * area + i] = v);
    }
    Ok(())
}

fn color_space(shape: ImageShape) -> ColorSpace {
    if shape.channels == 1 { ColorSpace::JCS_GRAYSCALE } else { ColorSpace::JCS_RGB }
}

fn encode(pixels: &[u8], shape: ImageShape, quality: u8) -> std::io::Result<Vec<u8>> {
    let mut compress = Compress::new(color_space(shape));
    compress.set_size(shape.width, shape.height);
    // Without it the library tunes tables and scans, and its files are no longer libjpeg-turbo's.
    compress.set_fastest_defaults();
    compress.set_quality(quality.into());
    if quality < 25 {
        // `set_quality` lets entries of the tables exceed 255 there; libjpeg-turbo's default clamps them.
        let quality = table_quality(quality);
        compress.set_luma_qtable(&qtable::AnnexK_Luma.scaled(quality, quality));
        compress.set_chroma_qtable(&qtable::AnnexK_Chroma.scaled(quality, quality));
    }
    if shape.channels == 3 {
        compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    }
    let mut started = compress.start_compress(Vec::new())?;
    started.write_scanlines(pixels)?;
    started.finish()
}

/// Quality for `QTable::scaled` that gives libjpeg's integers `(entry * (5000 / quality) + 50) / 100`.
///
/// The crate scales in floats and rounds. Three thousandths more of a percent lift exact halves safely above the
/// rounding errors, and carry no other entry (they are hundredths apart) over its half.
fn table_quality(quality: u8) -> f32 {
    5000.0 / (f32::from(5000 / u16::from(quality)) + 0.003)
}

fn decode(file: &[u8], shape: ImageShape) -> std::io::Result<Vec<u8>> {
    let mut decompress = Decompress::new_mem(file)?;
    decompress.dct_method(DctMethod::IntegerSlow);
    decompress.do_fancy_upsampling(true);
    let mut started = decompress.to_colorspace(color_space(shape))?;
    let pixels = started.read_scanlines::<u8>()?;
    started.finish()?;
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_images_survive_and_noise_does_not() {
        let shape = ImageShape { channels: 1, height: 13, width: 9 };
        // The DC step at quality 50 is 16: 128 is 0 on its grid, hence exact.
        let mut flat = vec![128; shape.samples()];
        recompress(&mut flat, shape, 50).unwrap();
        assert_eq!(flat, vec![128; shape.samples()]);
        let noise: Vec<u8> = (0..117_u8).map(|i| i.wrapping_mul(97)).collect();
        let mut compressed = noise.clone();
        recompress(&mut compressed, shape, 50).unwrap();
        assert_ne!(compressed, noise);
    }

    #[test]
    fn what_jpeg_cannot_hold_is_refused() {
        let shape = ImageShape { channels: 2, height: 4, width: 4 };
        let error = recompress(&mut [0; 32], shape, 50).unwrap_err();
        assert!(error.to_string().contains("2 channels"), "{error}");
        // Wider than 65,500: the C library unwinds.
        let shape = ImageShape { channels: 1, height: 1, width: 70_000 };
        let error = recompress(&mut vec![0; 70_000], shape, 50).unwrap_err();
        assert!(error.to_string().contains("1x70000"), "{error}");
    }

    #[test]
    fn qualities_outside_1_to_100_are_refused() {
        for quality in [0, 101] {
            let error = Jpeg::configure(Params { quality }).unwrap_err().to_string();
            assert!(error.contains("must be in 1..=100"), "{error}");
        }
    }
}
