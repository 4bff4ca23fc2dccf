//! CUDA's part of libtorch: where it is looked for, what is refused, how it is opened.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bertillon_build::libtorch_version;
use libloading::os::unix::{Library as Opened, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};

/// The library's name.
pub(crate) const FILE: &str = "libtorch_cuda.so";

/// The variable that names it, or the folder it lies in.
pub(crate) const VARIABLE: &str = "BERTILLON_LIBTORCH_CUDA";

/// What to do to have one.
pub(crate) const WANTED: &str = "install PyTorch 2.11.0 with CUDA (`pip install torch==2.11.0`) and set \
                                 BERTILLON_LIBTORCH_CUDA to the folder `torch/lib` of it";

/// NVIDIA's driver as programs see it.
const DRIVER: &str = "libcuda.so.1";

/// What became of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Library {
    /// It is part of this process.
    Open(PathBuf),
    /// There is one that won't do, for these reasons; the user may have named it.
    Refused { reasons: Vec<String>, named: bool },
    /// None is found.
    Absent,
}

/// CUDA's part of libtorch, searched for and opened at the first call.
pub(crate) fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(path) = loaded("libtorch_cuda") {
            return Library::Open(path);
        }
        let own = loaded("libtorch_cpu").and_then(|path| path.parent().map(Path::to_owned));
        let version = own.as_deref().and_then(libtorch_version);
        let places = Places::new(|name| env::var_os(name), own);
        match places.find(version.as_deref()) {
            Library::Open(path) => open(&path),
            other => other,
        }
    })
}

/// Whether NVIDIA's driver can be loaded; what is wrong with it otherwise.
pub(crate) fn driver() -> Result<(), String> {
    #[expect(unsafe_code, reason = "loading runs what the driver does at its start")]
    // SAFETY: it is the machine's own driver, which every program that uses CUDA loads.
    let opened = unsafe { Opened::open(Some(DRIVER), RTLD_NOW | RTLD_LOCAL) };
    match opened {
        Ok(driver) => {
            // It does not like to be unloaded.
            let _ = driver.into_raw();
            Ok(())
        }
        Err(error) => Err(format!("{DRIVER} can't be loaded ({error})")),
    }
}

/// The shared library of this process whose file name begins so.
pub(crate) fn loaded(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])));
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name))
    };
    paths.into_iter().find(begins)
}

