//! IDX, the format of MNIST and its kin: a magic number, the sizes of the dimensions, the elements.
//!
//! Files may be compressed by gzip. What a header promises is checked before memory is set aside for it.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

use bertillon::{Error, ImageShape, Images, LabelledImages, Result};
use flate2::read::MultiGzDecoder;

/// Largest number of bytes of elements that is read.
pub const MAX_BYTES: usize = 1 << 30;

/// Type of the elements of an IDX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// Unsigned bytes, code 0x08.
    U8,
    /// Signed bytes, code 0x09.
    I8,
    /// 16-bit integers, code 0x0B.
    I16,
    /// 32-bit integers, code 0x0C.
    I32,
    /// 32-bit floats, code 0x0D.
    F32,
    /// 64-bit floats, code 0x0E.
    F64,
}

impl ElementKind {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0B => Self::I16,
            0x0C => Self::I32,
            0x0D => Self::F32,
            0x0E => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// An array read from an IDX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// Type of the elements.
    pub kind: ElementKind,
    /// Sizes of the dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// The elements in row-major order, each big-endian as in the file.
    pub data: Vec<u8>,
    path: PathBuf,
}

impl Idx {
    /// Reads a file, compressed or not.
    ///
    /// # Errors
    /// When it can't be read, is no IDX file, or holds less or more than its header says.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            Error::file(path, format!("can't be opened: {error}; check the path"))
        })?;
        Self::from_reader(BufReader::new(file), path)
    }

    /// Reads the content of a file that is in memory; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        Self::from_reader(Cursor::new(bytes), path)
    }

    fn from_reader(mut reader: impl Read, path: &Path) -> Result<Self> {
        let mut magic = [0; 4];
        read_exact(&mut reader, &mut magic, path, "the magic number")?;
        let reader = Cursor::new(magic).chain(reader);
        match magic {
            [0x1F, 0x8B, ..] => Self::from_plain(MultiGzDecoder::new(reader), path),
            _ => Self::from_plain(reader, path),
        }
    }

    fn from_plain(mut reader: impl Read, path: &Path) -> Result<Self> {
        let mut magic = [0; 4];
        read_exact(&mut reader, &mut magic, path, "the magic number")?;
        let [0, 0, code, rank] = magic else {
            let problem = format!(
                "no IDX file: it starts with {magic:02x?}, not with two zero bytes, a type and a rank; \
                 is it another format?"
            );
            return Err(Error::file(path, problem));
        };
        let kind = ElementKind::from_code(code).ok_or_else(|| {
            let known = "0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E";
            Error::file(path, format!("IDX has no element type {code:#04x}; it knows {known}"))
        })?;
        let shape = read_shape(&mut reader, rank, path)?;
        let bytes = checked_bytes(&shape, kind, path)?;
        let mut data = Vec::new();
        let limit = bytes as u64 + 1;
        reader.take(limit).read_to_end(&mut data).map_err(|error| damaged(path, &error))?;
        match data.len() {
            got if got < bytes => Err(Error::file(
                path,
                format!(
                    "truncated: its header {shape:?} promises {bytes} bytes of elements, {got} are there; \
                     copy or download it again"
                ),
            )),
            got if got > bytes => Err(Error::file(
                path,
                format!(
                    "its header {shape:?} promises {bytes} bytes of elements, but more follow; copy or \
                     download it again"
                ),
            )),
            _ => Ok(Self { kind, shape, data, path: path.to_owned() }),
        }
    }

    /// The array as images: unsigned bytes of rank 3 (grey), or 4 with the channels second.
    ///
    /// # Errors
    /// When it is something else, or empty.
    pub fn into_images(self) -> Result<Images> {
        let shape = match (self.kind, &self.shape[..]) {
            (ElementKind::U8, &[_, height, width]) => ImageShape { channels: 1, height, width },
            (ElementKind::U8, &[_, channels, height, width]) => {
                ImageShape { channels, height, width }
            }
            (kind, shape) => {
                let problem = format!(
                    "images are unsigned bytes of shape [n, height, width], but this is {kind:?} of shape \
                     {shape:?}; is it the labels' file?"
                );
                return Err(Error::file(self.path, problem));
            }
        };
        if self.data.is_empty() {
            return Err(Error::file(self.path, "no image in it; choose another file"));
        }
        Images::new(self.data, shape)
    }

    /// The array as labels: integers of rank 1, each below `classes`.
    ///
    /// # Errors
    /// When it is something else, or a label is out of range.
    pub fn into_labels(self, classes: usize) -> Result<Vec<u16>> {
        let integers: Option<Vec<i32>> = match (self.kind, self.shape.len()) {
            (ElementKind::U8, 1) => Some(self.data.iter().map(|&b| i32::from(b)).collect()),
            (ElementKind::I8, 1) => {
                Some(self.data.iter().map(|&b| i32::from(b.cast_signed())).collect())
            }
            (ElementKind::I16, 1) => Some(integers(&self.data, |b| i16::from_be_bytes(b).into())),
            (ElementKind::I32, 1) => Some(integers(&self.data, i32::from_be_bytes)),
            _ => None,
        };
        let Some(integers) = integers else {
            let problem = format!(
                "labels are integers of shape [n], but this is {:?} of shape {:?}; is it the images' file?",
                self.kind, self.shape
            );
            return Err(Error::file(self.path, problem));
        };
        let label = |(i, value): (usize, i32)| {
            u16::try_from(value).ok().filter(|&label| usize::from(label) < classes).ok_or_else(|| {
                let problem = format!(
                    "label {value} of image {i} is not below {classes}; correct the label or the classes"
                );
                Error::file(&self.path, problem)
            })
        };
        integers.into_iter().enumerate().map(label).collect()
    }
}

