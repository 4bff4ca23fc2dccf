//! The decoded images of a folder, kept from run to run: one file that is mapped, not decoded.
//!
//! # What is trusted
//! A pack stands for its files while each has the size, time of change and inode that it had when it was read, and they are
//! the same files in the same order, brought to the same form by the same code; files are not read for that. A
//! file that was changed less than two seconds before it was read, or while it was read, is never packed: a second change
//! within the granularity of its file system's clock would go unseen. Every image in a pack has its digest, which is checked.
//! Whatever is wrong with a pack, the files are decoded instead, and it is written anew; where it can't be, nothing is lost.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{
    listing::Listed,
    prepare::{Form, Outcome, Prepared},
};
use crate::stamp::{RACY, Stamp};

const MAGIC: &[u8; 16] = b"bertillon imgs 1";

/// The mark, the length of the index, and the BLAKE3 of the index.
const HEAD: usize = 16 + 8 + 32;

/// Digests of the source of this plugin and of all that it calls in this crate.
const SOURCES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// Where the pack of a list of files lies, and what it must stand for.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// BLAKE3 of how the images were made, and of the stamps of their files.
    recipe: blake3::Hash,
    samples: usize,
}

/// What a pack says of its images.
#[derive(Serialize, Deserialize)]
struct Index {
    recipe: String,
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// BLAKE3 of the file, and of the image's samples.
    Image(String, String),
    Damaged(String),
}

impl Place {
    /// The place below `scratch` for these files in this order and form; it does not depend on what they contain.
    pub(super) fn new(scratch: &Path, form: &Form, files: &[&Listed]) -> Self {
        let mut recipe = blake3::Hasher::new();
        let mut text = |text: &str| {
            recipe.update(&(text.len() as u64).to_le_bytes());
            recipe.update(text.as_bytes());
        };
        text(&format!("{form:?}"));
        text(bertillon::SOURCE_DIGEST);
        text(bertillon::cpu_capability());
        SOURCES
            .iter()
            .filter(|source| source.0 == "image_folder")
            .for_each(|source| text(source.1));
        files.iter().for_each(|file| text(&file.path.to_string_lossy()));
        let name = &recipe.finalize().to_hex()[..32];
        let path = scratch.join("images").join(format!("{name}.packed"));
        files.iter().for_each(|file| {
            recipe.update(&file.stamp.to_bytes());
        });
        Self { path, recipe: recipe.finalize(), samples: form.shape.samples() }
    }

    /// What the pack has, if it is whole and stands for the files.
    pub(super) fn open(&self, first: impl Fn(usize) -> usize) -> Option<Prepared> {
        let file = File::open(&self.path).ok()?;
        // SAFETY: packs are written to another name and renamed, and nothing of ours writes to one or cuts it afterwards; the
        // scratch folder is the program's own. Samples are plain bytes, valid whatever their bits.
        #[expect(unsafe_code, reason = "mapping a file is unsafe because others could change it")]
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let (head, rest) = map.split_at_checked(HEAD)?;
        let (magic, head) = head.split_at(MAGIC.len());
        let (length, digest) = head.split_at(8);
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let (index, samples) = rest.split_at_checked(length)?;
        if magic != MAGIC || blake3::hash(index).as_bytes() != digest {
            return None;
        }
        let Index { recipe, entries } = serde_json::from_slice(index).ok()?;
        let digest = |hex: &str| blake3::Hash::from_hex(hex).ok();
        if digest(&recipe)? != self.recipe {
            return None;
        }
        let (mut outcomes, mut digests) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            outcomes.push(match entry {
                Entry::Image(file, image) => {
                    digests.push(digest(&image)?);
                    Outcome::Image(digest(&file)?)
                }
                Entry::Damaged(why) => Outcome::Damaged(why),
            });
        }
        if digests.len().checked_mul(self.samples)? != samples.len() {
            return None;
        }
        let (one, other) = samples.split_at(first(digests.len()) * self.samples);
        let (one_digests, other_digests) = digests.split_at(first(digests.len()));
        let parts = [self.copied(one, one_digests)?, self.copied(other, other_digests)?];
        Some(Prepared { outcomes, parts, settled: true })
    }

    /// A copy of the images, if they have these digests; taken side by side, as most of its time goes into new memory.
    fn copied(&self, images: &[u8], digests: &[blake3::Hash]) -> Option<Arc<[u8]>> {
        if digests.len() * self.samples != images.len() {
            return None;
        }
        let mut copy = Arc::<[u8]>::new_uninit_slice(images.len());
        let slots = Arc::get_mut(&mut copy)?.par_chunks_exact_mut(self.samples);
        let images = images.par_chunks_exact(self.samples).zip(digests);
        let intact = slots.zip(images).with_min_len(8).all(|(slot, (image, digest))| {
            blake3::hash(slot.write_copy_of_slice(image)) == *digest
        });
        // SAFETY: there are as many slots as images and digests, they are all of the copy, and each was written: only an
        // image of another digest ends the iteration before.
        #[expect(unsafe_code, reason = "zeroing the memory first would take as long as copying")]
        intact.then(|| unsafe { copy.assume_init() })
    }
}

