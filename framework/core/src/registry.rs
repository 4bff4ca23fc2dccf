//! Every plugin compiled in, by the line that ends its file.
//!
//! `inventory` collects the entries at link time. A crate of plugins that nothing names is dropped by the linker,
//! so a program says `use bertillon_variants as _;` for each.

use std::{fmt, sync::OnceLock};

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use crate::{
    Error, FingerprintMethod, ImageSource, InputSelector, ModelCollection, Result, VariantGenerator,
};

/// A plugin that is made from parameters.
pub trait Configure: Sized {
    /// Its parameters, all with defaults; doc comments on the fields are what `describe` prints.
    type Parameters: DeserializeOwned + JsonSchema;

    /// Checks the parameters and makes the plugin.
    ///
    /// # Errors
    /// When a value is impossible.
    fn configure(parameters: Self::Parameters) -> Result<Self>;
}

/// Builds a plugin from its parameters as JSON text.
#[derive(Clone, Copy, Debug)]
pub enum Builder {
    /// A variant generator.
    Variant(fn(&str) -> Result<Box<dyn VariantGenerator>>),
    /// An input selector.
    Selector(fn(&str) -> Result<Box<dyn InputSelector>>),
    /// A fingerprinting method.
    Method(fn(&str) -> Result<Box<dyn FingerprintMethod>>),
    /// A source of images.
    Images(fn(&str) -> Result<Box<dyn ImageSource>>),
    /// A collection of models.
    Models(fn(&str) -> Result<Box<dyn ModelCollection>>),
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    /// A variant generator.
    Variant,
    /// An input selector.
    Selector,
    /// A fingerprinting method.
    Method,
    /// A source of images.
    Images,
    /// A collection of models.
    Models,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "variant generator",
            Self::Selector => "input selector",
            Self::Method => "fingerprinting method",
            Self::Images => "image source",
            Self::Models => "model collection",
        })
    }
}

/// Modules of a crate with the digest of their source and their documentation, as the build script found them.
pub type Sources = &'static [(&'static str, &'static str, &'static str)];

/// A registered plugin.
pub struct Entry {
    /// Unique name in kebab-case.
    pub name: &'static str,
    /// Path of its module.
    pub module: &'static str,
    /// Builds it.
    pub builder: Builder,
    sources: Sources,
    schema: fn() -> Schema,
}

inventory::collect!(Entry);

