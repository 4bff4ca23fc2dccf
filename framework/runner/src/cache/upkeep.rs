//! Looking after a cache: what it holds, whether it is whole, what may go.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rayon::prelude::*;

use super::{PACKS, UNFINISHED, objects};
use crate::{
    RunError,
    files::{age, sweep},
};

/// Whatever was used more recently may be in use now, and stays.
const IN_USE: Duration = Duration::from_secs(3600);

/// Objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKind {
    /// Kind, in the plural.
    pub name: &'static str,
    /// How many.
    pub objects: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// What a cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSizes {
    /// By kind, always the same kinds.
    pub kinds: Vec<CacheKind>,
    /// Time since the object was used that was left alone longest.
    pub unused_for: Option<Duration>,
}

impl CacheSizes {
    /// Objects of all kinds.
    pub fn objects(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.objects).sum()
    }

    /// Bytes of all kinds.
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.bytes).sum()
    }
}

/// What a check of all objects found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheCheck {
    /// Objects that are what was once written.
    pub intact: u64,
    /// Packs, which are checked whenever they are loaded.
    pub packs: u64,
    /// Objects that are not, with what is wrong.
    pub damaged: Vec<(PathBuf, String)>,
}

/// What may stay in a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Objects that were not used for longer go.
    pub max_age: Option<Duration>,
    /// While there is more, what was not used longest goes.
    pub max_bytes: Option<u64>,
    /// Nothing goes: it is only told.
    pub dry_run: bool,
}

/// What went, or would go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Objects that went.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Objects that stay.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Those of them that would have gone, had they not been used within the last hour.
    pub in_use: u64,
}

/// Tells what a cache holds.
///
/// # Errors
/// When there is no folder, or it can't be read.
pub fn cache_sizes(root: &Path) -> Result<CacheSizes, RunError> {
    let mut kinds: Vec<CacheKind> = Kind::ALL
        .iter()
        .map(|kind| CacheKind { name: kind.name(), objects: 0, bytes: 0 })
        .collect();
    let mut unused_for = None;
    for stored in stored(root)? {
        let kind = &mut kinds[stored.kind as usize];
        kind.objects += 1;
        kind.bytes += stored.bytes;
        unused_for = unused_for.max(Some(stored.age));
    }
    Ok(CacheSizes { kinds, unused_for })
}

/// Reads every object and compares it with its digest; with `remove`, damaged ones go.
///
/// # Errors
/// When there is no folder, or it can't be read, or a damaged object can't be removed.
pub fn cache_check(root: &Path, remove: bool) -> Result<CacheCheck, RunError> {
    let stored = stored(root)?;
    let found: Vec<Option<Result<(), (PathBuf, String)>>> = stored
        .par_iter()
        .map(|stored| {
            let extension = stored.kind.extension()?;
            match fs::read(&stored.path) {
                Ok(bytes) => {
                    let intact = objects::intact(extension, &bytes)?;
                    Some(intact.map_err(|problem| (stored.path.clone(), problem)))
                }
                // Somebody removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => Some(Err((stored.path.clone(), error.to_string()))),
            }
        })
        .collect();
    let packs = stored.iter().filter(|stored| matches!(stored.kind, Kind::Packs)).count() as u64;
    let mut check = CacheCheck { packs, ..CacheCheck::default() };
    for outcome in found.into_iter().flatten() {
        match outcome {
            Ok(()) => check.intact += 1,
            Err(damaged) => check.damaged.push(damaged),
        }
    }
    if remove {
        check.damaged.iter().try_for_each(|(path, _)| removed(path))?;
    }
    Ok(check)
}

