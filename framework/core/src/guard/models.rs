//! Models of plugins.

use std::cell::RefCell;

use tch::Tensor;

use super::{Contained, catch};
use crate::{Error, ImageShape, Mode, Model, Parameter, Result};

/// A model whose panics are caught.
///
/// What can't fail is asked once, when the model is handed over. Should it panic later all the same, the model is
/// [broken](Self::broken): whoever asks it next is told.
struct Guarded {
    model: Contained<dyn Model>,
    input: ImageShape,
    classes: usize,
    broken: RefCell<Option<[String; 2]>>,
}

/// Wraps a model that a plugin made.
pub(super) fn model(made: Box<dyn Model>) -> Result<Box<dyn Model>> {
    let model = Contained::new(made);
    catch(|| {
        let (input, classes) = (model.input(), model.classes());
        drop(model.parameters());
        Ok(Box::new(Guarded { model, input, classes, broken: RefCell::default() }) as Box<_>)
    })
}

impl Guarded {
    /// Refuses to go on with a model that panicked where it could not say so.
    fn sound(&self) -> Result<()> {
        match &*self.broken.borrow() {
            None => Ok(()),
            Some([message, place]) => {
                Err(Error::Panicked { message: message.clone(), place: place.clone() })
            }
        }
    }
}

impl Model for Guarded {
    fn input(&self) -> ImageShape {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.sound()?;
        catch(|| self.model.logits(images, mode))
    }

    fn parameters(&self) -> Vec<Parameter> {
        catch(|| Ok(self.model.parameters())).unwrap_or_else(|error| {
            if let Error::Panicked { message, place } = error {
                *self.broken.borrow_mut() = Some([message, place]);
            }
            Vec::new()
        })
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        self.sound()?;
        model(catch(|| self.model.fork())?)
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        self.sound()?;
        catch(|| self.model.to_half())?.map(model).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tch::Device;

    use super::*;
    use crate::testkit::{self, ToyModel};

    /// A model that panics in every method once it was asked `left` times.
    struct Failing {
        left: Cell<usize>,
    }

    impl Failing {
        fn guarded(left: usize) -> Result<Box<dyn Model>> {
            model(Box::new(Self { left: Cell::new(left) }))
        }

        fn count(&self) {
            assert!(self.left.get() > 0, "it has failed");
            self.left.set(self.left.get() - 1);
        }
    }

    impl Model for Failing {
        fn input(&self) -> ImageShape {
            self.count();
            testkit::SHAPE
        }

        fn classes(&self) -> usize {
            self.count();
            testkit::CLASSES
        }

        fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
            self.count();
            ToyModel::new(0).logits(images, mode)
        }

        fn parameters(&self) -> Vec<Parameter> {
            self.count();
            ToyModel::new(0).parameters()
        }

        fn fork(&self) -> Result<Box<dyn Model>> {
            self.count();
            Ok(Box::new(Self { left: Cell::new(3) }))
        }

        fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
            self.count();
            Ok(None)
        }
    }

    #[test]
    fn a_model_that_panics_when_asked_for_its_shape_is_refused_at_once() {
        for left in 0..3 {
            let error = Failing::guarded(left).err().expect("three questions are asked");
            assert!(error.to_string().starts_with("panicked: it has failed"), "{error}");
        }
        assert!(Failing::guarded(3).is_ok());
    }

    #[test]
    fn every_fallible_call_returns_the_panic_as_an_error() {
        let model = Failing::guarded(3).unwrap();
        let images = testkit::images(2, 0).tensor(Device::Cpu);
        assert!(model.logits(&images, Mode::Evaluation).is_err());
        assert!(model.fork().is_err());
        assert!(model.to_half().is_err());
        assert_eq!((model.input(), model.classes()), (testkit::SHAPE, testkit::CLASSES));
        let fork = Failing::guarded(4).unwrap().fork().unwrap();
        assert!(fork.logits(&images, Mode::Evaluation).is_err(), "a fork is guarded too");
    }

    #[test]
    fn a_model_that_lost_its_weights_answers_no_more() {
        let model = Failing::guarded(3).unwrap();
        assert!(model.parameters().is_empty());
        let images = testkit::images(2, 0).tensor(Device::Cpu);
        let error = model.logits(&images, Mode::Evaluation).unwrap_err();
        assert!(error.to_string().starts_with("panicked: it has failed"), "{error}");
        assert!(model.fork().is_err() && model.to_half().is_err());
    }
}
