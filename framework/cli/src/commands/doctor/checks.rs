//! What a run needs besides libtorch.

use std::{
    env, fs,
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use bertillon::{
    Entry, Error, ImageRequest, ModelCollection, guard,
    library::Built,
    registry::{self, Builder, PluginKind},
};

use super::{super::libraries, Finding};
use crate::{
    failure::{Failure, chain},
    output,
};

/// Free bytes below which a run may well not end, and below which a large one may not.
const TOO_LITTLE: u64 = 100 << 20;
const LITTLE: u64 = 1 << 30;

pub(super) fn threads() -> Finding {
    match thread::available_parallelism().map(NonZeroUsize::get) {
        Ok(n) => Finding::ok("threads", format!("{n} models answer at a time")),
        Err(error) => {
            let found = format!("unknown ({error}): one model answers at a time");
            Finding::note("threads", found, "give --threads to `bertillon run`")
        }
    }
}

/// Loads all that comes with bertillon: images and models that need no parameters, held against what is known of them.
pub(super) fn data_and_models() -> Result<Vec<Finding>, Failure> {
    let of_kind = |kind| registry::of_kind(kind).map_err(|e| Failure::Fault(e.to_string()));
    let mut findings: Vec<Finding> =
        of_kind(PluginKind::Images)?.into_iter().filter_map(images).collect();
    findings.extend(of_kind(PluginKind::Models)?.into_iter().filter_map(models));
    Ok(findings)
}

fn images(entry: &Entry) -> Option<Finding> {
    let Builder::Images(build) = entry.builder else { return None };
    // A source that wants a path has nothing to check yet.
    let source = build("{}").ok()?;
    Some(match guard::catch(|| source.load(&ImageRequest::default())) {
        Ok(split) => {
            let found =
                format!("{} images in the pool, digest {:.16}", split.pool.len(), split.digest);
            Finding::ok(entry.name, found)
        }
        Err(error) => Finding::failed(entry.name, chain(&error), AGAIN),
    })
}

const AGAIN: &str = "install bertillon again: what comes with it is damaged";

fn models(entry: &Entry) -> Option<Finding> {
    let Builder::Models(build) = entry.builder else { return None };
    // A collection that wants a path has nothing to check yet.
    let collection = build("{}").ok()?;
    let known = bertillon_datasets::card().map(|card| card.networks).unwrap_or_default();
    let known: Vec<(&str, &str)> =
        known.iter().map(|network| (network.name.as_str(), network.digest.as_str())).collect();
    match guard::catch(|| load_all(&*collection)) {
        Ok(0) => None,
        Ok(n) => Some(held_against_card(entry.name, &*collection, &known, n)),
        Err(error) => Some(Finding::failed(entry.name, chain(&error), AGAIN)),
    }
}

fn load_all(collection: &dyn ModelCollection) -> Result<usize, Error> {
    let n = collection.vanillas().len();
    for index in 0..n {
        collection.load(index, tch::Device::Cpu)?;
    }
    Ok(n)
}

/// Whether the weights of networks that the card names are those that were measured for it.
fn held_against_card(
    name: &str,
    collection: &dyn ModelCollection,
    card: &[(&str, &str)],
    loaded: usize,
) -> Finding {
    let on_card = |vanilla: &str| card.iter().find(|(name, _)| *name == vanilla);
    let vanillas = collection.vanillas().iter();
    let others: Vec<&str> = vanillas
        .filter(|v| on_card(&v.name).is_some_and(|(_, digest)| *digest != v.digest))
        .map(|v| v.name.as_str())
        .collect();
    let checked = collection.vanillas().iter().filter(|v| on_card(&v.name).is_some()).count();
    match (others.as_slice(), checked) {
        ([], 0) => Finding::ok(name, format!("{loaded} models load")),
        ([], _) => {
            Finding::ok(name, format!("{loaded} models load, with the digests of their card"))
        }
        (others, _) => {
            let found = format!("weights of {} are not those of their card", others.join(", "));
            Finding::failed(name, found, AGAIN)
        }
    }
}

/// Whether files can be made in a folder, or in the one that it would be made in, and how much room there is.
pub(super) fn folder(what: &str, flag: &str, folder: &Path) -> Finding {
    let there = folder.ancestors().find(|path| path.exists());
    let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = there.join(format!(".bertillon-doctor-{}", std::process::id()));
    let shown = folder.display();
    if let Err(error) = fs::write(&trial, b"ok").and_then(|()| fs::remove_file(&trial)) {
        let found = format!("can't write to {}: {error}", there.display());
        return Finding::failed(
            what,
            found,
            format!("allow it (`ls -ld {}`), or use another folder: {flag} DIR", there.display()),
        );
    }
    room(what, flag, &shown.to_string(), free_bytes(there))
}

fn room(what: &str, flag: &str, shown: &str, free: Option<u64>) -> Finding {
    let Some(free) = free else {
        return Finding::ok(what, format!("{shown} is writable"));
    };
    let found = format!("{shown} is writable, {:.1} GB are free", free as f64 / 1e9);
    let remedy = format!("make room, or use a folder on another disk: {flag} DIR");
    match free {
        ..TOO_LITTLE => Finding::failed(what, found, remedy),
        TOO_LITTLE..LITTLE => Finding::note(what, found, remedy),
        _ => Finding::ok(what, found),
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

/// Loads each library of BERTILLON_PLUGINS by itself, so that one that is refused hides no other.
pub(super) fn libraries() -> Vec<Finding> {
    let listed = libraries::listed();
    let load = |path: &Path| {
        let check = format!("plugins in {}", path.display());
        match bertillon_runner::load_library(path) {
            Ok(()) => Finding::ok(&check, "load"),
            Err(error) => Finding::failed(
                &check,
                chain(&error),
                format!("build it again, or take it out of {}", libraries::VARIABLE),
            ),
        }
    };
    match listed.is_empty() {
        true => vec![Finding::ok("plugins", format!("none listed in {}", libraries::VARIABLE))],
        false => listed.iter().map(|path| load(path)).collect(),
    }
}

/// Libraries of plugins must come from the compiler that made this program.
pub(super) fn compiler() -> Finding {
    let here = Built::here();
    judged_compiler(here.compiler(), says("rustc").as_deref())
}

fn judged_compiler(wanted: &str, said: Option<&str>) -> Finding {
    let remedy =
        format!("for plugins of your own (`bertillon new`): `rustup toolchain install {wanted}`");
    // `rustc 1.95.0 (hash date)`.
    match said.map(|said| said.split_whitespace().nth(1).unwrap_or_default()) {
        Some(version) if version == wanted => Finding::ok(
            "rustc",
            format!("{version}, which libraries of plugins must be built with"),
        ),
        Some(version) => {
            let found = format!("{version}; libraries of plugins must be built with {wanted}");
            Finding::note("rustc", found, remedy)
        }
        None => {
            let found = format!("not found; libraries of plugins must be built with {wanted}");
            Finding::note("rustc", found, remedy)
        }
    }
}

/// Commands that speak Python may serve as plugins; nothing else needs it.
pub(super) fn python() -> Finding {
    match says("python3") {
        Some(version) => Finding::ok("python3", version),
        None => Finding::note(
            "python3",
            "not found; only plugins written in Python need it",
            "for those: install Python 3.9 or later, and see that `python3 --version` works",
        ),
    }
}

/// What a program says to `--version`, in one line.
fn says(program: &str) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.arg("--version").stdin(Stdio::null()).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

pub(super) fn terminal() -> Finding {
    let of = |is_terminal: bool| if is_terminal { "a terminal" } else { "no terminal" };
    let width = output::width().map_or_else(String::new, |width| format!(" of {width} columns"));
    let colours = match (output::colours_welcome(), env::var_os("NO_COLOR")) {
        (true, _) => "colours where there is a terminal",
        (false, Some(_)) => "no colours (NO_COLOR)",
        (false, None) => "no colours (TERM)",
    };
    let found = format!(
        "standard output is {}{width}, standard error {}; {colours}",
        of(std::io::stdout().is_terminal()),
        of(std::io::stderr().is_terminal())
    );
    Finding::ok("terminal", found)
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn a_folder_to_be_made_is_judged_by_its_parent() {
        let place = tempfile::tempdir().unwrap();
        assert_ne!(folder("cache", "--cache", &place.path().join("a/b")).state, State::Failed);
        assert!(!place.path().join("a").exists());
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(folder("cache", "--cache", &file.join("a")).state, State::Failed);
    }

    #[test]
    fn a_disk_that_is_full_or_nearly_so_is_told() {
        let state = |free| room("cache", "--cache", "x", Some(free)).state;
        assert_eq!(state(5 << 30), State::Ok);
        assert_eq!(state(500 << 20), State::Note);
        assert_eq!(state(99 << 20), State::Failed);
        assert!(free_bytes(Path::new(".")).is_some());
    }

    #[test]
    fn another_compiler_or_none_is_no_failure() {
        let judged = |said| judged_compiler("1.95.0", said);
        assert_eq!(judged(Some("rustc 1.95.0 (f2d3ce0bd 2026-03-21)")).state, State::Ok);
        for said in [Some("rustc 1.94.1 (x)"), None] {
            let finding = judged(said);
            assert_eq!(finding.state, State::Note);
            assert!(finding.remedy.unwrap().contains("rustup toolchain install 1.95.0"));
        }
        assert_eq!(says("no-such-program-anywhere"), None);
    }

    #[test]
    fn weights_that_differ_from_their_card_are_named() {
        let zoo = registry::find(PluginKind::Models, "zoo").unwrap().unwrap();
        let Builder::Models(build) = zoo.builder else { panic!("no collection") };
        let collection = build(r#"{ "names": ["lenet-a", "mlp-a"] }"#).unwrap();
        let right = collection.vanillas()[0].digest.clone();
        let judged =
            |digest: &str| held_against_card("zoo", &*collection, &[("lenet-a", digest)], 2);
        assert_eq!(judged(&right).state, State::Ok);
        let finding = judged("00");
        assert_eq!(finding.state, State::Failed);
        assert!(finding.found.contains("lenet-a") && !finding.found.contains("mlp-a"));
    }
}
