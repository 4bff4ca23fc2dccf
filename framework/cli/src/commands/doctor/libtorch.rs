//! Whether the libtorch that this program found is the one that it was made for.

use std::path::Path;

use bertillon_build::libtorch_version;
use tch::Cuda;

use super::Finding;
use crate::device::{self, Library, WANTED};

/// What tch 0.24 binds; of another version, functions may be missing or take other arguments.
const EXPECTED: &str = "2.11.0";

pub(super) fn version() -> Finding {
    match device::loaded("libtorch_cpu") {
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

/// Whether runs can use a GPU: CUDA's part of libtorch, the driver, the devices, in the order in which they are needed.
pub(super) fn cuda() -> Vec<Finding> {
    let (library, driver) = (device::library(), device::driver());
    let mut findings = vec![judged_library(library), judged_driver(&driver)];
    if matches!(library, Library::Open(_)) && driver.is_ok() {
        findings.push(devices());
    }
    findings
}

fn judged_library(library: &Library) -> Finding {
    let check = "libtorch's CUDA";
    match library {
        Library::Open(path) => Finding::ok(check, format!("from {}", path.display())),
        Library::Refused { reasons, named } => {
            let found = reasons.join("; ");
            match named {
                true => Finding::failed(check, found, format!("{WANTED}, or unset it")),
                false => Finding::note(check, found, format!("for a GPU: {WANTED}")),
            }
        }
        Library::Absent => Finding::note(
            check,
            "not found; runs use the processor",
            format!("for a GPU: {WANTED}"),
        ),
    }
}

fn judged_driver(driver: &Result<(), String>) -> Finding {
    match driver {
        Ok(()) => Finding::ok("CUDA driver", "loads"),
        Err(error) => Finding::note(
            "CUDA driver",
            format!("{error}; runs use the processor"),
            "for a GPU: install NVIDIA's driver, and see that `nvidia-smi` names the GPU",
        ),
    }
}

fn devices() -> Finding {
    match Cuda::is_available() {
        true => {
            let devices = Cuda::device_count();
            Finding::ok("CUDA devices", format!("{devices}: --device auto uses the first"))
        }
        false => Finding::note(
            "CUDA devices",
            "none; runs use the processor",
            "for a GPU: see what `nvidia-smi` says, and whether its driver is new enough for this CUDA",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

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

    #[test]
    fn what_a_gpu_lacks_is_told_and_fails_only_where_it_was_asked_for() {
        let refused = |named| Library::Refused { reasons: vec!["of 2.10".to_owned()], named };
        assert_eq!(judged_library(&refused(false)).state, State::Note);
        let finding = judged_library(&refused(true));
        assert_eq!((finding.state, finding.found.as_str()), (State::Failed, "of 2.10"));
        for finding in [judged_library(&Library::Absent), judged_driver(&Err("none".to_owned()))] {
            assert_eq!(finding.state, State::Note);
            assert!(finding.remedy.unwrap().contains("for a GPU"));
        }
        let open = Library::Open(PathBuf::from("/x/libtorch_cuda.so"));
        assert_eq!(judged_library(&open).state, State::Ok);
    }
}
