//! From the bytes of a file to labels of 16 bits.

use std::io::Read;

use super::{Content, Element, Error, Header, Kind, MAX_CLASSES, Result};

/// Bytes read at once: most recordings are one read, and stay in a processor's second cache until they are converted.
const BLOCK: usize = 1 << 18;

/// Reads files one after the other through one buffer.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    scores: Vec<f64>,
    order: Vec<u16>,
}

/// A file whose header was read and found to agree with the file's length.
#[derive(Debug)]
pub struct Array<'a, R> {
    header: Header,
    source: R,
    decoder: &'a mut Decoder,
    /// Bytes of the buffer that were read.
    filled: usize,
}

impl Decoder {
    /// Reads the header of a file of `bytes`.
    ///
    /// # Errors
    /// When it is no `.npy` file, has elements that are neither numbers nor text, or is longer or shorter than it says.
    pub fn open<R: Read>(&mut self, mut source: R, bytes: u64) -> Result<Array<'_, R>> {
        if self.buffer.len() < BLOCK {
            self.buffer.resize(BLOCK, 0);
        }
        let wanted = usize::try_from(bytes).map_or(BLOCK, |bytes| bytes.min(BLOCK));
        let mut filled = 0;
        while filled < wanted {
            match source.read(&mut self.buffer[filled..wanted])? {
                0 => break,
                n => filled += n,
            }
        }
        let header = Header::parse(&self.buffer[..filled])?;
        header.fits(bytes)?;
        Ok(Array { header, source, decoder: self, filled })
    }
}

impl<R: Read> Array<'_, R> {
    /// What the file says about its data.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The `ranks` best labels of every image, all below `classes`.
    ///
    /// # Shapes
    /// `out`: `[images, ranks]`, row-major.
    ///
    /// # Errors
    /// When a label is no class, a score is NaN or the file ends early; or there are fewer ranks, or `out` is for
    /// another number of images.
    pub fn labels(mut self, ranks: usize, classes: usize, out: &mut [u16]) -> Result<()> {
        let content = self.header.content()?;
        if ranks == 0 || ranks > content.ranks() {
            return Err(Error::Ranks { wanted: ranks, available: content.ranks() });
        }
        if content.images().checked_mul(ranks) != Some(out.len()) {
            let problem = "other images than the ground truth has; record the same ones";
            return Err(Error::Shape { shape: self.header.shape.clone(), problem });
        }
        let classes = classes.min(MAX_CLASSES);
        let columns = content.ranks();
        if matches!(content, Content::Scores { .. }) && columns > classes {
            return Err(Error::Classes { columns, classes });
        }
        let element = self.header.element;
        self.rows(columns * element.bytes, content.images(), |decoder, data, first| {
            let out = &mut out[first * ranks..];
            let rows = Rows { element, columns, ranks, classes, first };
            match content {
                Content::Labels { .. } => rows.labels(data, out),
                Content::Scores { .. } => {
                    rows.scores(data, out, &mut decoder.scores, &mut decoder.order)
                }
            }
        })
    }

    /// Hands over all rows in order, as many at once as the buffer holds, with the index of the first.
    fn rows(
        &mut self,
        row: usize,
        count: usize,
        mut take: impl FnMut(&mut Decoder, &[u8], usize) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.decoder.buffer);
        // A longer row is in the file: its length was compared with the shape.
        buffer.resize(buffer.len().max(row), 0);
        let (mut from, mut filled, mut done) = (self.header.offset, self.filled, 0);
        let result = loop {
            let whole = ((filled - from) / row).min(count - done);
            if whole > 0 {
                let data = &buffer[from..from + whole * row];
                if let Err(error) = take(self.decoder, data, done) {
                    break Err(error);
                }
                (from, done) = (from + whole * row, done + whole);
            }
            if done == count {
                break Ok(());
            }
            buffer.copy_within(from..filled, 0);
            (from, filled) = (0, filled - from);
            match self.source.read(&mut buffer[filled..]) {
                Ok(0) => {
                    let actual = (done * row + filled) as u64;
                    let expected = Some(count as u128 * row as u128);
                    break Err(Error::Size { shape: self.header.shape.clone(), expected, actual });
                }
                Ok(n) => filled += n,
                Err(error) => break Err(error.into()),
            }
        };
        self.decoder.buffer = buffer;
        result
    }
}

/// Some rows of a file, and what is wanted of them.
#[derive(Clone, Copy)]
struct Rows {
    element: Element,
    columns: usize,
    ranks: usize,
    classes: usize,
    /// Index of the first row.
    first: usize,
}

impl Rows {
    fn labels(self, data: &[u8], out: &mut [u16]) -> Result<()> {
        let size = self.element.bytes;
        let images = data.len() / (self.columns * size);
        let out = &mut out[..images * self.ranks];
        let seen = if self.ranks == self.columns {
            narrow(self.element, data, out)
        } else {
            let rows = data.chunks_exact(self.columns * size).zip(out.chunks_exact_mut(self.ranks));
            rows.fold(0, |seen, (row, out)| seen | narrow(self.element, row, out))
        };
        let largest = out.iter().fold(0, |largest, &label| label.max(largest));
        if seen <= u64::from(u16::MAX) && usize::from(largest) < self.classes {
            return Ok(());
        }
        for image in 0..images {
            for rank in 0..self.ranks {
                let start = (image * self.columns + rank) * size;
                let value = integer(self.element, &data[start..start + size]);
                if value < 0 || value >= self.classes as i128 {
                    let image = self.first + image;
                    return Err(Error::Label { image, rank, value, classes: self.classes });
                }
            }
        }
        Ok(())
    }

