//! Every plugin there is: compiled in, by the line that ends its file, or loaded from a shared library.
//!
//! `inventory` collects the entries at link time. A crate of plugins that nothing names is dropped by the linker,
//! so a program says `use bertillon_variants as _;` for each. A library has an `inventory` of its own, which it hands over
//! when it is loaded; see [`add`].

mod commands;
mod entry;

use std::sync::{PoisonError, RwLock};

pub use commands::{allow_commands, commands_are_allowed};
pub use entry::{Builder, Configure, Entry, Library, Origin, PluginKind, Sources};

use crate::{Error, Result};

inventory::collect!(Entry);

/// All plugins, sorted by kind, name and module; none before they are first asked for.
static ALL: RwLock<Option<&'static [&'static Entry]>> = RwLock::new(None);

/// All plugins, sorted by kind and name.
///
/// # Errors
/// When two plugins of one kind share a name; both modules are named.
pub fn entries() -> Result<&'static [&'static Entry]> {
    let known = *ALL.read().unwrap_or_else(PoisonError::into_inner);
    let entries = match known {
        Some(entries) => entries,
        None => {
            let mut all = ALL.write().unwrap_or_else(PoisonError::into_inner);
            *all.get_or_insert_with(|| sorted(compiled_in()))
        }
    };
    distinct(entries)?;
    Ok(entries)
}

/// The plugins that the linker saw: those of the program, or, within a library, those of the library.
pub(crate) fn compiled_in() -> Vec<&'static Entry> {
    inventory::iter::<Entry>.into_iter().collect()
}

/// Adds the plugins of a library, all or none.
///
/// # Errors
/// When there is none among them, a name is not in kebab-case, or there is a plugin of this kind and name already; both
/// places are named.
pub fn add(library: Library, plugins: &[&'static Entry]) -> Result<()> {
    let before = entries()?;
    let mut all = ALL.write().unwrap_or_else(PoisonError::into_inner);
    if plugins.is_empty() {
        return Err(Error::Refused("it registers no plugin".to_owned()));
    }
    if let Some(entry) = plugins.iter().find(|entry| !is_kebab_case(entry.name)) {
        let name = entry.name.escape_debug();
        return Err(Error::Refused(format!("its plugin `{name}` must be named in kebab-case")));
    }
    let library: &'static Library = Box::leak(Box::new(library));
    let loaded = plugins
        .iter()
        .map(|entry| -> &'static Entry { Box::leak(Box::new(entry.loaded(library))) });
    let entries = sorted(all.unwrap_or(before).iter().copied().chain(loaded).collect());
    distinct(entries)?;
    *all = Some(entries);
    Ok(())
}

/// Lower-case letters, digits and single hyphens, a letter first: how plugins are named.
pub fn is_kebab_case(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(part)
}

/// Every library loaded, in the order of their files.
///
/// # Errors
/// As [`entries`].
pub fn libraries() -> Result<Vec<&'static Library>> {
    let mut found = Vec::new();
    for entry in entries()? {
        if let Origin::Library(library) = entry.origin()
            && !found.contains(&library)
        {
            found.push(library);
        }
    }
    found.sort_by_key(|library| &library.path);
    Ok(found)
}

fn sorted(mut all: Vec<&'static Entry>) -> &'static [&'static Entry] {
    all.sort_by_key(|entry| (entry.kind(), entry.name, entry.module));
    Box::leak(all.into_boxed_slice())
}

fn distinct(entries: &[&Entry]) -> Result<()> {
    let same = |pair: &&[&Entry]| (pair[0].kind(), pair[0].name) == (pair[1].kind(), pair[1].name);
    match entries.windows(2).find(same) {
        Some([one, other]) => Err(Error::Refused(format!(
            "two plugins are registered as {} `{}`: {} ({}) and {} ({})",
            one.kind(),
            one.name,
            one.module,
            one.origin(),
            other.module,
            other.origin()
        ))),
        _ => Ok(()),
    }
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
