//! Images that stay on a device, so that each list is sent there once.

use std::{
    cell::RefCell,
    ops::Range,
    sync::{Arc, Weak},
};

use tch::{Device, Kind, Tensor};

use crate::{Images, Result};

/// Lists kept at a time: the pool, and banks that are asked in turn.
const LISTS: usize = 8;

struct List {
    of: Weak<[u8]>,
    device: Device,
    /// u8 `[n, C, H, W]`.
    samples: Tensor,
}

thread_local! {
    static KEPT: RefCell<Vec<List>> = const { RefCell::new(Vec::new()) };
}

/// A range of images as [`Images::to_tensor`] gives it, made from a copy of the whole list on the device.
///
/// Where the device has no room for the list, the range is sent alone.
pub(super) fn batch(images: &Images, range: Range<usize>, device: Device) -> Result<Tensor> {
    KEPT.with_borrow_mut(|kept| {
        kept.retain(|list| list.of.strong_count() > 0);
        let list = kept.iter().position(|list| list.is(images, device));
        let list = match list.map_or_else(|| List::new(images, device), |at| Ok(kept.remove(at))) {
            Ok(list) => list,
            Err(_) => {
                kept.clear();
                return Ok(images.to_tensor(range, device));
            }
        };
        let rows = list.samples.f_narrow(0, range.start as i64, range.len() as i64)?;
        kept.push(list);
        if kept.len() > LISTS {
            kept.remove(0);
        }
        Ok(rows.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?)
    })
}

impl List {
    fn new(images: &Images, device: Device) -> Result<Self> {
        let samples = Tensor::f_from_slice(images.as_bytes())?
            .f_view(images.shape().batch(images.len()))?
            .f_to_device(device)?;
        Ok(Self { of: Arc::downgrade(images.shared()), device, samples })
    }

    fn is(&self, images: &Images, device: Device) -> bool {
        let same = std::ptr::addr_eq(self.of.as_ptr(), Arc::as_ptr(images.shared()));
        // A list read in another shape shares its bytes.
        same && self.device == device && self.samples.size() == images.shape().batch(images.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn a_kept_list_gives_the_images_to_the_bit_and_ends_with_them() {
        let lists: Vec<Images> = (0..10).map(|seed| testkit::images(5, seed)).collect();
        for _ in 0..2 {
            for images in &lists {
                let batch = batch(images, 1..4, Device::Cpu).unwrap();
                assert_eq!(batch, images.to_tensor(1..4, Device::Cpu));
            }
        }
        assert_eq!(KEPT.with_borrow(Vec::len), LISTS);
        drop(lists);
        let images = testkit::images(5, 77);
        assert_eq!(batch(&images, 0..5, Device::Cpu).unwrap(), images.tensor(Device::Cpu));
        assert_eq!(KEPT.with_borrow(Vec::len), 1);
    }
}
