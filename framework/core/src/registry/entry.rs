//! A registered plugin.

use std::{fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use super::commands;
use crate::{
    Error, FingerprintMethod, ImageSource, InputSelector, ModelCollection, Result,
    VariantGenerator, guard,
};

/// A plugin that is made from parameters.
pub trait Configure: Sized {
    /// Its parameters, all with defaults; doc comments on the fields are what `describe` prints.
    type Parameters: DeserializeOwned + JsonSchema;

    /// Whether it starts other programs: it is built only once the user has allowed that, by
    /// [`allow_commands`](crate::registry::allow_commands).
    const STARTS_PROGRAMS: bool = false;

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
    /// Whether it starts other programs, and so is refused until they are allowed.
    pub starts_programs: bool,
    sources: Sources,
    /// As text: types of schemars may differ between a program and a library.
    schema: fn() -> String,
    origin: Origin,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The program itself.
    CompiledIn,
    /// A shared library.
    Library(&'static Library),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CompiledIn => f.write_str("compiled in"),
            Self::Library(library) => write!(f, "library {}", library.path.display()),
        }
    }
}

/// A shared library of plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its file.
    pub path: PathBuf,
    /// Digest of the file: plugins of a library that was built anew compute anew.
    pub digest: String,
    /// Its crate, with version: `my-attack 0.1.0`.
    pub built_from: String,
}

macro_rules! constructor {
    ($(#[$doc:meta])* $function:ident, $variant:ident, $trait:ident) => {
        $(#[$doc])*
        pub const fn $function<P>(name: &'static str, module: &'static str, sources: Sources) -> Self
        where
            P: Configure + $trait + 'static,
        {
            fn build<P: Configure + $trait + 'static>(parameters: &str) -> Result<Box<dyn $trait>> {
                if P::STARTS_PROGRAMS {
                    commands::require()?;
                }
                guard::$function(|| Ok(Box::new(P::configure(parse(parameters)?)?)))
            }
            Self {
                name,
                module,
                sources,
                builder: Builder::$variant(build::<P>),
                starts_programs: P::STARTS_PROGRAMS,
                schema: schema::<P>,
                origin: Origin::CompiledIn,
            }
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

    /// JSON schema of its parameters; one that allows everything when the plugin can't tell.
    pub fn schema(&self) -> Schema {
        serde_json::from_str(&(self.schema)()).unwrap_or_default()
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Digest of its source: a plugin that was edited computes anew.
    pub fn source_digest(&self) -> &'static str {
        self.source().map_or(self.module, |(_, digest, _)| digest)
    }

    /// What its code is, for cache keys: the digest of its source, and of its library where it comes from one.
    pub fn recipe(&self) -> String {
        match self.origin {
            Origin::CompiledIn => self.source_digest().to_owned(),
            Origin::Library(library) => {
                format!("{} in library {}", self.source_digest(), library.digest)
            }
        }
    }

    /// The same plugin, from a library.
    pub(super) fn loaded(&self, library: &'static Library) -> Self {
        Self { origin: Origin::Library(library), ..*self }
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

fn schema<P: Configure>() -> String {
    guard::catch(|| Ok(schema_for!(P::Parameters).as_value().to_string()))
        .unwrap_or_else(|_| "true".to_owned())
}

fn parse<T: DeserializeOwned>(parameters: &str) -> Result<T> {
    serde_json::from_str(parameters).map_err(|error| {
        let text = error.to_string();
        // The position is one in the JSON text between host and plugin, which no user wrote.
        let end = text.rfind(" at line ").unwrap_or(text.len());
        Error::Refused(text[..end].to_owned())
    })
}
