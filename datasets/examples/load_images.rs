//! Time of loading a folder of images with a list of labels: `load_images FOLDER LIST IMAGES TIMES`.
//!
//! `first` decodes all files and keeps nothing, `packed` loads the pack that an untimed load wrote: the least wall and
//! processor time of so many. Threads: `RAYON_NUM_THREADS`, and `OMP_NUM_THREADS` for libtorch's own.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod timing;

use std::path::Path;

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
        println!("{what}: {}", timing::least(times, || load(scratch).map(drop))?);
    }
    Ok(())
}
