//! Folders that are written for a test, and what is read from them.

mod bad_input;
mod golden;
mod packs;
mod splits;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bertillon::{Configure, ImageRequest, ImageSource, Result, Split};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder of images, and one for packs, that are removed with the value.
struct Folder {
    images: TempDir,
    scratch: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { images: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap() }
    }

    /// Three classes, `a` to `c`, of four grey images each.
    fn of_classes() -> Self {
        let folder = Self::new();
        for i in 0..12_u8 {
            folder.write(&format!("{}/{i}.png", ["a", "b", "c"][usize::from(i) / 4]), flat(i));
        }
        folder
    }

    fn path(&self) -> &Path {
        self.images.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Moves the time of change of all files into the past.
    fn age(&self) {
        age_below(self.path());
    }

    /// With small grey images, and what else is set.
    fn source(&self, set: Value) -> Result<ImageFolder> {
        let mut parameters = json!({ "path": self.path(), "size": 4, "channels": 1 });
        parameters.as_object_mut().unwrap().extend(set.as_object().unwrap().clone());
        ImageFolder::configure(serde_json::from_value(parameters).unwrap())
    }

    fn load(&self, set: Value) -> Result<Split> {
        self.source(set)?.load(&ImageRequest::default())
    }

    fn skipping(&self, set: Value) -> Result<Split> {
        let request = ImageRequest { skip_bad_images: true, ..ImageRequest::default() };
        self.source(set)?.load(&request)
    }

    /// The pool, and from scratch.
    fn packed(&self, request: ImageRequest<'_>) -> Result<Split> {
        let request = ImageRequest { scratch: Some(self.scratch.path()), ..request };
        self.source(json!({}))?.load(&request)
    }
}

fn age_below(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age_below(&path);
        } else {
            age(&path, 60);
        }
    }
}

/// Moves the time of a file's last change into the past.
fn age(path: &Path, seconds: u64) {
    let modified = path.metadata().unwrap().modified().unwrap();
    set_modified(path, modified - Duration::from_secs(seconds));
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A PNG of these samples, of 1 or 3 channels.
fn png(height: u32, width: u32, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, width, height);
    if samples.len() == (3 * height * width) as usize {
        encoder.set_color(::png::ColorType::Rgb);
    }
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
    file
}

/// A grey PNG of 5x6 pixels of one level.
fn flat(level: u8) -> Vec<u8> {
    png(5, 6, &[level; 30])
}

/// Level and label of every flat image of a split, the pool's first.
fn levels(split: &Split) -> Vec<(u8, u16)> {
    let thief = split.thief.as_ref().unwrap();
    let of = |images: &Images, labels: &[u16]| -> Vec<(u8, u16)> {
        assert_eq!(images.len(), labels.len());
        labels.iter().enumerate().map(|(i, &label)| (images.image(i)[0], label)).collect()
    };
    let mut levels = of(split.pool.images.as_ref().unwrap(), &split.pool.truth);
    levels.extend(of(&thief.images, &thief.labels));
    levels
}
