//! Files for readers that take a path.

use std::{fs, path::Path};

use tempfile::TempDir;

thread_local! {
    /// One for all calls of a thread: making a folder takes longer than most readers do.
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for temporary files");
}

/// Does `work` with a file of these bytes, the only one in its folder.
///
/// # Panics
/// When it can't be written.
pub(crate) fn with_file<T>(name: &str, bytes: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| {
        let place = folder.path().join("place");
        // None the first time.
        let _ = fs::remove_dir_all(&place);
        let path = place.join(name);
        let parent = path.parent().unwrap_or(&place);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, bytes))
            .expect("room for a temporary file");
        work(&path)
    })
}
