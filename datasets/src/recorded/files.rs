//! From the files of a folder to one matrix of labels.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bertillon::{
    Answers, Error, Result,
    npy::{self, Content, Decoder},
    untrusted::plain_file,
};
use rayon::prelude::*;

use crate::stamp::Stamp;

/// Ranks that are taken of scores, unless a manifest says otherwise.
const RANKS: usize = 5;

/// Files that a thread reads before it may be given others, so that few buffers are made.
const BATCH: usize = 16;

/// A file of recorded answers.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// BLAKE3 of its answers, where it was published.
    pub(super) digest: Option<String>,
}

/// What all files of a recording have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) images: usize,
    pub(super) ranks: usize,
    pub(super) classes: usize,
}

impl Form {
    /// Labels of one model.
    pub(super) fn labels(self) -> usize {
        self.images * self.ranks
    }

    /// The answers of one model of all.
    pub(super) fn answers(
        self,
        labels: &Arc<dyn AsRef<[u16]> + Send + Sync>,
        model: usize,
    ) -> Result<Answers> {
        let range = model * self.labels()..(model + 1) * self.labels();
        Ok(Answers::shared(Arc::clone(labels), range, self.ranks)?)
    }
}

/// The stamps of all files.
pub(super) fn stamps(sources: &[Source]) -> Result<Vec<Stamp>> {
    let stamp = |source: &Source| plain_file(&source.path).map(|metadata| Stamp::of(&metadata));
    let stamps: Vec<_> = sources.par_iter().with_min_len(BATCH).map(stamp).collect();
    let named = stamps.into_iter().zip(sources);
    named.map(|(stamp, source)| stamp.map_err(|error| unreadable(&source.path, &error))).collect()
}

/// How many ranks the answers have: as many as wanted, or else as the first file has.
pub(super) fn ranks(first: &Source, wanted: Option<usize>) -> Result<usize> {
    if let Some(wanted) = wanted {
        return Ok(wanted);
    }
    Ok(match content(&first.path)? {
        Content::Labels { ranks, .. } => ranks,
        Content::Scores { classes, .. } => classes.min(RANKS),
    })
}

/// Reads all files to u16 `[models, images, ranks]`, each of which must still bear its stamp before and after it was read.
///
/// `wanted` is how many ranks the user asked for: files of labels may have more then, and not otherwise.
pub(super) fn read(
    sources: &[Source],
    stamps: &[Stamp],
    form: Form,
    wanted: Option<usize>,
) -> Result<Vec<u16>> {
    // Memory is set aside for what the files can hold, a byte or more each label.
    for (source, stamp) in sources.iter().zip(stamps) {
        if stamp.bytes < form.labels() as u64 {
            check(&source.path, content(&source.path)?, form, wanted)?;
        }
    }
    let mut labels = vec![0; sources.len() * form.labels()];
    let read: Vec<Result<()>> = labels
        .par_chunks_exact_mut(form.labels())
        .zip(sources.par_iter().zip(stamps))
        .with_min_len(BATCH)
        .map_init(Decoder::default, |decoder, (labels, (source, stamp))| {
            read_one(decoder, source, *stamp, form, wanted, labels)
        })
        .collect();
    read.into_iter().collect::<Result<()>>()?;
    Ok(labels)
}

fn read_one(
    decoder: &mut Decoder,
    source: &Source,
    stamp: Stamp,
    form: Form,
    wanted: Option<usize>,
    labels: &mut [u16],
) -> Result<()> {
    let path = &source.path;
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    unchanged(path, &file, stamp)?;
    let answers = (|| {
        let array = decoder.open(&file, stamp.bytes).map_err(|error| broken(path, &error))?;
        let content = array.header().content().map_err(|error| broken(path, &error))?;
        check(path, content, form, wanted)?;
        array.labels(form.ranks, form.classes, labels).map_err(|error| broken(path, &error))
    })();
    // A file that changed meanwhile explains whatever is wrong with it.
    unchanged(path, &file, stamp)?;
    answers?;
    let Some(published) = &source.digest else {
        return Ok(());
    };
    let digest = Answers::new(&*labels, form.ranks)?.digest().to_hex();
    match *published == digest.as_str() {
        true => Ok(()),
        false => {
            let problem = format!(
                "its answers have the digest {digest}, the manifest says {published}: it was changed or mixed up; \
                 get the published file, or correct the manifest"
            );
            Err(Error::file(path, problem))
        }
    }
}

/// The labels of one file with one label an image, all below `classes`, and its stamp.
pub(super) fn read_truth(path: &Path, classes: usize) -> Result<(Vec<u16>, Stamp)> {
    let metadata = plain_file(path).map_err(|error| unreadable(path, &error))?;
    let stamp = Stamp::of(&metadata);
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut decoder = Decoder::default();
    let array = decoder.open(&file, stamp.bytes).map_err(|error| broken(path, &error))?;
    let Content::Labels { images, ranks: 1 } =
        array.header().content().map_err(|error| broken(path, &error))?
    else {
        let problem = "true labels are integers, one an image; write them so with numpy.save";
        return Err(Error::file(path, problem));
    };
    let mut labels = vec![0; images];
    array.labels(1, classes, &mut labels).map_err(|error| broken(path, &error))?;
    unchanged(path, &file, stamp)?;
    Ok((labels, stamp))
}

/// How many names a file of image names has; none where it can't be told.
pub(super) fn count_names(path: &Path) -> Option<u64> {
    let bytes = plain_file(path).ok()?.len();
    let file = File::open(path).ok()?;
    match Decoder::default().open(&file, bytes).ok()?.header().shape[..] {
        [names] => Some(names),
        _ => None,
    }
}

fn content(path: &Path) -> Result<Content> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let bytes = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let mut decoder = Decoder::default();
    let array = decoder.open(file, bytes).map_err(|error| broken(path, &error))?;
    array.header().content().map_err(|error| broken(path, &error))
}

/// Whether a file has the images and ranks of the recording.
fn check(path: &Path, content: Content, form: Form, wanted: Option<usize>) -> Result<()> {
    if content.images() != form.images {
        let problem = format!(
            "it answers {} images, the ground truth has {}; record all models on the same images",
            content.images(),
            form.images
        );
        return Err(Error::file(path, problem));
    }
    let (ranks, exactly) = match content {
        Content::Labels { ranks, .. } => (ranks, wanted.is_none()),
        Content::Scores { classes, .. } => (classes, false),
    };
    if ranks < form.ranks || (exactly && ranks != form.ranks) {
        let problem = format!(
            "it has top-{ranks} answers, the recording has top-{}; record all models with the same access, or \
             set `access` in a manifest to what all of them have",
            form.ranks
        );
        return Err(Error::file(path, problem));
    }
    Ok(())
}

fn unchanged(path: &Path, file: &File, stamp: Stamp) -> Result<()> {
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if Stamp::of(&metadata) == stamp {
        return Ok(());
    }
    let problem = "it changed while it was read; wait until it is written, and run again";
    Err(Error::file(path, problem))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::file(path, format!("can't be read: {error}; check the path and its permissions"))
}

fn broken(path: &Path, error: &npy::Error) -> Error {
    match error {
        npy::Error::Read(error) => unreadable(path, error),
        _ => Error::file(path, error),
    }
}
