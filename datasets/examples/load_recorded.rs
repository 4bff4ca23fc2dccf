//! Time and memory of loading a folder of recorded answers: `load_recorded FOLDER TIMES [bytes|configure|first|packed]...`.
//!
//! `bytes` reads the files into one reused buffer a thread, `first` loads them and writes no pack, `packed` loads the pack
//! that an untimed load wrote. Each is done so many times; the least wall and processor time count. Threads:
//! `RAYON_NUM_THREADS`.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod timing;

use std::{
    fs::{self, File},
    hint::black_box,
    io::Read,
    path::{Path, PathBuf},
};

use bertillon::{Configure, Error, ModelCollection, Result};
use bertillon_datasets::{
    RecordedAnswers,
    recorded::{Layout, Parameters},
};
use rayon::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage =
        || Error::Refused("load_recorded FOLDER TIMES [bytes|configure|first|packed]...".into());
    let folder = PathBuf::from(arguments.next().ok_or_else(usage)?);
    let times = arguments.next().and_then(|times| times.parse().ok()).ok_or_else(usage)?;
    let configure = || {
        RecordedAnswers::configure(Parameters {
            path: folder.clone(),
            layout: Some(Layout::Fbi),
            ..Parameters::default()
        })
    };
    let scratch = tempfile::tempdir().map_err(|error| Error::file("scratch", error))?;
    // A folder below a file can't be made, hence no pack.
    let nowhere = tempfile::NamedTempFile::new().map_err(|error| Error::file("scratch", error))?;
    for what in arguments {
        let files = files(&folder)?;
        let collection = configure()?;
        match &what[..] {
            "bytes" => report(&what, times, || {
                read(&files);
                Ok(())
            })?,
            "configure" => report(&what, times, || configure().map(|_| ()))?,
            "first" => {
                report(&what, times, || {
                    collection.recorded(&nowhere.path().join("x")).map(|_| ())
                })?;
            }
            "packed" => {
                configure()?.recorded(scratch.path())?;
                report(&what, times, || collection.recorded(scratch.path()).map(|_| ()))?;
            }
            _ => return Err(usage()),
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    Ok(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
}

fn read(files: &[PathBuf]) {
    files.par_iter().with_min_len(16).for_each_init(
        || vec![0; 1 << 20],
        |buffer, path| {
            let Ok(mut file) = File::open(path) else { return };
            while file.read(buffer).is_ok_and(|n| n > 0) {
                black_box(&buffer);
            }
        },
    );
}

fn report(what: &str, times: usize, work: impl FnMut() -> Result<()>) -> Result<()> {
    println!("{what}: {}, peak {}", timing::least(times, work)?, peak());
    Ok(())
}

fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |peak| peak.trim().to_owned())
}
