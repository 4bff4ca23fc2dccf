//! Whether the libtorch that this program found is the one that it was made for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bertillon_build::libtorch_version;
use tch::Cuda;

use super::Finding;

/// What tch 0.24 binds; of another version, functions may be missing or take other arguments.
const EXPECTED: &str = "2.11.0";

pub(super) fn version() -> Finding {
    match loaded("libtorch_cpu") {
        Some(library) => judged(&library),
        None => Finding::ok("libtorch", "loaded; where from can't be told on this system"),
    }
}

fn judged(library: &Path) -> Finding {
    let from = library.display();
    let remedy = format!(
        "install libtorch {EXPECTED} (in a checkout: `make libtorch`), set LIBTORCH to its folder and build again; take \
         another one out of LD_LIBRARY_PATH"
    );
    match library.parent().and_then(libtorch_version) {
        // `2.11.0+cpu` and `2.11.0+cu129` are builds of one version.
        Some(version) if version.split('+').next() == Some(EXPECTED) => {
            Finding::ok("libtorch", format!("{version}, from {from}"))
        }
        Some(version) => {
            let found = format!("{version}, from {from}; this program was made for {EXPECTED}");
            Finding::failed("libtorch", found, remedy)
        }
        None => {
            let found = format!(
                "of unknown version, from {from}: no `build-version` or `version.py` beside it"
            );
            Finding::note("libtorch", found, format!("make sure that it is {EXPECTED}"))
        }
    }
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

pub(super) fn cuda() -> Finding {
    match (Cuda::is_available(), tch::utils::has_cuda()) {
        (true, _) => {
            let devices = Cuda::device_count();
            Finding::ok("CUDA", format!("{devices} devices: --device auto uses the first"))
        }
        (false, true) => Finding::note(
            "CUDA",
            "libtorch has it, but finds no device; runs use the processor",
            "for a GPU: install its driver, and see that `nvidia-smi` names it",
        ),
        (false, false) => Finding::note(
            "CUDA",
            "none in this libtorch; runs use the processor",
            "for a GPU: build with LIBTORCH set to a libtorch that has CUDA",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn the_version_is_read_from_either_file_and_held_against_the_one_expected() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("lib/libtorch_cpu.so");
        assert_eq!(judged(&library).state, State::Note);
        fs::write(folder.path().join("version.py"), "x = 1\n__version__ = '2.11.0'\n").unwrap();
        assert_eq!(judged(&library).state, State::Ok);
        fs::write(folder.path().join("build-version"), "2.11.0+cpu\n").unwrap();
        assert_eq!(judged(&library).state, State::Ok);
        for other in ["2.11.1", "2.1", "2.12.0+cu129"] {
            fs::write(folder.path().join("build-version"), other).unwrap();
            let finding = judged(&library);
            assert_eq!(finding.state, State::Failed, "{other}");
            assert!(finding.found.contains(other) && finding.remedy.unwrap().contains("LIBTORCH"));
        }
    }
}
