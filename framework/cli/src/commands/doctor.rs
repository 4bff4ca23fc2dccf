//! `bertillon doctor`.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

use bertillon::{
    Entry, Error, ModelCollection,
    registry::{self, Builder, PluginKind},
};
use clap::Args;
use tch::Cuda;

use crate::{
    failure::{Failure, Outcome, chain},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of results
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Folder of the cache
    #[arg(long, value_name = "DIR", default_value = ".bertillon/cache")]
    cache: PathBuf,
}

/// What was looked at, and whether it will do; if not, what to do.
struct Finding {
    what: String,
    said: Result<String, String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut findings = vec![libtorch(), cuda(), threads()];
    let collections = registry::of_kind(PluginKind::Models);
    let collections = collections.map_err(|error| Failure::Fault(error.to_string()))?;
    findings.extend(collections.into_iter().filter_map(models));
    findings.push(writable("results", &arguments.out));
    findings.push(writable("cache", &arguments.cache));
    let longest = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut outcome = Outcome::Done;
    let mut text = String::new();
    for Finding { what, said } in findings {
        let (mark, said) = match said {
            Ok(said) => ("ok ", said),
            Err(said) => {
                outcome = Outcome::NotReady;
                ("NO ", said)
            }
        };
        text.push_str(&format!("{mark} {what:longest$}  {said}\n"));
    }
    output::print(&text)?;
    Ok(outcome)
}

fn libtorch() -> Finding {
    let library = loaded("libtorch_cpu");
    let said = match &library {
        Some(path) => Ok(format!("{}, from {}", version(path), path.display())),
        None => Ok("loaded; where from can't be told on this system".to_owned()),
    };
    Finding { what: "libtorch".to_owned(), said }
}

/// The shared library of this process whose file name begins so.
fn loaded(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])));
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name))
    };
    paths.into_iter().find(begins)
}

/// What the files beside libtorch's libraries say of its version.
fn version(library: &Path) -> String {
    let root = library.parent().and_then(Path::parent);
    let read = |file: &str| fs::read_to_string(root?.join(file)).ok();
    // `build-version` comes with the zip of pytorch.org, `version.py` with the Python package.
    let plain = read("build-version").map(|text| text.trim().to_owned());
    let version = plain.or_else(|| {
        let text = read("version.py")?;
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        line.split('\'').nth(1).map(str::to_owned)
    });
    version.unwrap_or_else(|| "version unknown".to_owned())
}

fn cuda() -> Finding {
    let said = match (Cuda::is_available(), tch::utils::has_cuda()) {
        (true, _) => format!("{} devices: --device auto uses the first", Cuda::device_count()),
        (false, true) => {
            "libtorch has it, but finds no device; runs use the processor (is a driver installed?)".to_owned()
        }
        (false, false) => {
            "none; runs use the processor (for CUDA, build with LIBTORCH set to a libtorch that has it)".to_owned()
        }
    };
    Finding { what: "CUDA".to_owned(), said: Ok(said) }
}

fn threads() -> Finding {
    let said = match thread::available_parallelism().map(NonZeroUsize::get) {
        Ok(n) => Ok(format!("{n} models answer at a time; --threads changes it")),
        Err(error) => Ok(format!("unknown ({error}): one model answers at a time; set --threads")),
    };
    Finding { what: "threads".to_owned(), said }
}

/// Loads every network of a collection that needs no parameters.
fn models(entry: &Entry) -> Option<Finding> {
    let Builder::Models(build) = entry.builder else { return None };
    // A collection that wants a path has nothing to check yet.
    let collection = build("{}").ok()?;
    let said = match load_all(&*collection) {
        Ok(0) => return None,
        Ok(n) => Ok(format!("{n} models load")),
        Err(error) => Err(chain(&error)),
    };
    Some(Finding { what: entry.name.to_owned(), said })
}

fn load_all(collection: &dyn ModelCollection) -> Result<usize, Error> {
    let n = collection.vanillas().len();
    for index in 0..n {
        collection.load(index, tch::Device::Cpu)?;
    }
    Ok(n)
}

/// Whether files can be made in a folder, or in the one that it would be made in.
fn writable(what: &str, folder: &Path) -> Finding {
    let there = folder.ancestors().find(|path| path.exists());
    let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = there.join(format!(".bertillon-doctor-{}", std::process::id()));
    let said = match fs::write(&trial, b"ok").and_then(|()| fs::remove_file(&trial)) {
        Ok(()) => Ok(format!("{} is writable", folder.display())),
        Err(error) => Err(format!(
            "can't write to {}: {error}; free or allow it, or use another folder (--out, --cache)",
            there.display()
        )),
    };
    Finding { what: what.to_owned(), said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_either_file() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("lib/libtorch_cpu.so");
        assert_eq!(version(&library), "version unknown");
        fs::write(folder.path().join("version.py"), "x = 1\n__version__ = '2.11.0'\n").unwrap();
        assert_eq!(version(&library), "2.11.0");
        fs::write(folder.path().join("build-version"), "2.11.1+cpu\n").unwrap();
        assert_eq!(version(&library), "2.11.1+cpu");
    }

    #[test]
    fn a_folder_to_be_made_is_judged_by_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(writable("cache", &folder.path().join("a/b")).said.is_ok());
        assert!(!folder.path().join("a").exists());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(writable("cache", &file.join("a")).said.is_err());
    }
}
