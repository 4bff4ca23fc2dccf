//! 8-bit images, as a real service receives them.

use std::{fmt, ops::Range, sync::Arc};

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Channels, height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Samples in one image.
    pub fn samples(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Shape of a batch of `n` images, `[n, C, H, W]`.
    pub fn batch(self, n: usize) -> [i64; 4] {
        [n, self.channels, self.height, self.width].map(|dimension| dimension as i64)
    }
}

/// `3x224x224`.
impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Channels, height and width, as files have them.
impl From<ImageShape> for [usize; 3] {
    fn from(shape: ImageShape) -> Self {
        [shape.channels, shape.height, shape.width]
    }
}

impl From<[usize; 3]> for ImageShape {
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self { channels, height, width }
    }
}

/// A list of images of one shape.
///
/// # Shapes
/// u8 `[n, C, H, W]`, shared without copying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    data: Arc<[u8]>,
    shape: ImageShape,
}

impl Images {
    /// Wraps raw samples.
    ///
    /// # Errors
    /// When they are no whole number of images.
    pub fn new(data: impl Into<Arc<[u8]>>, shape: ImageShape) -> Result<Self> {
        let data = data.into();
        if shape.samples() == 0 || data.len() % shape.samples() != 0 {
            return Err(Error::Refused(format!(
                "{} bytes are no whole number of {shape} images",
                data.len()
            )));
        }
        Ok(Self { data, shape })
    }

    /// Rounds a batch in `[0, 1]` to 8 bits: `round(255 x)`, half to even, clipped.
    ///
    /// # Shapes
    /// `batch`: float `[n, C, H, W]`.
    ///
    /// # Errors
    /// When the batch has another rank, or libtorch fails.
    pub fn from_tensor(batch: &Tensor) -> Result<Self> {
        let size = batch.size();
        let dimensions: Vec<usize> = size.iter().filter_map(|&d| usize::try_from(d).ok()).collect();
        let [_, channels, height, width] = dimensions[..] else {
            return Err(Error::Shape {
                what: "a batch of images",
                expected: vec![-1; 4],
                actual: size,
            });
        };
        let shape = ImageShape { channels, height, width };
        let bytes = (batch * 255.0).round().clamp(0.0, 255.0).to_kind(Kind::Uint8);
        let bytes = bytes.to_device(Device::Cpu).contiguous().view(-1);
        Self::new(Vec::<u8>::try_from(&bytes)?, shape)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.data.len() / self.shape.samples()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Shape of each.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Samples of one image, `[C, H, W]`.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.samples();
        &self.data[index * size..(index + 1) * size]
    }

    /// All samples.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// The samples as they are shared.
    pub(crate) fn shared(&self) -> &Arc<[u8]> {
        &self.data
    }

    /// Some of the images, in the order given.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len).
    pub fn gather(&self, indices: &[u32]) -> Self {
        let data: Vec<u8> =
            indices.iter().flat_map(|&i| self.image(i as usize).iter().copied()).collect();
        Self { data: data.into(), shape: self.shape }
    }

    /// A range of images as a network takes them.
    ///
    /// # Shapes
    /// Result: f32 `[range, C, H, W]` in `[0, 1]`, on `device`.
    ///
    /// # Panics
    /// When the range exceeds the list.
    pub fn to_tensor(&self, range: Range<usize>, device: Device) -> Tensor {
        let size = self.shape.samples();
        let bytes = &self.data[range.start * size..range.end * size];
        Tensor::from_slice(bytes)
            .view(self.shape.batch(range.len()))
            .to_device(device)
            .to_kind(Kind::Float)
            / 255.0
    }

    /// All images as a network takes them.
    ///
    /// # Shapes
    /// As [`to_tensor`](Self::to_tensor).
    pub fn tensor(&self, device: Device) -> Tensor {
        self.to_tensor(0..self.len(), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_to_a_tensor_and_back() {
        let shape = ImageShape { channels: 1, height: 16, width: 16 };
        let bytes: Vec<u8> = (0..=255).collect();
        let images = Images::new(bytes, shape).unwrap();
        assert_eq!(Images::from_tensor(&images.tensor(Device::Cpu)).unwrap(), images);
    }
}