/// Removes what may go. A run that uses the cache meanwhile loses nothing: what it misses it computes.
///
/// # Errors
/// When there is no folder, or it can't be read, or an object can't be removed.
pub fn cache_gc(root: &Path, retention: &Retention) -> Result<Removal, RunError> {
    let mut stored = stored(root)?;
    sweep(&root.join(UNFINISHED));
    PACKS.iter().for_each(|packs| sweep(&root.join(packs)));
    stored.retain(|stored| !matches!(stored.kind, Kind::Unfinished));
    stored.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.path.cmp(&b.path)));
    let mut left: u64 = stored.iter().map(|stored| stored.bytes).sum();
    let mut removal = Removal::default();
    for stored in stored {
        let too_old = retention.max_age.is_some_and(|most| stored.age > most);
        let too_much = retention.max_bytes.is_some_and(|most| left > most);
        let goes = (too_old || too_much) && stored.age > IN_USE;
        if goes {
            if !retention.dry_run {
                removed(&stored.path)?;
            }
            left -= stored.bytes;
            removal.removed += 1;
            removal.removed_bytes += stored.bytes;
        } else {
            removal.in_use += u64::from(too_old || too_much);
            removal.kept += 1;
            removal.kept_bytes += stored.bytes;
        }
    }
    Ok(removal)
}

fn removed(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::File {
            path: path.to_owned(),
            problem: format!("can't be removed ({error})"),
        }),
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Answers,
    Fingerprints,
    Notes,
    Packs,
    Unfinished,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Answers, Self::Fingerprints, Self::Notes, Self::Packs, Self::Unfinished];

    fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Fingerprints => "fingerprints",
            Self::Notes => "notes",
            Self::Packs => "packs",
            Self::Unfinished => "unfinished",
        }
    }

    fn extension(self) -> Option<&'static str> {
        match self {
            Self::Answers => Some("npy"),
            Self::Fingerprints => Some("safetensors"),
            Self::Notes => Some("json"),
            Self::Packs | Self::Unfinished => None,
        }
    }

    /// Of a file with this extension among the objects.
    fn of(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.extension() == Some(extension))
    }
}

struct Stored {
    path: PathBuf,
    kind: Kind,
    bytes: u64,
    /// Since it was used.
    age: Duration,
}