/// Images with their labels, from two IDX files of as many items.
///
/// # Errors
/// As [`Idx::into_images`] and [`Idx::into_labels`], or when the counts differ.
pub fn labelled(images: Idx, labels: Idx, classes: usize) -> Result<LabelledImages> {
    let (images_path, labels_path) = (images.path.clone(), labels.path.clone());
    let (images, labels) = (images.into_images()?, labels.into_labels(classes)?);
    if images.len() != labels.len() {
        let problem = format!(
            "{} labels for the {} images of {}; take both files from the same split",
            labels.len(),
            images.len(),
            images_path.display()
        );
        return Err(Error::file(labels_path, problem));
    }
    Ok(LabelledImages { images, labels: labels.into() })
}

fn read_shape(reader: &mut impl Read, rank: u8, path: &Path) -> Result<Vec<usize>> {
    if rank == 0 {
        return Err(Error::file(path, "its header says rank 0: no array; is it another format?"));
    }
    let mut shape = Vec::with_capacity(usize::from(rank));
    for _ in 0..rank {
        let mut size = [0; 4];
        read_exact(reader, &mut size, path, "the sizes of its dimensions")?;
        shape.push(u32::from_be_bytes(size) as usize);
    }
    Ok(shape)
}

fn checked_bytes(shape: &[usize], kind: ElementKind, path: &Path) -> Result<usize> {
    let bytes = shape.iter().try_fold(kind.size(), |bytes, &size| bytes.checked_mul(size));
    bytes.filter(|&bytes| bytes <= MAX_BYTES).ok_or_else(|| {
        let problem = format!(
            "its header promises an array of shape {shape:?}, more than the {MAX_BYTES} bytes that are \
             read; is the header damaged?"
        );
        Error::file(path, problem)
    })
}

fn integers<const N: usize>(data: &[u8], decode: impl Fn([u8; N]) -> i32) -> Vec<i32> {
    data.as_chunks().0.iter().map(|&bytes| decode(bytes)).collect()
}

fn read_exact(reader: &mut impl Read, out: &mut [u8], path: &Path, what: &str) -> Result<()> {
    reader.read_exact(out).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::file(path, format!("truncated within {what}; copy or download it again"))
        }
        _ => damaged(path, &error),
    })
}

