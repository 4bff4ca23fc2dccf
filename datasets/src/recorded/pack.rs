//! A faster copy of all answers, kept from run to run: one file that is mapped, not read.
//!
//! # What is trusted
//! A pack stands for its sources while each has the size, time of change and inode that it had when it was packed, and
//! the recipe (folder, files and their order, images, classes, ranks) is the same; sources are not read for that. One
//! that was changed less than two seconds before it was read is never packed: a second change within the granularity of
//! its file system's clock would go unseen. The header has a checksum, the length must be right, and the labels of the
//! first and the last model must have their digests; the labels between are believed, as hashing all of them costs as much
//! as reading the sources. Whatever is wrong with a pack, the sources are read instead, and it is written anew.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use memmap2::Mmap;
use tempfile::NamedTempFile;

use super::files::Form;
use crate::stamp::{RACY, Stamp};

const MAGIC: &[u8; 16] = b"bertillon pack 1";

/// 1 in the machine's own byte order: labels are mapped as they lie.
const ORDER: [u8; 8] = 1_u64.to_ne_bytes();

const HEAD: usize = 80;
const RECORD: usize = 56;
const CHECKSUM: usize = 32;

/// Labels of all models.
pub(super) struct Packed {
    pub(super) labels: Arc<dyn AsRef<[u16]> + Send + Sync>,
    pub(super) form: Form,
}

/// A pack mapped to memory.
struct Mapped {
    map: Mmap,
    /// Where the labels start, a multiple of 64.
    start: usize,
}

impl AsRef<[u16]> for Mapped {
    fn as_ref(&self) -> &[u16] {
        bytemuck::cast_slice(&self.map[self.start..])
    }
}

/// Where the pack of a recipe lies.
pub(super) fn path(scratch: &Path, recipe: &blake3::Hash) -> PathBuf {
    scratch.join("recorded").join(format!("{}.packed", &recipe.to_hex()[..32]))
}

/// The pack at `path`, if it stands for files with these stamps.
pub(super) fn open(
    path: &Path,
    recipe: &blake3::Hash,
    stamps: &[Stamp],
    images: usize,
    classes: usize,
) -> Option<Packed> {
    let file = File::open(path).ok()?;
    let bytes = usize::try_from(file.metadata().ok()?.len()).ok()?;
    let start = labels_start(stamps.len())?;
    if bytes < start {
        return None;
    }
    // SAFETY: packs are written to another name and renamed, and nothing of ours writes to one or cuts it afterwards; the
    // scratch folder is the program's own. Labels are plain integers, valid whatever their bits.
    #[expect(unsafe_code, reason = "mapping a file is unsafe because others could change it")]
    let map = unsafe { Mmap::map(&file) }.ok()?;
    let checked = HEAD + RECORD * stamps.len();
    let (header, rest) = map.split_at_checked(checked)?;
    if blake3::hash(header).as_bytes() != rest.get(..CHECKSUM)? {
        return None;
    }
    let ranks = usize::try_from(u64::from_le_bytes(header[72..HEAD].try_into().ok()?)).ok()?;
    let form = Form { images, ranks, classes };
    let labels = stamps.len().checked_mul(images)?.checked_mul(ranks)?;
    if header[..HEAD] != head(recipe, form, stamps.len())
        || labels == 0
        || labels.checked_mul(2)?.checked_add(start)? != bytes
    {
        return None;
    }
    let mut digests = Vec::with_capacity(stamps.len());
    for (record, stamp) in header[HEAD..].as_chunks::<RECORD>().0.iter().zip(stamps) {
        let (stamped, digest) = record.split_at(RECORD - CHECKSUM);
        if stamped != stamp.to_bytes() {
            return None;
        }
        digests.push(blake3::Hash::from_slice(digest).ok()?);
    }
    let labels: Arc<dyn AsRef<[u16]> + Send + Sync> = Arc::new(Mapped { map, start });
    let intact = |model: usize| {
        form.answers(&labels, model).is_ok_and(|answers| answers.digest() == digests[model])
    };
    (intact(0) && intact(stamps.len() - 1)).then_some(Packed { labels, form })
}

/// A pack that is about to be written: its file, made before the sources are read, tells the time of that.
pub(super) struct Packing {
    file: NamedTempFile,
    path: PathBuf,
}

impl Packing {
    /// Starts a pack that will lie at `path`; none where nothing can be written, which harms nobody.
    pub(super) fn start(path: &Path) -> Option<Self> {
        let folder = path.parent()?;
        fs::create_dir_all(folder).ok()?;
        let file =
            tempfile::Builder::new().prefix(".pack").suffix(".tmp").tempfile_in(folder).ok()?;
        Some(Self { file, path: path.to_owned() })
    }

    /// Writes the pack beside the caller's work, unless a source was changed too shortly before it was read.
    pub(super) fn finish(
        self,
        recipe: blake3::Hash,
        form: Form,
        stamps: Vec<Stamp>,
        labels: Arc<dyn AsRef<[u16]> + Send + Sync>,
    ) -> Option<JoinHandle<()>> {
        let started = Stamp::of(&self.file.as_file().metadata().ok()?).modified;
        if stamps.iter().any(|stamp| stamp.modified > started.saturating_sub(RACY)) {
            return None;
        }
        let write = move || {
            // Without a pack the next run reads the sources: slower, not wrong.
            let _ = self.write(&recipe, form, &stamps, &labels);
        };
        thread::Builder::new().name("pack".to_owned()).spawn(write).ok()
    }

    fn write(
        self,
        recipe: &blake3::Hash,
        form: Form,
        stamps: &[Stamp],
        labels: &Arc<dyn AsRef<[u16]> + Send + Sync>,
    ) -> io::Result<()> {
        let mut header = head(recipe, form, stamps.len()).to_vec();
        for (model, stamp) in stamps.iter().enumerate() {
            header.extend(stamp.to_bytes());
            let answers = form.answers(labels, model).map_err(io::Error::other)?;
            header.extend(answers.digest().as_bytes());
        }
        header.extend(blake3::hash(&header).as_bytes());
        header.resize(labels_start(stamps.len()).ok_or(io::ErrorKind::FileTooLarge)?, 0);
        let Self { mut file, path } = self;
        file.write_all(&header)?;
        file.write_all(bytemuck::cast_slice((**labels).as_ref()))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

fn head(recipe: &blake3::Hash, form: Form, models: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(MAGIC);
    head[16..48].copy_from_slice(recipe.as_bytes());
    head[48..56].copy_from_slice(&ORDER);
    let numbers = [models, form.images, form.ranks];
    for (place, number) in head[56..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&(number as u64).to_le_bytes());
    }
    head
}

fn labels_start(models: usize) -> Option<usize> {
    models.checked_mul(RECORD)?.checked_add(HEAD + CHECKSUM)?.checked_next_multiple_of(64)
}
