//! Models that change every image before their network sees it.

use std::sync::Arc;

use bertillon::{
    Changes, Derived, Group, ImageShape, Images, Mode, Model, Parameter, Result, Variation,
};
use tch::Tensor;

/// Changes one 8-bit image `[C, H, W]` in place.
pub(crate) type Transform = Arc<dyn Fn(&mut [u8], ImageShape) -> Result<()> + Send + Sync>;

/// A network behind a transform of 8-bit images.
///
/// Images are rounded to 8 bits (`round(255 x)`, half to even, clipped), transformed, and given to the network as
/// `u8 / 255`. No gradient flows to them.
pub(crate) struct InputTransform {
    inner: Box<dyn Model>,
    transform: Transform,
}

impl InputTransform {
    /// The variant that puts `transform` before `inner`.
    pub(crate) fn derive(inner: Box<dyn Model>, transform: Transform, summary: String) -> Derived {
        let changes = Changes { summary, ..Changes::default() };
        Derived { model: Box::new(Self { inner, transform }), changes }
    }
}

/// A variation of the input group.
pub(crate) fn variation(kind: &str, parameter: Option<String>) -> Variation {
    Variation { kind: kind.to_owned(), detail: None, parameter, group: Group::Input }
}

impl Model for InputTransform {
    fn input(&self) -> ImageShape {
        self.inner.input()
    }

    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let images8 = Images::from_tensor(&images.detach())?;
        let shape = images8.shape();
        let mut bytes = images8.as_bytes().to_vec();
        for image in bytes.chunks_exact_mut(shape.samples()) {
            (self.transform)(image, shape)?;
        }
        self.inner.logits(&Images::new(bytes, shape)?.tensor(images.device()), mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self { inner: self.inner.fork()?, transform: Arc::clone(&self.transform) }))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        let wrap = |inner| -> Box<dyn Model> {
            Box::new(Self { inner, transform: Arc::clone(&self.transform) })
        };
        Ok(self.inner.to_half()?.map(wrap))
    }
}

#[cfg(test)]
mod tests {
    use bertillon::testkit::{self, ToyModel};
    use tch::Device;

    use super::*;

    fn inverted(inner: ToyModel) -> Box<dyn Model> {
        let invert: Transform = Arc::new(|image, _| {
            image.iter_mut().for_each(|v| *v = 255 - *v);
            Ok(())
        });
        InputTransform::derive(Box::new(inner), invert, String::new()).model
    }

    #[test]
    fn the_network_sees_transformed_8_bit_images() {
        let images = testkit::images(5, 1).tensor(Device::Cpu);
        let seen = (&images * 255.0).round().neg() / 255.0 + 1.0;
        let expected = ToyModel::new(0).logits(&seen, Mode::Evaluation).unwrap();
        let slightly_off = &images + 0.001;
        let actual = inverted(ToyModel::new(0)).logits(&slightly_off, Mode::Evaluation).unwrap();
        assert!((actual - expected).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_fork_transforms_too_and_so_does_the_half_form() {
        let images = testkit::images(5, 1).tensor(Device::Cpu);
        let model = inverted(ToyModel::new(0));
        let expected = model.logits(&images, Mode::Evaluation).unwrap();
        let fork = model.fork().unwrap().logits(&images, Mode::Evaluation).unwrap();
        assert_eq!(expected, fork);
        let half = model.to_half().unwrap().unwrap().logits(&images, Mode::Evaluation).unwrap();
        let difference = (expected - half).abs().max().double_value(&[]);
        assert!(difference > 0.0 && difference < 0.1, "{difference}");
    }
}
