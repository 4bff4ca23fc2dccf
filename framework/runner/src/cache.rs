//! Objects on disk, addressed by their recipes.
//!
//! An object that does not match its digest is computed anew, with a warning. Writes go to a temporary file on the same
//! file system, which is then renamed; readers never see half an object, and several processes may share a cache.

mod objects;
mod upkeep;

use std::{
    fs::{self, File, FileTimes},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub(crate) use objects::{Note, Object};
pub use upkeep::{
    CacheCheck, CacheKind, CacheSizes, Removal, Retention, cache_check, cache_gc, cache_sizes,
};

use crate::{
    RunError,
    files::{age, sweep, write_whole_through},
    key::Key,
};

/// Folder within the cache for what is still being written.
const UNFINISHED: &str = "unfinished";

/// Folders within the cache that image sources and recorded answers fill with faster copies of their files.
const PACKS: [&str; 2] = ["images", "recorded"];

/// An object that was not used for so long is marked as used when it is read again.
const USED_ANEW: Duration = Duration::from_secs(1800);

#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A damaged object; it is computed anew.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
}

/// What the cache says about a key.
pub(crate) type Found<T> = Result<Option<T>, Damaged>;

impl Cache {
    /// Opens a cache folder, making it where needed, and removes what killed processes left unfinished in it.
    pub(crate) fn open(root: &Path) -> Result<Self, RunError> {
        let failed = |error: io::Error| RunError::File {
            path: root.to_owned(),
            problem: format!(
                "this folder can't hold the cache ({error}); choose another with --cache"
            ),
        };
        let unfinished = root.join(UNFINISHED);
        fs::create_dir_all(&unfinished).map_err(failed)?;
        tempfile::tempfile_in(&unfinished).map_err(failed)?;
        sweep(&unfinished);
        PACKS.iter().for_each(|packs| sweep(&root.join(packs)));
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn has<T: Object>(&self, key: Key) -> bool {
        self.path::<T>(key).is_file()
    }

    pub(crate) fn get<T: Object>(&self, key: Key) -> Found<T> {
        let path = self.path::<T>(key);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|mut file| {
            file.read_to_end(&mut bytes)?;
            Ok(file)
        });
        match read {
            Ok(file) => match T::decode(&bytes) {
                Ok(object) => {
                    mark_as_used(&file);
                    Ok(Some(object))
                }
                Err(problem) => Err(Damaged { path, problem }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Damaged { path, problem: error.to_string() }),
        }
    }

    pub(crate) fn put<T: Object>(&self, key: Key, object: &T) -> Result<(), RunError> {
        let path = self.path::<T>(key);
        // Who packed this cache for another may have put a link there.
        if let Some(folder) = path.parent().filter(|folder| folder.is_symlink()) {
            let problem = "is a link, and a cache has none: remove it".to_owned();
            return Err(RunError::File { path: folder.to_owned(), problem });
        }
        write_whole_through(&self.root.join(UNFINISHED), &path, &object.encode())
    }

    fn path<T: Object>(&self, key: Key) -> PathBuf {
        let name = key.to_hex();
        self.root.join(&name[..2]).join(format!("{name}.{}", T::EXTENSION))
    }
}

/// What is in use is not removed for its age. Whoever may only read leaves the time as it is.
fn mark_as_used(file: &File) {
    // A time still to come is of another clock, and worth nothing.
    if age(file).is_none_or(|age| age > USED_ANEW) {
        #[expect(clippy::disallowed_methods, reason = "when an object was used enters no result")]
        let now = SystemTime::now();
        let _ = file.set_times(FileTimes::new().set_modified(now));
    }
}
