//! Labels and scores from `.npy` files, which `numpy.save` writes.
//!
//! Layout of a file: `\x93NUMPY`, two bytes of version, the length of the header, the header (a Python literal), the
//! data; NEP 1, <https://numpy.org/neps/nep-0001-npy-format.html>. The header is read by a parser of its own: it is
//! one flat dictionary, and of what a file claims nothing is believed before it was compared with the file's length
//! (a general parser allocates the header it was promised, recurses into it and multiplies the shape).
//!
//! - Integers of 1, 2, 4 or 8 bytes, `[images]` or `[images, ranks]`, are labels, best first.
//! - Floats of 2, 4 or 8 bytes, `[images, classes]`, are probabilities or logits, and ranked: ties go to the lower class.
//!
//! Pickled objects are refused unseen. Files stream through one block, so that a file of scores need not fit in memory.

mod decode;
mod header;
#[cfg(test)]
mod tests;

use std::{fs::File, io, path::Path};

pub use decode::{Array, Decoder};
pub use header::Header;

use crate::Answers;

/// Most classes, hence scores a row and ranks, that labels of 16 bits tell apart.
pub const MAX_CLASSES: usize = 1 << 16;

/// Type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// What its bytes mean.
    pub kind: Kind,
    /// How many bytes it has: 1, 2, 4 or 8, but for text.
    pub bytes: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// What the bytes of an element mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A signed integer.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// An IEEE 754 float.
    Float,
    /// Text of fixed length.
    Text,
}

/// What a file tells about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Labels, best first.
    Labels {
        /// Images asked.
        images: usize,
        /// Labels for each.
        ranks: usize,
    },
    /// One probability or logit for each class.
    Scores {
        /// Images asked.
        images: usize,
        /// Classes.
        classes: usize,
    },
}

impl Content {
    /// Images asked.
    pub fn images(self) -> usize {
        match self {
            Self::Labels { images, .. } | Self::Scores { images, .. } => images,
        }
    }

    /// Most ranks that can be had.
    pub fn ranks(self) -> usize {
        match self {
            Self::Labels { ranks, .. } => ranks,
            Self::Scores { classes, .. } => classes,
        }
    }
}

/// Why a file can't be used, and what to do; whoever knows the file's name says it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Other bytes at the start.
    #[error(
        "no .npy file: it starts with {start:02x?}, not with \\x93NUMPY; write it with numpy.save"
    )]
    NotNpy {
        /// The first bytes, six at most.
        start: Vec<u8>,
    },
    /// An unknown version of the format.
    #[error(
        "version {0}.{1} of the .npy format is unknown (1.0, 2.0 and 3.0 are known); write it again with numpy.save"
    )]
    Version(u8, u8),
    /// A header longer than the file, or than any header of labels.
    #[error(
        "its header claims {claimed} bytes, {there} are there or allowed: it is truncated or damaged; copy it again"
    )]
    HeaderLength {
        /// Bytes promised.
        claimed: usize,
        /// Bytes present, or the most that is read.
        there: usize,
    },
    /// A header that is no such dictionary.
    #[error(
        "its header is broken: expected {expected}, found `{found}`; write it again with numpy.save"
    )]
    Header {
        /// What should be there.
        expected: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// Pickled Python objects.
    #[error(
        "it holds pickled Python objects (dtype object), which are never unpickled; write the labels with \
         numpy.save(file, labels.astype('uint16'))"
    )]
    Object,
    /// Several fields an element.
    #[error(
        "its elements have several fields (a structured dtype); write the field with the labels alone, as integers"
    )]
    Structured,
    /// Elements that are neither labels nor scores.
    #[error(
        "dtype `{0}` is neither an integer of 1, 2, 4 or 8 bytes (labels) nor a float of 2, 4 or 8 (scores); \
         convert it with astype"
    )]
    Dtype(String),
    /// An array that is neither labels nor scores.
    #[error("its shape is {}: {problem}", python(shape))]
    Shape {
        /// Sizes of the dimensions.
        shape: Vec<u64>,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// More or fewer bytes than the shape says.
    #[error(
        "its shape {} takes {} bytes of data, {actual} are there: it is truncated, damaged or still being written; \
         copy or write it again",
        python(shape), expected.map_or("more than 2^127".to_owned(), |bytes| bytes.to_string())
    )]
    Size {
        /// Sizes of the dimensions.
        shape: Vec<u64>,
        /// Bytes that they take; none where the number is absurd.
        expected: Option<u128>,
        /// Bytes after the header.
        actual: u64,
    },
    /// A label that is no class.
    #[error(
        "label {value} of image {image} (rank {rank}) is none of the classes 0 to {}; correct it, or set `classes`",
        classes - 1
    )]
    Label {
        /// Index of the image.
        image: usize,
        /// Rank of the label, 0 the best.
        rank: usize,
        /// Its value.
        value: i128,
        /// Number of classes.
        classes: usize,
    },
    /// More scores a row than classes.
    #[error("its rows have {columns} scores, but there are {classes} classes; set `classes`")]
    Classes {
        /// Scores a row.
        columns: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A score that can't be ranked.
    #[error(
        "the score of class {class} for image {image} is NaN, which has no rank; ask the model again"
    )]
    Nan {
        /// Index of the image.
        image: usize,
        /// Its class.
        class: usize,
    },
    /// Fewer ranks than wanted.
    #[error("top-{wanted} labels are wanted, it has top-{available}")]
    Ranks {
        /// Ranks wanted.
        wanted: usize,
        /// Ranks in the file.
        available: usize,
    },
    /// The system refused.
    #[error("can't be read")]
    Read(#[from] io::Error),
}

