//! Folders that a command writes to though nobody named them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// The folder, unless it or what lies in it is a link that leads out of the working folder: who packed that folder, and not
/// its user, chose where it leads. `flag` names it all the same.
pub(super) fn unnamed(folder: PathBuf, flag: &str) -> Result<PathBuf, Failure> {
    let here = env::current_dir().and_then(|here| here.canonicalize());
    let here = here.map_err(|error| Failure::User(format!("no folder to work in: {error}")))?;
    let place = here.join(&folder);
    // What is not there yet is made, below the first that is.
    let there = place.ancestors().find(|part| part.exists()).unwrap_or(&here).to_owned();
    let links = fs::read_dir(&place).into_iter().flatten().flatten();
    let links = links.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    for part in [there].into_iter().chain(links.map(|entry| entry.path())) {
        refuse_outside(&part, &here, &folder, flag)?;
    }
    Ok(folder)
}

fn refuse_outside(part: &Path, here: &Path, folder: &Path, flag: &str) -> Result<(), Failure> {
    // A link that leads nowhere is outside of everything.
    let real = part.canonicalize().unwrap_or_else(|_| PathBuf::from("nowhere"));
    if real.starts_with(here) {
        return Ok(());
    }
    let part = part.strip_prefix(here).unwrap_or(part);
    Err(Failure::User(format!(
        "{} leads out of this folder, to {}, and files would be written there; if that is meant, say `{flag} {}`",
        part.display(),
        real.display(),
        folder.display()
    )))
}