/// Every file that is the cache's own. Links and whatever else lies there are left alone.
fn stored(root: &Path) -> Result<Vec<Stored>, RunError> {
    let unreadable = |error: io::Error| RunError::File {
        path: root.to_owned(),
        problem: format!("no cache can be read here ({error})"),
    };
    let mut stored = Vec::new();
    for folder in fs::read_dir(root).map_err(unreadable)? {
        let folder = folder.map_err(unreadable)?;
        let name = folder.file_name();
        let name = name.to_str().unwrap_or_default();
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let holds_objects = name.len() == 2 && name.bytes().all(is_hex);
        let holds_packs = PACKS.contains(&name);
        let is_ours = holds_objects || holds_packs || name == UNFINISHED;
        if !is_ours || !folder.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        for file in fs::read_dir(folder.path()).map_err(unreadable)?.flatten() {
            let path = file.path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            let kind = match (holds_objects, holds_packs, extension) {
                (true, _, extension) => Kind::of(extension),
                (_, true, "packed") => Some(Kind::Packs),
                _ => Some(Kind::Unfinished),
            };
            let metadata = path.symlink_metadata().ok().filter(fs::Metadata::is_file);
            let (Some(kind), Some(metadata)) = (kind, metadata) else { continue };
            let age = File::open(&path).ok().and_then(|file| age(&file)).unwrap_or_default();
            stored.push(Stored { path, kind, bytes: metadata.len(), age });
        }
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use std::{fs::FileTimes, time::SystemTime};

    use bertillon::Answers;

    use super::*;
    use crate::{
        cache::{Cache, Note},
        key::Key,
    };

    fn key(name: &str) -> Key {
        Key::recipe("test").text(name).finish()
    }

    /// A cache of three objects, unused for 3, 2 and 0 hours.
    fn aged() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for (name, hours) in [("old", 3), ("older than an hour", 2), ("new", 0)] {
            cache.put(key(name), &Answers::top1(vec![1, 2, 3])).unwrap();
            let hex = key(name).to_hex();
            let path = folder.path().join(&hex[..2]).join(format!("{hex}.npy"));
            #[expect(clippy::disallowed_methods, reason = "an age is to be made up")]
            let then = SystemTime::now() - Duration::from_secs(hours * 3600 + 60);
            let file = File::options().write(true).open(path).unwrap();
            file.set_times(FileTimes::new().set_modified(then)).unwrap();
        }
        (folder, cache)
    }

    fn there(cache: &Cache) -> [bool; 3] {
        ["old", "older than an hour", "new"].map(|name| cache.has::<Answers>(key(name)))
    }

    #[test]
    fn what_was_not_used_longest_goes_first_and_what_is_in_use_stays() {
        let (folder, cache) = aged();
        let gc = |retention: Retention| cache_gc(folder.path(), &retention).unwrap();
        let bytes = cache_sizes(folder.path()).unwrap().bytes() / 3;
        let told =
            gc(Retention { max_bytes: Some(2 * bytes), dry_run: true, ..Retention::default() });
        assert_eq!((told.removed, told.kept, there(&cache)), (1, 2, [true; 3]));
        let by_size = gc(Retention { max_bytes: Some(2 * bytes), ..Retention::default() });
        assert_eq!((by_size.removed_bytes, there(&cache)), (bytes, [false, true, true]));
        let hour = Duration::from_secs(3600);
        let by_age = gc(Retention { max_age: Some(hour), ..Retention::default() });
        assert_eq!((by_age.removed, there(&cache)), (1, [false, false, true]));
        let all = gc(Retention { max_bytes: Some(0), ..Retention::default() });
        assert_eq!((all.removed, all.in_use, there(&cache)), (0, 1, [false, false, true]));
    }

    #[test]
    fn reading_an_object_keeps_it() {
        let (folder, cache) = aged();
        cache.get::<Answers>(key("old")).unwrap().unwrap();
        let hour = Retention { max_age: Some(Duration::from_secs(3600)), ..Retention::default() };
        assert_eq!(cache_gc(folder.path(), &hour).unwrap().removed, 1);
        assert_eq!(there(&cache), [true, false, true]);
    }

    #[test]
    fn a_time_still_to_come_is_of_another_clock_and_no_age() {
        let (folder, cache) = aged();
        let hex = key("old").to_hex();
        let path = folder.path().join(&hex[..2]).join(format!("{hex}.npy"));
        #[expect(clippy::disallowed_methods, reason = "a clock that jumps is to be made up")]
        let later = SystemTime::now() + Duration::from_secs(7 * 24 * 3600);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(later)).unwrap();
        let hour = Retention { max_age: Some(Duration::from_secs(3600)), ..Retention::default() };
        cache_gc(folder.path(), &hour).unwrap();
        assert_eq!(there(&cache), [true, false, true]);
        // Whoever reads it gives it a time of this clock.
        cache.get::<Answers>(key("old")).unwrap().unwrap();
        assert!(age(&File::open(&path).unwrap()).is_some());
    }

    #[test]
    fn a_check_names_what_is_damaged_and_leaves_alone_what_is_not_the_caches() {
        let (folder, cache) = aged();
        cache.put(key("note"), &Note(7)).unwrap();
        let hex = key("new").to_hex();
        let path = folder.path().join(&hex[..2]).join(format!("{hex}.npy"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[130] ^= 1;
        fs::write(&path, bytes).unwrap();
        fs::write(folder.path().join("mine.txt"), "not an object").unwrap();
        fs::write(folder.path().join(&hex[..2]).join("mine.txt"), "nor this").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(&hex[..2]).join("link.npy"))
            .unwrap();
        let check = cache_check(folder.path(), false).unwrap();
        assert_eq!((check.intact, check.damaged.len()), (3, 1));
        assert_eq!(check.damaged[0].0, path);
        assert!(cache_check(folder.path(), true).unwrap().damaged.len() == 1 && !path.exists());
        assert_eq!(cache_check(folder.path(), false).unwrap().damaged, []);
        assert!(cache_sizes(&folder.path().join("nowhere")).is_err());
    }
}