/// Result of reading a file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The answers of one model in the file at `path`: `ranks` labels an image, all below `classes`.
///
/// # Errors
/// When the file holds neither labels nor scores, too few ranks, or a label or score that is none.
///
/// # Panics
/// When `ranks` is zero.
pub fn read_answers(path: &Path, ranks: usize, classes: usize) -> Result<Answers> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut decoder = Decoder::default();
    let array = decoder.open(file, bytes)?;
    // No more than the file holds, whose length was compared with its shape.
    let content = array.header().content()?;
    let mut labels = vec![0; content.images() * ranks.min(content.ranks())];
    array.labels(ranks, classes, &mut labels)?;
    let available = content.ranks();
    Answers::new(labels, ranks).map_err(|_| Error::Ranks { wanted: ranks, available })
}

/// A file of labels, `ranks` an image: u16, little-endian, `[images]` for one rank and `[images, ranks]` else.
///
/// # Panics
/// When `ranks` is zero.
pub fn to_bytes(labels: &[u16], ranks: usize) -> Vec<u8> {
    let images = labels.len() / ranks;
    let shape: &[usize] = if ranks == 1 { &[images] } else { &[images, ranks] };
    encode_labels(shape, labels)
}

/// A file of labels of any shape: u16, little-endian, the last dimension varying fastest.
///
/// # Panics
/// When there are more than eight dimensions.
pub fn encode_labels(shape: &[usize], labels: &[u16]) -> Vec<u8> {
    let data: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    encode("<u2", shape, &data)
}

/// A file of any array: `data` holds elements of type `dtype`, as numpy names it (`|u1`, `<u2`), the last dimension
/// varying fastest.
///
/// # Panics
/// When there are more than eight dimensions.
pub fn encode(dtype: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    assert!(shape.len() <= SHOWN, "{} dimensions", shape.len());
    let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    let shape = python(&shape);
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    // As numpy does: the data starts at a multiple of 64 bytes, after a line feed.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(length - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(length).expect("few dimensions");
    let mut file = Vec::with_capacity(10 + header.len() + data.len());
    file.extend(b"\x93NUMPY\x01\x00");
    file.extend(length.to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// Dimensions of a shape that are shown.
const SHOWN: usize = 8;

/// A shape as Python writes it.
fn python(shape: &[u64]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let sizes: Vec<String> = shape.iter().take(SHOWN).map(u64::to_string).collect();
            format!("({}{})", sizes.join(", "), if shape.len() > SHOWN { ", …" } else { "" })
        }
    }
}