fn damaged(path: &Path, error: &io::Error) -> Error {
    Error::file(path, format!("can't be read: {error}; copy or download it again"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// Two images of 1 by 3.
    const IMAGES: [u8; 22] =
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 255];

    fn parse(bytes: &[u8]) -> Result<Idx> {
        Idx::from_bytes(bytes, Path::new("some-idx"))
    }

    fn problem(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn images_are_read_in_order_compressed_or_not() {
        for bytes in [IMAGES.to_vec(), compressed(&IMAGES)] {
            let idx = parse(&bytes).unwrap();
            assert_eq!((idx.kind, &idx.shape[..]), (ElementKind::U8, &[2, 1, 3][..]));
            let images = idx.into_images().unwrap();
            assert_eq!(images.shape(), ImageShape { channels: 1, height: 1, width: 3 });
            assert_eq!(images.image(1), [40, 50, 255]);
        }
    }

    #[test]
    fn colour_images_have_their_channels_second() {
        let bytes = [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 7, 8, 9];
        let images = parse(&bytes).unwrap().into_images().unwrap();
        assert_eq!(images.shape(), ImageShape { channels: 3, height: 1, width: 1 });
    }

    #[test]
    fn labels_may_be_integers_of_any_width() {
        let wide = [0, 0, 0x0C, 1, 0, 0, 0, 2, 0, 0, 3, 0xE7, 0, 0, 0, 1];
        assert_eq!(parse(&wide).unwrap().into_labels(1000).unwrap(), [999, 1]);
        let short = [0, 0, 0x0B, 1, 0, 0, 0, 1, 1, 2];
        assert_eq!(parse(&short).unwrap().into_labels(1000).unwrap(), [258]);
        let byte = [0, 0, 8, 1, 0, 0, 0, 2, 9, 0];
        assert_eq!(parse(&byte).unwrap().into_labels(10).unwrap(), [9, 0]);
    }

    #[test]
    fn labels_out_of_range_are_named() {
        let high = parse(&[0, 0, 8, 1, 0, 0, 0, 2, 3, 10]).unwrap().into_labels(10).unwrap_err();
        assert!(high.to_string().contains("label 10 of image 1 is not below 10"), "{high}");
        let negative = parse(&[0, 0, 9, 1, 0, 0, 0, 1, 0xFF]).unwrap().into_labels(10).unwrap_err();
        assert!(negative.to_string().contains("label -1 of image 0"), "{negative}");
    }

    #[test]
    fn every_shorter_file_is_called_truncated() {
        for length in 0..IMAGES.len() {
            let problem = problem(&IMAGES[..length]);
            assert!(problem.contains("some-idx") && problem.contains("truncated"), "{problem}");
        }
        let whole = compressed(&IMAGES);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_longer_file_is_refused() {
        let mut longer = IMAGES.to_vec();
        longer.push(0);
        assert!(problem(&longer).contains("but more follow"));
    }

    #[test]
    fn headers_of_other_formats_are_refused() {
        assert!(problem(b"\x89PNG\r\n\x1a\n").contains("no IDX file"));
        assert!(problem(&[0, 0, 0x0A, 1, 0, 0, 0, 0]).contains("no element type 0x0a"));
        assert!(problem(&[0, 0, 8, 0]).contains("rank 0"));
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_before_memory_is_taken() {
        let mut huge = vec![0, 0, 0x0E, 3];
        huge.extend([0xFF; 12]);
        assert!(problem(&huge).contains("is the header damaged?"));
        let many = [0, 0, 8, 1, 0x7F, 0xFF, 0xFF, 0xFF];
        assert!(problem(&many).contains("is the header damaged?"));
        let within_the_limit = [0, 0, 8, 1, 0x3F, 0, 0, 0, 1];
        assert!(problem(&within_the_limit).contains("truncated"));
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let mut bytes = compressed(&IMAGES);
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        assert!(problem(&bytes).contains("can't be read"));
    }

    #[test]
    fn images_and_labels_must_match_in_kind_and_number() {
        let labels = || parse(&[0, 0, 8, 1, 0, 0, 0, 1, 3]).unwrap();
        let images = || parse(&IMAGES).unwrap();
        let swapped = labels().into_images().unwrap_err().to_string();
        assert!(swapped.contains("is it the labels' file?"), "{swapped}");
        let swapped = images().into_labels(10).unwrap_err().to_string();
        assert!(swapped.contains("is it the images' file?"), "{swapped}");
        let fewer = labelled(images(), labels(), 10).unwrap_err().to_string();
        assert!(fewer.contains("1 labels for the 2 images"), "{fewer}");
        let none = parse(&[0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28]).unwrap();
        assert!(none.into_images().unwrap_err().to_string().contains("no image in it"));
    }
}