/// A pack that is about to be written: its file, made before the files of images are read, tells the time of that.
pub(super) struct Packing {
    file: NamedTempFile,
    place: Place,
}

impl Packing {
    /// Starts a pack; none where nothing can be written, which harms nobody.
    pub(super) fn start(place: Place) -> Option<Self> {
        let folder = place.path.parent()?;
        fs::create_dir_all(folder).ok()?;
        let file =
            tempfile::Builder::new().prefix(".pack").suffix(".tmp").tempfile_in(folder).ok()?;
        Some(Self { file, place })
    }

    /// Writes the pack, unless a file was changed too shortly before it was read or since. On a full disk there is none.
    pub(super) fn finish(self, files: &[&Listed], prepared: &Prepared) {
        let Ok(metadata) = self.file.as_file().metadata() else { return };
        let latest = Stamp::of(&metadata).modified.saturating_sub(RACY);
        if prepared.settled && files.iter().all(|file| file.stamp.modified <= latest) {
            // Without a pack the next run decodes the files: slower, not wrong.
            let _ = self.write(prepared);
        }
    }

    fn write(self, prepared: &Prepared) -> io::Result<()> {
        let Self { mut file, place } = self;
        let samples = place.samples;
        let images = || prepared.parts.iter().flat_map(|part| part.chunks_exact(samples));
        let images: Vec<&[u8]> = images().collect();
        let digests: Vec<blake3::Hash> =
            images.par_iter().map(|image| blake3::hash(image)).collect();
        let mut digests = digests.iter();
        let mut entries = Vec::with_capacity(prepared.outcomes.len());
        for outcome in &prepared.outcomes {
            entries.push(match outcome {
                Outcome::Image(file) => {
                    let image = digests.next().ok_or(io::ErrorKind::InvalidData)?;
                    Entry::Image(file.to_hex().to_string(), image.to_hex().to_string())
                }
                Outcome::Damaged(why) => Entry::Damaged(why.clone()),
            });
        }
        let index = Index { recipe: place.recipe.to_hex().to_string(), entries };
        let index = serde_json::to_vec(&index)?;
        file.write_all(MAGIC)?;
        file.write_all(&(index.len() as u64).to_le_bytes())?;
        file.write_all(blake3::hash(&index).as_bytes())?;
        file.write_all(&index)?;
        for part in &prepared.parts {
            file.write_all(part)?;
        }
        // Not synced: digests tell what a loss of power left.
        file.persist(&place.path)?;
        Ok(())
    }
}

impl Prepared {
    /// The pack of these files where there is one, else the files themselves, which are then packed.
    pub(super) fn load(
        form: &Form,
        files: &[&Listed],
        scratch: Option<&Path>,
        first: impl Fn(usize) -> usize + Copy,
    ) -> bertillon::Result<Self> {
        let Some(scratch) = scratch else { return form.prepare(files, first) };
        let place = Place::new(scratch, form, files);
        if let Some(prepared) = place.open(first) {
            return Ok(prepared);
        }
        let packing = Packing::start(place);
        let prepared = form.prepare(files, first)?;
        if let Some(packing) = packing {
            packing.finish(files, &prepared);
        }
        Ok(prepared)
    }
}
