//! Sources of images and collections of models.

use std::path::Path;

use tch::Device;

use super::{Contained, catch, models::model};
use crate::{ImageRequest, ImageSource, Model, ModelCollection, Recorded, Result, Split, Vanilla};

struct Images(Contained<dyn ImageSource>);

/// Builds and wraps a source of images.
pub(crate) fn images(
    make: impl FnOnce() -> Result<Box<dyn ImageSource>>,
) -> Result<Box<dyn ImageSource>> {
    catch(|| Ok(Box::new(Images(Contained::new(make()?))) as Box<_>))
}

impl ImageSource for Images {
    fn load(&self, request: &ImageRequest<'_>) -> Result<Split> {
        catch(|| self.0.load(request))
    }
}

struct Models {
    plugin: Contained<dyn ModelCollection>,
    /// Asked once, when the collection is built.
    vanillas: Vec<Vanilla>,
    ingredients: Vec<String>,
}

/// Builds and wraps a collection of models.
pub(crate) fn models(
    make: impl FnOnce() -> Result<Box<dyn ModelCollection>>,
) -> Result<Box<dyn ModelCollection>> {
    catch(|| {
        let plugin = Contained::new(make()?);
        let (vanillas, ingredients) = (plugin.vanillas().to_vec(), plugin.ingredients());
        Ok(Box::new(Models { plugin, vanillas, ingredients }) as Box<_>)
    })
}

impl ModelCollection for Models {
    fn vanillas(&self) -> &[Vanilla] {
        &self.vanillas
    }

    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>> {
        model(catch(|| self.plugin.load(index, device))?)
    }

    fn mistaken(&self, index: usize, device: Device) -> Result<Vec<(String, Box<dyn Model>)>> {
        let made = catch(|| self.plugin.mistaken(index, device))?;
        made.into_iter().map(|(name, made)| Ok((name, model(made)?))).collect()
    }

    fn normalisation(&self, index: usize) -> Option<[Vec<f64>; 2]> {
        catch(|| Ok(self.plugin.normalisation(index))).unwrap_or_default()
    }

    fn ingredients(&self) -> Vec<String> {
        self.ingredients.clone()
    }

    fn recorded(&self, scratch: &Path) -> Result<Option<Vec<Recorded>>> {
        catch(|| self.plugin.recorded(scratch))
    }
}