macro_rules! constructor {
    ($(#[$doc:meta])* $function:ident, $variant:ident, $trait:ident) => {
        $(#[$doc])*
        pub const fn $function<P>(name: &'static str, module: &'static str, sources: Sources) -> Self
        where
            P: Configure + $trait + 'static,
        {
            fn build<P: Configure + $trait + 'static>(parameters: &str) -> Result<Box<dyn $trait>> {
                Ok(Box::new(P::configure(parse(parameters)?)?))
            }
            Self { name, module, sources, builder: Builder::$variant(build::<P>), schema: schema::<P> }
        }
    };
}

impl Entry {
    constructor!(
        /// An entry for a variant generator; use [`register_variant!`](crate::register_variant).
        variant, Variant, VariantGenerator
    );
    constructor!(
        /// An entry for an input selector; use [`register_selector!`](crate::register_selector).
        selector, Selector, InputSelector
    );
    constructor!(
        /// An entry for a method; use [`register_method!`](crate::register_method).
        method, Method, FingerprintMethod
    );
    constructor!(
        /// An entry for a source of images; use [`register_images!`](crate::register_images).
        images, Images, ImageSource
    );
    constructor!(
        /// An entry for a collection of models; use [`register_models!`](crate::register_models).
        models, Models, ModelCollection
    );

    /// What it is.
    pub fn kind(&self) -> PluginKind {
        match self.builder {
            Builder::Variant(_) => PluginKind::Variant,
            Builder::Selector(_) => PluginKind::Selector,
            Builder::Method(_) => PluginKind::Method,
            Builder::Images(_) => PluginKind::Images,
            Builder::Models(_) => PluginKind::Models,
        }
    }

    /// JSON schema of its parameters.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Digest of its source, for cache keys: a plugin that was edited computes anew.
    pub fn source_digest(&self) -> &'static str {
        self.source().map_or(self.module, |(_, digest, _)| digest)
    }

    /// Documentation of its module, in Markdown.
    pub fn documentation(&self) -> &'static str {
        self.source().map_or("", |(_, _, documentation)| documentation)
    }

    fn source(&self) -> Option<&(&'static str, &'static str, &'static str)> {
        let file = self.module.rsplit("::").next().unwrap_or(self.module);
        self.sources.iter().find(|(module, _, _)| *module == file)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("kind", &self.kind())
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

fn schema<P: Configure>() -> Schema {
    schema_for!(P::Parameters)
}

fn parse<T: DeserializeOwned>(parameters: &str) -> Result<T> {
    serde_json::from_str(parameters).map_err(|error| {
        let text = error.to_string();
        // The position is one in the JSON text between host and plugin, which no user wrote.
        let end = text.rfind(" at line ").unwrap_or(text.len());
        Error::Refused(text[..end].to_owned())
    })
}

/// All plugins, sorted by kind and name.
///
/// # Errors
/// When two plugins of one kind share a name; both modules are named.
pub fn entries() -> Result<&'static [&'static Entry]> {
    static ENTRIES: OnceLock<Vec<&'static Entry>> = OnceLock::new();
    let entries = ENTRIES.get_or_init(|| {
        let mut all: Vec<&Entry> = inventory::iter::<Entry>.into_iter().collect();
        all.sort_by_key(|entry| (entry.kind(), entry.name, entry.module));
        all
    });
    for pair in entries.windows(2) {
        if (pair[0].kind(), pair[0].name) == (pair[1].kind(), pair[1].name) {
            return Err(Error::Refused(format!(
                "two plugins are registered as {} `{}`: {} and {}",
                pair[0].kind(),
                pair[0].name,
                pair[0].module,
                pair[1].module
            )));
        }
    }
    Ok(entries)
}

/// Plugins of one kind, sorted by name.
///
/// # Errors
/// As [`entries`].
pub fn of_kind(kind: PluginKind) -> Result<Vec<&'static Entry>> {
    Ok(entries()?.iter().copied().filter(|entry| entry.kind() == kind).collect())
}

/// The plugin of one kind with this name, where there is one.
///
/// # Errors
/// As [`entries`].
pub fn find(kind: PluginKind, name: &str) -> Result<Option<&'static Entry>> {
    let named = |entry: &&Entry| entry.kind() == kind && entry.name == name;
    Ok(entries()?.iter().copied().find(named))
}

/// Registers a variant generator: `register_variant!("prune", Prune);`.
#[macro_export]
macro_rules! register_variant {
    ($name:literal, $plugin:ty) => {
        $crate::register_entry!(variant, $name, $plugin);
    };
}

/// Registers an input selector: `register_selector!("random", Random);`.
#[macro_export]
macro_rules! register_selector {
    ($name:literal, $plugin:ty) => {
        $crate::register_entry!(selector, $name, $plugin);
    };
}

/// Registers a method: `register_method!("fbi", Fbi);`.
#[macro_export]
macro_rules! register_method {
    ($name:literal, $plugin:ty) => {
        $crate::register_entry!(method, $name, $plugin);
    };
}

/// Registers a source of images: `register_images!("fashion-mnist", FashionMnist);`.
#[macro_export]
macro_rules! register_images {
    ($name:literal, $plugin:ty) => {
        $crate::register_entry!(images, $name, $plugin);
    };
}

/// Registers a collection of models: `register_models!("zoo", Zoo);`.
#[macro_export]
macro_rules! register_models {
    ($name:literal, $plugin:ty) => {
        $crate::register_entry!(models, $name, $plugin);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! register_entry {
    ($constructor:ident, $name:literal, $plugin:ty) => {
        $crate::inventory::submit! {
            $crate::Entry::$constructor::<$plugin>(
                $name,
                module_path!(),
                include!(concat!(env!("OUT_DIR"), "/sources.rs")),
            )
        }
    };
}