fn open(path: &Path) -> Library {
    #[expect(unsafe_code, reason = "loading runs what libtorch does at its start")]
    // SAFETY: it is libtorch's own library, of the version that is loaded; what it registers must be seen by all.
    let opened = unsafe { Opened::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    match opened {
        Ok(library) => {
            // What it registered is used until the end.
            let _ = library.into_raw();
            Library::Open(path.to_owned())
        }
        Err(error) => Library::Refused {
            reasons: vec![format!("{} can't be loaded: {error}", path.display())],
            named: env::var_os(VARIABLE).is_some(),
        },
    }
}

/// Where to look.
struct Places {
    /// What the user named: then nowhere else.
    named: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Places {
    /// `own` is the folder of the libtorch in use.
    fn new(variable: impl Fn(&str) -> Option<OsString>, own: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut folders = Vec::new();
        folders.extend(set("LIBTORCH").map(|root| PathBuf::from(root).join("lib")));
        folders.extend(set("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
        folders.extend(own);
        folders.retain(|folder| !folder.as_os_str().is_empty());
        Self { named: set(VARIABLE).map(PathBuf::from), folders }
    }

    /// The first library that fits libtorch `version`, not opened yet.
    fn find(&self, version: Option<&str>) -> Library {
        let named = self.named.is_some();
        let (candidates, mut reasons) = match &self.named {
            Some(path) => match within(path) {
                Some(file) => (vec![file], Vec::new()),
                None => {
                    (Vec::new(), vec![format!("{VARIABLE}={}: no {FILE} there", path.display())])
                }
            },
            None => {
                let files = self.folders.iter().map(|folder| folder.join(FILE));
                (files.filter(|file| file.is_file()).collect(), Vec::new())
            }
        };
        for file in candidates {
            match refused(&file, version) {
                None => return Library::Open(file),
                Some(reason) => reasons.push(format!("{}: {reason}", file.display())),
            }
        }
        reasons.dedup();
        match reasons.is_empty() {
            true => Library::Absent,
            false => Library::Refused { reasons, named },
        }
    }
}

/// The library that a path means: itself, or in it, or in its `lib`.
fn within(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join(FILE), path.join("lib").join(FILE)]
        .into_iter()
        .find(|path| path.is_file())
}

/// Why a library must not be opened, if it must not: to open one of another version can end the program.
fn refused(file: &Path, version: Option<&str>) -> Option<String> {
    let mut magic = [0; 4];
    match File::open(file).and_then(|mut file| file.read_exact(&mut magic)) {
        Err(error) => return Some(format!("can't be read ({error})")),
        Ok(()) if magic != *b"\x7fELF" => return Some("no library".to_owned()),
        Ok(()) => {}
    }
    let Some(version) = version else {
        return Some(
            "the version of the libtorch in use can't be told, so none can be added".into(),
        );
    };
    // `2.11.0+cpu` and `2.11.0+cu130` are builds of one version.
    let base = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
    match file.parent().and_then(libtorch_version) {
        None => Some(format!(
            "of unknown version (no `build-version` or `version.py` beside its folder); libtorch {version} is in use"
        )),
        Some(other) if base(&other) != base(version) => {
            Some(format!("of libtorch {other}, but {version} is in use"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder `name/lib` with a library of this content, of a libtorch of this version.
    fn libtorch(root: &Path, name: &str, content: &[u8], version: Option<&str>) -> PathBuf {
        let lib = root.join(name).join("lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join(FILE), content).unwrap();
        if let Some(version) = version {
            let line = format!("__version__ = '{version}'\n");
            fs::write(root.join(name).join("version.py"), line).unwrap();
        }
        lib
    }

    fn find(variables: &[(&str, &Path)], own: Option<&Path>) -> Library {
        let variable = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, path)| path.as_os_str().to_owned())
        };
        Places::new(variable, own.map(Path::to_owned)).find(Some("2.11.0+cpu"))
    }

    fn reasons(found: Library) -> (String, bool) {
        match found {
            Library::Refused { reasons, named } => (reasons.join("; "), named),
            other => panic!("{other:?}"),
        }
    }

    const ELF: &[u8] = b"\x7fELF and more";

    #[test]
    fn the_library_is_found_in_each_place_and_the_named_one_comes_first() {
        let place = tempfile::tempdir().unwrap();
        let lib = |name| libtorch(place.path(), name, ELF, Some("2.11.0+cu130"));
        let (named, root, path, own) = (lib("named"), lib("root"), lib("path"), lib("own"));
        let root = root.parent().unwrap();
        assert_eq!(find(&[], None), Library::Absent);
        assert_eq!(find(&[], Some(&own)), Library::Open(own.join(FILE)));
        let mut variables = vec![("LD_LIBRARY_PATH", path.as_path())];
        assert_eq!(find(&variables, Some(&own)), Library::Open(path.join(FILE)));
        variables.push(("LIBTORCH", root));
        assert_eq!(find(&variables, Some(&own)), Library::Open(root.join("lib").join(FILE)));
        for way in [named.parent().unwrap(), &named, &named.join(FILE)] {
            variables.push((VARIABLE, way));
            assert_eq!(find(&variables, Some(&own)), Library::Open(named.join(FILE)));
            variables.pop();
        }
    }

    #[test]
    fn another_version_is_refused_with_both_named() {
        let place = tempfile::tempdir().unwrap();
        let other = libtorch(place.path(), "other", ELF, Some("2.10.1+cu129"));
        let (reason, named) = reasons(find(&[(VARIABLE, &other)], None));
        assert!(reason.contains("2.10.1+cu129") && reason.contains("2.11.0+cpu"), "{reason}");
        assert!(named);
        // The right one elsewhere is taken, unless the wrong one was asked for.
        let right = libtorch(place.path(), "right", ELF, Some("2.11.0"));
        let found = find(&[("LD_LIBRARY_PATH", &other)], Some(&right));
        assert_eq!(found, Library::Open(right.join(FILE)));
        assert!(matches!(find(&[(VARIABLE, &other)], Some(&right)), Library::Refused { .. }));
    }

    #[test]
    fn what_is_no_library_or_of_unknown_version_is_never_opened() {
        let place = tempfile::tempdir().unwrap();
        let text = libtorch(place.path(), "text", b"not a library", Some("2.11.0"));
        assert!(reasons(find(&[], Some(&text))).0.contains("no library"));
        let short = libtorch(place.path(), "short", b"", Some("2.11.0"));
        assert!(reasons(find(&[], Some(&short))).0.contains("can't be read"));
        let unknown = libtorch(place.path(), "unknown", ELF, None);
        let (reason, named) = reasons(find(&[], Some(&unknown)));
        assert!(reason.contains("unknown version") && !named, "{reason}");
        let nowhere = place.path().join("nowhere");
        assert!(reasons(find(&[(VARIABLE, &nowhere)], None)).0.contains("nowhere"));
    }

    #[test]
    fn a_library_that_does_not_load_is_refused_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        let lib = libtorch(place.path(), "torn", ELF, Some("2.11.0"));
        let (reason, _) = reasons(open(&lib.join(FILE)));
        assert!(reason.contains("can't be loaded"), "{reason}");
    }
}
