//! Services: networks behind the resizing that every image sent to them goes through.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{Error, ImageShape, Images, Mode, Model, Parameter, Result};

/// Images resized at a time.
const CHUNK: usize = 64;

/// The size to which an image is brought before its centre is cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected pixels of the shorter side, or [height, width]")]
pub enum Resize {
    /// The shorter side, in pixels; the longer one follows, rounded down.
    Shorter(usize),
    /// Height and width, in pixels, whatever the proportions were.
    Exact([usize; 2]),
}

/// How samples between pixels are found. Antialiased, as Pillow's are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Linear in both directions.
    #[default]
    Bilinear,
    /// Cubic in both directions.
    Bicubic,
}

/// What a service does to an image before anything else: it resizes it, rounds it to 8 bits, and cuts out the centre, as
/// large as its network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The size before the cut.
    pub resize: Resize,
    /// How samples between pixels are found.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// Whether an image that has the network's size already is left alone.
    #[serde(default)]
    pub keeps_native: bool,
}

impl Preprocessing {
    /// Resizes to `shape` whatever the proportions, bilinearly.
    pub fn stretched(shape: ImageShape) -> Self {
        let resize = Resize::Exact([shape.height, shape.width]);
        Self { resize, interpolation: Interpolation::Bilinear, keeps_native: false }
    }

    /// Refuses a size from which `to` can't be cut out.
    ///
    /// # Errors
    /// When it is smaller, or beyond what images may have.
    pub fn check(&self, to: ImageShape) -> Result<()> {
        let (height, width) = match self.resize {
            Resize::Shorter(side) => (side, side),
            Resize::Exact([height, width]) => (height, width),
        };
        if height < to.height || width < to.width {
            return Err(Error::Refused(format!(
                "images resized to {height}x{width} have no centre of {}x{}",
                to.height, to.width
            )));
        }
        match height.max(width) > MAX_SIDE {
            true => Err(Error::Refused(format!(
                "images of {height}x{width} are too large: a side has at most {MAX_SIDE} pixels"
            ))),
            false => Ok(()),
        }
    }

    /// A batch as a network of input `to` sees it, on 8-bit levels. Gradients flow through the resizing; the rounding
    /// passes them on as they are.
    ///
    /// # Shapes
    /// `images`: f32 `[N, C, H, W]` in `[0, 1]`; result: the same of shape `to`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn fit(&self, images: &Tensor, to: ImageShape) -> Result<Tensor> {
        let size = images.size();
        let [_, _, height, width] = size[..] else {
            return Err(Error::Shape { what: "images", expected: vec![-1; 4], actual: size });
        };
        let target = [to.height as i64, to.width as i64];
        if self.keeps_native && [height, width] == target {
            return Ok(images.shallow_clone());
        }
        Ok(self.centre(&on_levels(&(images * 255.0)), to)? / 255.0)
    }

    /// The centre of a batch of whole levels, resized and on whole levels again.
    fn centre(&self, levels: &Tensor, to: ImageShape) -> Result<Tensor> {
        let (_, _, height, width) = levels.size4()?;
        let resized_to = self.size(height, width);
        let resized = match resized_to == [height, width] {
            true => levels.shallow_clone(),
            false => on_levels(&match self.interpolation {
                Interpolation::Nearest => {
                    levels.f_internal_upsample_nearest_exact2d(resized_to, None, None)?
                }
                Interpolation::Bilinear => {
                    levels.f_internal_upsample_bilinear2d_aa(resized_to, false, None, None)?
                }
                Interpolation::Bicubic => {
                    levels.f_internal_upsample_bicubic2d_aa(resized_to, false, None, None)?
                }
            }),
        };
        let [top, left] = [(0, to.height), (1, to.width)]
            .map(|(side, length)| half_to_even(resized_to[side] - length as i64));
        Ok(resized.f_narrow(2, top, to.height as i64)?.f_narrow(3, left, to.width as i64)?)
    }

    /// Images as a network of input `to` sees them.
    ///
    /// # Errors
    /// When the channels differ, or libtorch fails.
    pub fn apply(&self, images: &Images, to: ImageShape) -> Result<Images> {
        if images.shape().channels != to.channels {
            return Err(Error::Refused(format!(
                "images of {} channels for a network that takes {}",
                images.shape().channels,
                to.channels
            )));
        }
        if self.keeps_native && images.shape() == to {
            return Ok(images.clone());
        }
        let mut bytes = Vec::with_capacity(images.len() * to.samples());
        let size = images.shape().samples();
        for chunk in images.as_bytes().chunks(CHUNK * size) {
            // Bytes are levels: there is no need to bring them to [0, 1] and back.
            let shape = images.shape().batch(chunk.len() / size);
            let levels = Tensor::from_slice(chunk).view(shape).to_kind(Kind::Float);
            let centre = tch::no_grad(|| self.centre(&levels, to))?;
            let centre = centre.to_kind(Kind::Uint8).contiguous().view(-1);
            bytes.extend(Vec::<u8>::try_from(&centre)?);
        }
        Images::new(bytes, to)
    }

    fn size(&self, height: i64, width: i64) -> [i64; 2] {
        match self.resize {
            Resize::Exact(size) => size.map(|side| side as i64),
            Resize::Shorter(side) => {
                let side = side as i64;
                match height <= width {
                    true => [side, side * width / height],
                    false => [side * height / width, side],
                }
            }
        }
    }
}

