//! Files that are whole or not there, whenever the program is killed.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::RunError;

/// How the name of a file begins that is still being written.
const UNFINISHED: [&str; 2] = [".tmp", ".pack"];

/// Age at which such a file is given up where the file system knows no locks.
const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);

/// Times that a file is written once more after a sweep took it for abandoned before it was locked.
const TRIES: usize = 3;

/// Writes a file that is either whole or not there, by way of a temporary file beside it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    write_whole_through(path.parent().unwrap_or(Path::new("")), path, bytes)
}

/// As [`write_whole`], with the temporary file in `folder`, which is on the same file system.
pub(crate) fn write_whole_through(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<(), RunError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(folder, path, bytes) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            Err(error) => {
                return Err(RunError::File {
                    path: path.to_owned(),
                    problem: format!(
                        "can't be written ({error}); make room or choose another folder"
                    ),
                });
            }
        }
    }
}

fn attempt(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::create_dir_all(folder)?;
    if let Some(place) = path.parent().filter(|place| *place != folder) {
        fs::create_dir_all(place)?;
    }
    let mut file = tempfile::Builder::new();
    file.prefix(UNFINISHED[0]);
    // Results and cache are shared as the user's other files are: her umask decides.
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = file.tempfile_in(folder)?;
    // It tells a sweep that somebody is at work. Where there are no locks, age tells.
    let _ = file.as_file().lock();
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Removes what killed processes left unfinished in a folder; files that others are writing are locked, and stay.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_unfinished = entry
            .file_name()
            .to_str()
            .is_some_and(|name| UNFINISHED.iter().any(|u| name.starts_with(u)));
        if is_unfinished && is_abandoned(&entry.path()) {
            // Who may not remove it leaves it to its owner.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    // A link is nothing of ours, and may lead to a pipe that nobody writes to.
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let Ok(file) = File::open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => age(&file).is_some_and(|age| age > GIVEN_UP),
    }
}

/// Time since a file was changed; none where the clock says that this is still to come.
pub(crate) fn age(file: &File) -> Option<Duration> {
    #[expect(clippy::disallowed_methods, reason = "how old a file is enters no result")]
    let now = SystemTime::now();
    now.duration_since(file.metadata().ok()?.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_nobody_writes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".tmpA1", ".packB2.tmp", ".tmpHeld", "whole.npy"];
        let files: Vec<File> =
            names.iter().map(|name| File::create(folder.path().join(name)).unwrap()).collect();
        files[2].lock().unwrap();
        sweep(folder.path());
        let left: Vec<bool> = names.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, false, true, true]);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let error = write_whole(&path.join("below a file"), b"").unwrap_err().to_string();
        assert!(error.contains("can't be written"), "{error}");
    }
}