    fn scores(
        self,
        data: &[u8],
        out: &mut [u16],
        scores: &mut Vec<f64>,
        order: &mut Vec<u16>,
    ) -> Result<()> {
        let rows = data.chunks_exact(self.columns * self.element.bytes);
        for ((row, best), image) in rows.zip(out.chunks_exact_mut(self.ranks)).zip(self.first..) {
            floats(self.element, row, scores);
            if let Some(class) = scores.iter().position(|score| score.is_nan()) {
                return Err(Error::Nan { image, class });
            }
            rank(scores, order, best);
        }
        Ok(())
    }
}

/// Converts integers in bulk; returns the OR of all values, extended to 64 bits: above 65,535 when one does not fit.
fn narrow(Element { kind, bytes, big_endian }: Element, data: &[u8], out: &mut [u16]) -> u64 {
    /// One loop for each type, so that each is vectorised.
    #[expect(clippy::cast_possible_truncation, reason = "what is cut off shows in the OR")]
    fn each<const N: usize>(data: &[u8], out: &mut [u16], value: impl Fn([u8; N]) -> u64) -> u64 {
        let mut seen = 0;
        for (label, &item) in out.iter_mut().zip(data.as_chunks::<N>().0) {
            let value = value(item);
            seen |= value;
            *label = value as u16;
        }
        seen
    }
    match (kind == Kind::Signed, bytes, big_endian) {
        (false, 1, _) => each(data, out, |[byte]| byte.into()),
        (false, 2, false) => each(data, out, |b| u16::from_le_bytes(b).into()),
        (false, 2, true) => each(data, out, |b| u16::from_be_bytes(b).into()),
        (false, 4, false) => each(data, out, |b| u32::from_le_bytes(b).into()),
        (false, 4, true) => each(data, out, |b| u32::from_be_bytes(b).into()),
        (_, 8, false) => each(data, out, u64::from_le_bytes),
        (_, 8, true) => each(data, out, u64::from_be_bytes),
        (true, 1, _) => each(data, out, |b| i64::from(i8::from_le_bytes(b)).cast_unsigned()),
        (true, 2, false) => each(data, out, |b| i64::from(i16::from_le_bytes(b)).cast_unsigned()),
        (true, 2, true) => each(data, out, |b| i64::from(i16::from_be_bytes(b)).cast_unsigned()),
        (true, _, false) => each(data, out, |b| i64::from(i32::from_le_bytes(b)).cast_unsigned()),
        (_, _, _) => each(data, out, |b| i64::from(i32::from_be_bytes(b)).cast_unsigned()),
    }
}

/// The value of one integer, for messages.
fn integer(Element { kind, big_endian, .. }: Element, item: &[u8]) -> i128 {
    let value = item.iter().enumerate().fold(0_u64, |value, (i, &byte)| {
        let place = if big_endian { item.len() - 1 - i } else { i };
        value | u64::from(byte) << (8 * place)
    });
    let unused = 64 - 8 * item.len();
    match kind {
        Kind::Signed => ((value << unused).cast_signed() >> unused).into(),
        _ => value.into(),
    }
}

fn floats(Element { bytes, big_endian, .. }: Element, row: &[u8], scores: &mut Vec<f64>) {
    fn each<const N: usize>(row: &[u8], scores: &mut Vec<f64>, value: impl Fn([u8; N]) -> f64) {
        scores.extend(row.as_chunks::<N>().0.iter().map(|&item| value(item)));
    }
    scores.clear();
    match (bytes, big_endian) {
        (2, false) => each(row, scores, |b| half(u16::from_le_bytes(b))),
        (2, true) => each(row, scores, |b| half(u16::from_be_bytes(b))),
        (4, false) => each(row, scores, |b| f32::from_le_bytes(b).into()),
        (4, true) => each(row, scores, |b| f32::from_be_bytes(b).into()),
        (_, false) => each(row, scores, f64::from_le_bytes),
        (_, true) => each(row, scores, f64::from_be_bytes),
    }
}

/// IEEE 754 binary16, exactly.
pub(super) fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3FF);
    let magnitude = match i32::from(bits >> 10 & 0x1F) {
        0 => fraction * 2_f64.powi(-24),
        0x1F if fraction == 0.0 => f64::INFINITY,
        0x1F => f64::NAN,
        exponent => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The classes of the largest scores, largest first; equal ones by class. No score is NaN.
#[expect(clippy::cast_possible_truncation, reason = "there are 65,536 classes at most")]
fn rank(scores: &[f64], order: &mut Vec<u16>, best: &mut [u16]) {
    if let [best] = best {
        let first = scores.iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
        *best = first.map_or(0, |(class, _)| class as u16);
        return;
    }
    let better = |a: &u16, b: &u16| {
        let (left, right) = (scores[usize::from(*a)], scores[usize::from(*b)]);
        right.partial_cmp(&left).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(b))
    };
    order.clear();
    order.extend((0..scores.len()).map(|class| class as u16));
    if best.len() < order.len() {
        order.select_nth_unstable_by(best.len() - 1, better);
    }
    let top = &mut order[..best.len()];
    top.sort_unstable_by(better);
    best.copy_from_slice(top);
}