/// In words: `shorter side to 256, bilinear`.
impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resize {
            Resize::Shorter(side) => write!(f, "shorter side to {side}")?,
            Resize::Exact([height, width]) => write!(f, "to {height}x{width}")?,
        }
        f.write_str(match self.interpolation {
            Interpolation::Nearest => ", nearest",
            Interpolation::Bilinear => ", bilinear",
            Interpolation::Bicubic => ", bicubic",
        })
    }
}

/// Most pixels of a side.
pub const MAX_SIDE: usize = 16_384;

/// Samples rounded to whole levels; the gradient takes no notice.
fn on_levels(samples: &Tensor) -> Tensor {
    let rounded = samples.detach().round().clamp(0.0, 255.0);
    match samples.requires_grad() {
        // The difference is exactly zero, and carries the gradient.
        true => rounded + (samples - samples.detach()),
        false => rounded,
    }
}

/// Half of a margin; where it is odd the even neighbour, as torchvision's centre crop has it.
fn half_to_even(margin: i64) -> i64 {
    let half = margin / 2;
    if margin % 2 != 0 && half % 2 != 0 { half + 1 } else { half }
}

/// A network as a service runs it: what it is sent is resized and cut first.
pub struct Service {
    network: Box<dyn Model>,
    preprocessing: Preprocessing,
    receives: ImageShape,
}

impl Service {
    /// Puts `network` behind `preprocessing`, for images of shape `receives`.
    ///
    /// # Errors
    /// When the channels differ, or no centre of the network's size is left.
    pub fn new(
        network: Box<dyn Model>,
        preprocessing: Preprocessing,
        receives: ImageShape,
    ) -> Result<Self> {
        preprocessing.check(network.input())?;
        if network.input().channels != receives.channels {
            return Err(Error::Refused(format!(
                "images of {} channels for a network that takes {}",
                receives.channels,
                network.input().channels
            )));
        }
        Ok(Self { network, preprocessing, receives })
    }

    fn around(&self, network: Box<dyn Model>) -> Box<dyn Model> {
        Box::new(Self { network, ..*self })
    }
}

impl Model for Service {
    fn input(&self) -> ImageShape {
        self.receives
    }

