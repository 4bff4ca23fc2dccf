//! Loading shared libraries of plugins.
//!
//! A native plugin runs with all rights of the program, from the moment that its file is opened. What can be checked
//! before is checked before; a Rust type crosses only after both sides have told how they were built.

mod elf;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bertillon::{
    Entry,
    library::{self, Built, Handshake, Registered},
    registry::{self, Library},
    suite::{Diagnostic, Suite, SuiteError},
};
use libloading::os::unix::{Library as Opened, RTLD_LOCAL, RTLD_NOW};

use crate::RunError;

/// Whether a suite may name libraries: whoever wrote it would run code here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuiteLibraries {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// Loads a library of plugins, once however often it is asked for; it stays until the program ends.
///
/// # Errors
/// When the file is no library for this machine, can't be opened, was built otherwise than this program, or has a
/// plugin by the name of another.
pub fn load_library(path: &Path) -> Result<(), RunError> {
    static LOADED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let refused = |problem: String| RunError::File { path: path.to_owned(), problem };
    let file = path.canonicalize().map_err(|error| refused(error.to_string()))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if loaded.contains(&file) {
        return Ok(());
    }
    load(&file).map_err(refused)?;
    loaded.push(file);
    Ok(())
}

/// Loads the libraries that a suite names.
///
/// # Errors
/// With every library that is refused, at its place in the suite.
pub fn load_libraries_of(suite: &Suite, libraries: SuiteLibraries) -> Result<(), SuiteError> {
    let mut diagnostics = Vec::new();
    for given in &suite.plugins {
        let path = suite.resolve(given);
        let mut refuse = |message: String, label: &str, help: Option<&str>| {
            diagnostics.push(Diagnostic {
                message,
                at: given.at.clone(),
                label: label.to_owned(),
                help: help.map(str::to_owned),
            });
        };
        match libraries {
            SuiteLibraries::Refused => refuse(
                "a suite that runs code of its own".to_owned(),
                "a library is loaded only if you say so",
                Some("add --allow-plugins if you trust it: it runs with all your rights"),
            ),
            SuiteLibraries::Allowed => {
                if let Err(error) = load_library(&path) {
                    refuse(error.to_string(), "can't be loaded", None);
                }
            }
        }
    }
    match diagnostics.is_empty() {
        true => Ok(()),
        false => Err(SuiteError {
            path: suite.path.clone(),
            text: suite.text.clone(),
            diagnostics,
            partial: None,
        }),
    }
}

fn load(file: &Path) -> Result<(), String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    if cfg!(target_os = "linux") {
        elf::check(&bytes)?;
    }
    let digest = blake3::hash(&bytes).to_hex().to_string();
    drop(bytes);
    let (built_from, plugins) = open(file)?;
    let library = Library { path: file.to_owned(), digest, built_from };
    registry::add(library, plugins).map_err(|error| error.to_string())
}

/// Opens a library and takes its plugins over, after it has told how it was built.
#[expect(unsafe_code, reason = "this is where code from outside comes in")]
fn open(file: &Path) -> Result<(String, &'static [&'static Entry]), String> {
    // SAFETY: its initialisers run: the user said that she trusts it.
    let opened = unsafe { Opened::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    let opened = opened.map_err(|error| not_opened(&error.to_string()))?;
    // SAFETY: a function by this name is ours; its type is the same in every revision.
    let greet = unsafe { opened.get::<extern "C" fn() -> *const Handshake>(library::SYMBOL) };
    let handshake = match greet {
        Ok(greet) => greet(),
        Err(_) => {
            return Err("it is no library of bertillon plugins: it does not export `bertillon_plugins` (a plugin crate \
                        ends with `bertillon::export_plugins!();` and is built with its feature `library`)"
                .to_owned());
        }
    };
    // From here on pointers into it are about: it is never unloaded.
    let _ = opened.into_raw();
    // SAFETY: it came from that function, and the library stays.
    let (handshake, built) = unsafe { Handshake::read(handshake) }?;
    let differences = library::differences(&Built::here(), &built);
    if !differences.is_empty() {
        return Err(format!(
            "`{}` was built otherwise than this program: {}; build it again, with rustc {} and against the bertillon \
             that you run",
            built.built_from,
            differences.join("; "),
            Built::here().compiler()
        ));
    }
    let Registered { first, count } = (handshake.entries)();
    let plugins = match count {
        0 => &[],
        // SAFETY: compiler and source of both sides are equal, so it is a slice of our entries that lives as long as the
        // library.
        _ => unsafe { std::slice::from_raw_parts(first, count) },
    };
    Ok((built.built_from, plugins))
}

/// What the dynamic linker said, with what to do.
fn not_opened(said: &str) -> String {
    let said = said.trim();
    let hint = if said.contains("undefined symbol") {
        "it was linked against another libtorch (or another library) than this program has loaded; build it against \
         the one that `bertillon doctor` names"
    } else if said.contains("cannot open shared object file") {
        "a library that it needs is not found; build it against the libtorch that `bertillon doctor` names, or set \
         LD_LIBRARY_PATH"
    } else {
        "the dynamic linker refuses it"
    };
    format!("{said}: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        load_library(path).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_is_no_library_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.so");
        assert!(refusal(&path).contains("No such file"));
        fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(refusal(&path).contains("no shared library"), "{}", refusal(&path));
        assert!(refusal(folder.path()).contains("directory"), "{}", refusal(folder.path()));
    }

    #[test]
    fn a_library_without_our_symbol_is_told_apart() {
        // Any shared library that this program has loaded will do.
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let libc = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
        let Some(libc) = libc.into_iter().find(|path| path.contains("libc.so")) else {
            println!("skipped: no libc.so is mapped");
            return;
        };
        let said = refusal(Path::new(libc));
        assert!(said.contains("does not export `bertillon_plugins`"), "{said}");
    }

    #[test]
    fn what_the_linker_says_comes_with_what_to_do() {
        let said = not_opened("x.so: undefined symbol: _ZN2at4_ops");
        assert!(said.starts_with(
            "x.so: undefined symbol: _ZN2at4_ops: it was linked against another libtorch"
        ));
        let said = not_opened("libtorch_cpu.so: cannot open shared object file: No such file");
        assert!(said.contains("LD_LIBRARY_PATH"));
    }
}
