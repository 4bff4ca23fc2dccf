//! All images of a folder at one size, decoded side by side.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    iter,
    sync::{Arc, Mutex, PoisonError},
};

use bertillon::{ImageShape, Images, Preprocessing, Resize, Result};
use rayon::prelude::*;

use super::{
    decode::{self, Damage, Pixels},
    listing::Listed,
};
use crate::stamp::Stamp;

/// Images of more pixels are decoded one at a time, whatever the threads: libtorch resizes in floats.
const LARGE: usize = 8 << 20;

/// What every image is brought to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) shape: ImageShape,
    pub(super) preprocessing: Preprocessing,
    pub(super) max_pixels: usize,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An image; BLAKE3 of the file.
    Image(blake3::Hash),
    /// Nothing, and why.
    Damaged(String),
}

/// All files of a list.
#[derive(Debug)]
pub(super) struct Prepared {
    /// One a file.
    pub(super) outcomes: Vec<Outcome>,
    /// Samples of the images, one after the other: the first of them, as many as were wanted, and all others.
    pub(super) parts: [Arc<[u8]>; 2],
    /// Whether no file changed while it was read.
    pub(super) settled: bool,
}

impl Outcome {
    pub(super) fn is_image(&self) -> bool {
        matches!(self, Self::Image(_))
    }
}

impl Form {
    /// Decodes all files. `first` tells how many of so many images the first part has.
    pub(super) fn prepare(
        &self,
        files: &[&Listed],
        first: impl Fn(usize) -> usize,
    ) -> Result<Prepared> {
        let size = self.shape.samples();
        let counts = [first(files.len()), files.len() - first(files.len())];
        let mut parts = counts.map(|count| iter::repeat_n(0, count * size).collect::<Arc<[u8]>>());
        let alone = Mutex::new(());
        let slots = parts.iter_mut().flat_map(|part| {
            Arc::get_mut(part).expect("nobody else has it yet").chunks_exact_mut(size)
        });
        let slots: Vec<&mut [u8]> = slots.collect();
        let read =
            slots.into_par_iter().zip(files).map(|(slot, file)| self.one(file, slot, &alone));
        let read: Vec<Result<(Outcome, bool)>> = read.collect();
        let read: Vec<(Outcome, bool)> = read.into_iter().collect::<Result<_>>()?;
        let settled = read.iter().all(|(_, settled)| *settled);
        let mut outcomes: Vec<Outcome> = read.into_iter().map(|(outcome, _)| outcome).collect();
        mark_twins(files, &mut outcomes);
        if !outcomes.iter().all(Outcome::is_image) {
            let images = parts.iter().flat_map(|part| part.chunks_exact(size)).zip(&outcomes);
            let mut good: Vec<u8> = Vec::new();
            images
                .filter(|(_, outcome)| outcome.is_image())
                .for_each(|(image, _)| good.extend_from_slice(image));
            let (one, other) = good.split_at(first(good.len() / size) * size);
            parts = [one.into(), other.into()];
        }
        Ok(Prepared { outcomes, parts, settled })
    }

    /// Decodes one file into its slot, and tells whether it stayed what it was.
    fn one(&self, file: &Listed, slot: &mut [u8], alone: &Mutex<()>) -> Result<(Outcome, bool)> {
        let (bytes, settled) = match self.read(file) {
            Ok(read) => read,
            Err(damage) => return Ok((Outcome::Damaged(damage.to_string()), true)),
        };
        let outcome = match self.image(&bytes, slot, alone)? {
            Ok(()) => Outcome::Image(blake3::hash(&bytes)),
            Err(damage) => Outcome::Damaged(damage.to_string()),
        };
        Ok((outcome, settled))
    }

    fn read(&self, file: &Listed) -> Result<(Vec<u8>, bool), Damage> {
        let unreadable = |error: io::Error| Damage::Unreadable(error.to_string());
        // No compression makes more than 8 bytes of a pixel, in 16 bits and with alpha; the rest is for what goes with it.
        let most = (self.max_pixels as u64).saturating_mul(8).saturating_add(64 << 20);
        if file.stamp.bytes > most {
            return Err(Damage::TooLong { bytes: file.stamp.bytes });
        }
        let opened = File::open(&file.path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        (&opened).take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        let stamp = Stamp::of(&opened.metadata().map_err(unreadable)?);
        Ok((bytes, stamp == file.stamp))
    }

    /// Brings the image of a file into `slot`, `[C, H, W]`.
    fn image(&self, file: &[u8], slot: &mut [u8], alone: &Mutex<()>) -> Result<Result<(), Damage>> {
        let header = match decode::header(file) {
            Ok(header) => header,
            Err(damage) => return Ok(Err(damage)),
        };
        let (height, width, most) = (header.height, header.width, self.max_pixels);
        if header.pixels() > most {
            return Ok(Err(Damage::TooLarge { height, width, most }));
        }
        if let Resize::Shorter(side) = self.preprocessing.resize
            && let shorter = height.min(width).max(1)
            && let resized = [height, width].map(|length| side.saturating_mul(length) / shorter)
            && resized[0].saturating_mul(resized[1]) > most.max(self.shape.samples())
        {
            return Ok(Err(Damage::TooNarrow { height: resized[0], width: resized[1] }));
        }
        let _alone =
            (header.pixels() > LARGE).then(|| alone.lock().unwrap_or_else(PoisonError::into_inner));
        let Pixels { channels, samples } = match decode::decode(file, header.format) {
            Ok(pixels) => pixels.with_channels(self.shape.channels),
            Err(damage) => return Ok(Err(damage)),
        };
        // A channel at a time: the floats of a large image take four times its memory.
        let from = ImageShape { channels: 1, height, width };
        let to = ImageShape { channels: 1, ..self.shape };
        for (channel, slot) in slot.chunks_exact_mut(to.samples()).enumerate() {
            let plane: Arc<[u8]> = match channels {
                1 => samples[..].into(),
                _ => samples.chunks_exact(channels).map(|pixel| pixel[channel]).collect(),
            };
            let fitted = self.preprocessing.apply(&Images::new(plane, from)?, to)?;
            slot.copy_from_slice(fitted.as_bytes());
        }
        Ok(Ok(()))
    }
}

/// Of files with the same bytes, only the first by name is an image.
fn mark_twins(files: &[&Listed], outcomes: &mut [Outcome]) {
    let mut first: HashMap<blake3::Hash, &str> = HashMap::with_capacity(files.len());
    for (file, outcome) in files.iter().zip(&*outcomes) {
        if let Outcome::Image(digest) = outcome {
            let name = first.entry(*digest).or_insert(&file.name);
            *name = (*name).min(&file.name);
        }
    }
    for (file, outcome) in files.iter().zip(outcomes) {
        if let Outcome::Image(digest) = outcome
            && first[digest] != file.name
        {
            *outcome = Outcome::Damaged(Damage::Twin(first[digest].to_owned()).to_string());
        }
    }
}