    fn classes(&self) -> usize {
        self.network.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.network.logits(&self.preprocessing.fit(images, self.network.input())?, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.network.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(self.around(self.network.fork()?))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        Ok(self.network.to_half()?.map(|half| self.around(half)))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("preprocessing", &self.preprocessing)
            .field("receives", &self.receives)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::testkit::{self, ToyModel};

    fn shape(height: usize, width: usize) -> ImageShape {
        ImageShape { channels: 1, height, width }
    }

    fn shorter(side: usize) -> Preprocessing {
        Preprocessing {
            resize: Resize::Shorter(side),
            interpolation: Interpolation::Bilinear,
            keeps_native: false,
        }
    }

    #[test]
    fn halving_is_a_triangle_filter_rounded_to_8_bits() {
        // Support 2 around the centres 1 and 3 of the halves: weights 1, 3, 3, 1 over 8, cut off at the edge.
        let row = [0, 100, 200, 255_u8];
        let image = Images::new(row.to_vec(), shape(1, 4)).unwrap();
        let narrow = Preprocessing { resize: Resize::Exact([1, 2]), ..shorter(1) };
        let halved = narrow.apply(&image, shape(1, 2)).unwrap();
        // (3*0 + 3*100 + 200) / 7 and (100 + 3*200 + 3*255) / 7.
        assert_eq!(halved.as_bytes(), [71, 209]);
    }

    #[test]
    fn the_centre_is_cut_out_and_an_odd_margin_goes_to_the_even_side() {
        let image = Images::new((0..70).collect::<Vec<u8>>(), shape(7, 10)).unwrap();
        // Margins 3 and 6: top 2 (1.5 to even), left 3.
        let centre = shorter(7).apply(&image, shape(4, 4)).unwrap();
        assert_eq!(centre.image(0)[..4], [23, 24, 25, 26]);
        assert_eq!(centre.image(0)[12..], [53, 54, 55, 56]);
    }

    #[test]
    fn a_longer_side_follows_rounded_down() {
        assert_eq!(shorter(256).size(375, 500), [256, 341]);
        assert_eq!(shorter(256).size(500, 333), [384, 256]);
    }

    #[test]
    fn an_image_of_the_networks_size_is_left_alone_only_where_that_is_set() {
        let images = testkit::images(3, 1);
        let enlarged = shorter(12).apply(&images, testkit::SHAPE).unwrap();
        assert_ne!(enlarged, images);
        let keeps = Preprocessing { keeps_native: true, ..shorter(12) };
        assert_eq!(keeps.apply(&images, testkit::SHAPE).unwrap(), images);
    }

    #[test]
    fn a_service_answers_as_its_network_does_to_the_fitted_images() {
        let sent = Images::new((0..=255).cycle().take(3 * 320).collect::<Vec<u8>>(), shape(16, 20))
            .unwrap();
        let service = Service::new(Box::new(ToyModel::new(0)), shorter(10), sent.shape()).unwrap();
        let fitted = shorter(10).apply(&sent, testkit::SHAPE).unwrap();
        let expected =
            ToyModel::new(0).logits(&fitted.tensor(Device::Cpu), Mode::Evaluation).unwrap();
        let logits = |images: &Tensor| service.logits(images, Mode::Evaluation).unwrap();
        let images = sent.tensor(Device::Cpu);
        assert_eq!(logits(&images), expected);
        // With a gradient too, to the bit.
        assert_eq!(logits(&images.set_requires_grad(true)).detach(), expected);
    }

    #[test]
    fn gradients_are_those_of_the_resizing_without_its_rounding() {
        let stream = &mut crate::Stream::named(3, ["weights"]);
        let mut weights = vec![0.0_f32; 16];
        stream.fill_normal(&mut weights);
        let weights = Tensor::from_slice(&weights).view([1, 1, 4, 4]);
        let image = Tensor::full([1, 1, 9, 9], 0.5, tch::kind::FLOAT_CPU).set_requires_grad(true);
        let seen = shorter(4).fit(&image, shape(4, 4)).unwrap();
        let loss = (seen * &weights).sum(Kind::Float);
        let gradient = Tensor::run_backward(&[loss], &[&image], false, false).remove(0);
        // The resizing is linear: its derivative along a direction is what it makes of the direction, unrounded.
        for pixel in [(0, 0), (4, 5), (8, 8)] {
            let direction = Tensor::zeros([1, 1, 9, 9], tch::kind::FLOAT_CPU);
            let _ = direction.narrow(2, pixel.0, 1).narrow(3, pixel.1, 1).fill_(1.0);
            let moved = direction.internal_upsample_bilinear2d_aa([4, 4], false, None, None);
            let expected = (moved * &weights).sum(Kind::Float).double_value(&[]);
            let actual = gradient.double_value(&[0, 0, pixel.0, pixel.1]);
            assert!((expected - actual).abs() < 1e-6, "{expected} {actual}");
        }
    }

    #[test]
    fn what_has_no_centre_of_the_networks_size_is_refused() {
        let toy = || Box::new(ToyModel::new(0));
        assert!(Service::new(toy(), shorter(7), shape(9, 9)).is_err());
        let colour = ImageShape { channels: 3, height: 9, width: 9 };
        assert!(Service::new(toy(), shorter(8), colour).is_err());
        assert!(Service::new(toy(), shorter(MAX_SIDE + 1), shape(9, 9)).is_err());
    }
}
