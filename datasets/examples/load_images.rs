//! Time of loading a folder of images with a list of labels: `load_images FOLDER LIST IMAGES TIMES`.
//!
//! `first` decodes all files and keeps nothing, `packed` loads the pack that an untimed load wrote: the least wall and
//! processor time of so many. Threads: `RAYON_NUM_THREADS`, and `OMP_NUM_THREADS` for libtorch's own.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use bertillon::{Configure, Error, ImageRequest, ImageSource, Result};
use bertillon_datasets::{ImageFolder, ImageFolderParameters};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::Refused("load_images FOLDER LIST IMAGES TIMES".into());
    let [folder, list, images, times] = &arguments[..] else { return Err(usage()) };
    let times: usize = times.parse().map_err(|_| usage())?;
    let source = ImageFolder::configure(ImageFolderParameters {
        path: folder.into(),
        labels: Some(list.clone()),
        images: Some(images.clone()),
        ..ImageFolderParameters::default()
    })?;
    let scratch = tempfile::tempdir().map_err(|error| Error::file("scratch", error))?;
    let load = |scratch: Option<&Path>| {
        source.load(&ImageRequest { scratch, skip_bad_images: true, pool: None })
    };
    let split = load(Some(scratch.path()))?;
    let thiefs = split.thief.as_ref().map_or(0, |thief| thief.len());
    println!("{} images of the pool, {thiefs} of the thief", split.pool.len());
    for (what, scratch) in [("first", None), ("packed", Some(scratch.path()))] {
        let (mut wall, mut processor) = (Duration::MAX, Duration::MAX);
        for _ in 0..times {
            let (started, before) = (Instant::now(), processor_time());
            load(scratch)?;
            wall = wall.min(started.elapsed());
            processor = processor.min(processor_time().saturating_sub(before));
        }
        println!("{what}: {wall:.1?} wall, {processor:.1?} processor");
    }
    Ok(())
}

/// Of all threads, as Linux counts it; zero elsewhere.
fn processor_time() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let ran = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    ran.sum()
}
