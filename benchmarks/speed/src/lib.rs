//! What the benchmarks measure with: vanillas of the zoo and images of Fashion-MNIST, through the registry, as a run
//! gets them.

use std::sync::Arc;

use bertillon::{
    Access, FingerprintMethod, ImageRequest, InputSelector, Memory, Model, ModelCollection, Owner,
    Result, Split, VariantGenerator, answer,
    registry::{self, Builder, PluginKind},
};
use bertillon_command as _;
use bertillon_datasets as _;
use bertillon_methods as _;
use bertillon_selectors as _;
use bertillon_variants as _;
use tch::Device;

macro_rules! build {
    ($(#[$doc:meta])* $function:ident, $kind:ident, $trait:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// When there is no such plugin, or it refuses its parameters.
        pub fn $function(name: &str, parameters: &str) -> Result<Box<dyn $trait>> {
            let entry = registry::find(PluginKind::$kind, name)?;
            match entry.map(|entry| entry.builder) {
                Some(Builder::$kind(build)) => build(parameters),
                _ => Err(bertillon::Error::Refused(format!("no plugin `{name}`"))),
            }
        }
    };
}

build!(
    /// A variant generator, its parameters as JSON.
    variant, Variant, VariantGenerator
);
build!(
    /// An input selector, its parameters as JSON.
    selector, Selector, InputSelector
);
build!(
    /// A method, its parameters as JSON.
    method, Method, FingerprintMethod
);
build!(
    /// A collection of models, its parameters as JSON.
    models, Models, ModelCollection
);

/// The images of Fashion-MNIST with a pool of `pool`.
///
/// # Errors
/// When the pool is too large.
pub fn images(pool: usize) -> Result<Split> {
    let entry = registry::find(PluginKind::Images, "fashion-mnist")?;
    match entry.map(|entry| entry.builder) {
        Some(Builder::Images(build)) => build("{}")?.load(&ImageRequest::of(Some(pool))),
        _ => Err(bertillon::Error::Refused("no Fashion-MNIST".to_owned())),
    }
}

/// A vanilla of the zoo.
///
/// # Errors
/// When there is none of this name.
pub fn vanilla(name: &str) -> Result<Box<dyn Model>> {
    let zoo = models("zoo", "{}")?;
    zoo.load(zoo.position(name)?, Device::Cpu)
}

/// The owner of a vanilla, with the pool of `split`.
///
/// # Errors
/// When the vanilla can't answer.
pub fn owner(name: &str, split: &Split) -> Result<Owner> {
    let model = vanilla(name)?;
    let answers = answer(model.as_ref(), split.pool.images()?, Access::Top1, Device::Cpu)?;
    Ok(Owner {
        name: name.to_owned(),
        model: Some(model),
        answers,
        pool: Arc::new(split.pool.clone()),
        peers: Vec::new(),
        rehearsals: Vec::new(),
        device: Device::Cpu,
        memory: Memory::default(),
    })
}
