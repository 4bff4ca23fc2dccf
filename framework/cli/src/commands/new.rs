//! `bertillon new`.

mod files;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use bertillon::{library::Built, registry::is_kebab_case};
use clap::{Args, ValueEnum};

use crate::{
    failure::{Failure, Outcome},
    output,
};
use files::{Crate, Framework};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the plugin is
    kind: Kind,
    /// Name of the plugin and of its crate, in kebab-case
    name: String,
    /// Folder of the crate, or of the script [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Writes a script in Python instead of a crate
    #[arg(long, conflicts_with = "bertillon")]
    python: bool,
    /// Checkout of bertillon to build against [default: the one that this program was built from]
    #[arg(long, value_name = "DIR")]
    bertillon: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// What a thief does to a stolen model
    Variant,
    /// Which images an owner asks
    Selector,
    /// How an owner enrols her model and judges a suspect
    Method,
}

/// Names that a crate can't have: it would be one of those it depends on, or a word of Rust or Cargo.
const TAKEN: [&str; 12] = [
    "bertillon",
    "bertillon-build",
    "bertillon-measure",
    "core",
    "schemars",
    "serde",
    "std",
    "tch",
    "test",
    "type",
    "self",
    "match",
];

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let name = &arguments.name;
    if !is_kebab_case(name) || TAKEN.contains(&name.as_str()) {
        return Err(Failure::User(format!(
            "`{}` can't name a plugin and its crate: lower-case letters, digits and hyphens, such as `my-attack`",
            name.escape_debug()
        )));
    }
    let folder = arguments.path.clone().unwrap_or_else(|| PathBuf::from(name));
    let unusable = |error: std::io::Error| {
        Failure::User(format!("can't write to {}: {error}", folder.display()))
    };
    if folder.exists() && fs::read_dir(&folder).map_err(unusable)?.next().is_some() {
        return Err(Failure::User(format!(
            "{} is not empty; give --path a folder that is, or that does not exist",
            folder.display()
        )));
    }
    let checkout = checkout(arguments.bertillon.as_deref())?;
    fs::create_dir_all(&folder).map_err(unusable)?;
    let framework = match &checkout {
        Some(checkout) => within(checkout, &folder.canonicalize().map_err(unusable)?),
        None => Framework::Repository,
    };
    let toolchain = Built::here().compiler().to_owned();
    let written =
        Crate { kind: arguments.kind, name, framework: &framework, toolchain: &toolchain };
    let files = if arguments.python { written.script() } else { written.files() };
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&folder)).map_err(unusable)?;
        fs::write(&path, text).map_err(unusable)?;
    }
    if arguments.python {
        output::print(&format!(
            "{}: a new plugin in Python; in it:\n  bertillon run suite.toml --allow-commands\n",
            folder.display()
        ))?;
        return Ok(Outcome::Done);
    }
    // With the same versions of everything, what is compiled already is not compiled again.
    if let Some(lock) = checkout.map(|checkout| checkout.join("Cargo.lock")).filter(|l| l.is_file())
    {
        fs::copy(lock, folder.join("Cargo.lock")).map_err(unusable)?;
    }
    output::print(&format!(
        "{} is the crate of a new plugin; in it:\n  cargo test           # its tests\n  make                 # lib{}.so\n  \
         make run             # suite.toml with it\n",
        folder.display(),
        written.module()
    ))?;
    Ok(Outcome::Done)
}

/// The checkout to build against: as said, or the one that this program was built from while it is there.
fn checkout(given: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let is_checkout = |path: &Path| path.join("framework/core/Cargo.toml").is_file();
    if let Some(given) = given {
        return match given.canonicalize().ok().filter(|path| is_checkout(path)) {
            Some(path) => Ok(Some(path)),
            None => Err(Failure::User(format!(
                "{} is no checkout of bertillon: it has no framework/core",
                given.display()
            ))),
        };
    }
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok();
    Ok(built_from.filter(|path| is_checkout(path)))
}

/// The checkout as a crate in `folder` names it: relative when it lies within.
fn within(checkout: &Path, folder: &Path) -> Framework {
    match folder.strip_prefix(checkout) {
        Ok(inner) => {
            let up: PathBuf = inner.components().map(|_| "..").collect();
            Framework::Within(up.display().to_string())
        }
        Err(_) => Framework::Beside(checkout.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_within_the_checkout_names_it_relatively() {
        let within = |folder: &str| within(Path::new("/b"), Path::new(folder));
        assert_eq!(within("/b/plugins/template"), Framework::Within("../..".to_owned()));
        assert_eq!(within("/elsewhere"), Framework::Beside("/b".to_owned()));
    }
}
