//! From a file to its pixels, as Pillow's `convert("RGB")` or `convert("L")` has them.
//!
//! Which format a file has tells its content. Neither the orientation in EXIF data nor a colour profile is applied.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, Cursor, Read},
};

use bertillon::{Error, guard};
use image_webp::WebPDecoder;
use mozjpeg::{ColorSpace, DctMethod, Decompress};
use png::Transformations;

/// Why a file gives no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// No byte in it.
    #[error("it is empty")]
    Empty,
    /// Another format, or none.
    #[error("it is no JPEG, PNG or WebP")]
    Unknown,
    /// More pixels than allowed.
    #[error("its {height}x{width} pixels are more than `max_pixels`, {most}")]
    TooLarge { height: usize, width: usize, most: usize },
    /// More bytes than so many pixels can need.
    #[error("its {bytes} bytes are more than images of `max_pixels` pixels have")]
    TooLong { bytes: u64 },
    /// So narrow that it exceeds the limit once its shorter side has the size wanted.
    #[error("it is too narrow: resized, its {height}x{width} pixels are more than `max_pixels`")]
    TooNarrow { height: usize, width: usize },
    /// It ends within the image.
    #[error("it is cut short")]
    Truncated,
    /// A JPEG that is neither grey nor coloured nor CMYK.
    #[error("a JPEG of {0} components has no colours")]
    Components(usize),
    /// What its decoder says.
    #[error("it is a broken {format}: {problem}")]
    Broken { format: Format, problem: String },
    /// What the file system says.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// The content of another file.
    #[error("it has the same bytes as `{0}`")]
    Twin(String),
}

/// Formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        })
    }
}

/// What a file says of its image before any of it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Header {
    pub(super) fn pixels(self) -> usize {
        self.height.saturating_mul(self.width)
    }
}

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels {
    /// 1 or 3.
    pub(super) channels: usize,
    /// `[height, width, channels]`.
    pub(super) samples: Vec<u8>,
}

/// Reads the header of a file; no memory is taken for its pixels.
pub(super) fn header(file: &[u8]) -> Result<Header, Damage> {
    let format = match file {
        [] => return Err(Damage::Empty),
        [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Format::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::WebP,
        _ => return Err(Damage::Unknown),
    };
    let (height, width) = match format {
        Format::Jpeg => read_jpeg(file, |jpeg| Ok((jpeg.height(), jpeg.width())))?,
        Format::Png => contained(format, || {
            let mut decoder = png::Decoder::new(Cursor::new(file));
            let (width, height) = decoder.read_header_info().map_err(broken_png)?.size();
            Ok((height as usize, width as usize))
        })?,
        Format::WebP => contained(format, || {
            // Its decoder takes the end of a file for an error in the bits.
            let [_, _, _, _, size @ .., _, _, _, _] = file.first_chunk::<12>().unwrap_or(&[0; 12]);
            if u64::from(u32::from_le_bytes(*size)) + 8 > file.len() as u64 {
                return Err(Damage::Truncated);
            }
            let decoder = WebPDecoder::new(Cursor::new(file)).map_err(broken_webp)?;
            let (width, height) = decoder.dimensions();
            Ok((height as usize, width as usize))
        })?,
    };
    Ok(Header { format, height, width })
}

/// Decodes a file of a format that its [`header`] told.
pub(super) fn decode(file: &[u8], format: Format) -> Result<Pixels, Damage> {
    match format {
        Format::Jpeg => read_jpeg(file, jpeg_pixels),
        Format::Png => contained(format, || png_pixels(file)),
        Format::WebP => contained(format, || webp_pixels(file)),
    }
}

impl Pixels {
    /// The same image with 1 or 3 channels: grey three times, or the luma of ITU-R 601-2 as Pillow rounds it.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        let samples = match (self.channels, channels) {
            (1, 3) => self.samples.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.samples.as_chunks::<3>().0.iter().map(luma).collect(),
            _ => return self,
        };
        Self { channels, samples }
    }

    /// From 1 to 4 channels, of which an even number has alpha for its last.
    fn without_alpha(channels: usize, samples: Vec<u8>) -> Self {
        let opaque = match channels {
            2 => samples.as_chunks::<2>().0.iter().map(|&[grey, _]| grey).collect(),
            4 => samples.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
            _ => return Self { channels, samples },
        };
        Self { channels: channels - 1, samples: opaque }
    }
}

/// `0.299 R + 0.587 G + 0.114 B` in 65,536ths, rounded.
fn luma(&[red, green, blue]: &[u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    // The weights add up to 65,536.
    ((sum + 0x8000) >> 16).to_le_bytes()[0]
}

type Jpeg<'a> = Decompress<UntilItsEnd<'a>>;

/// Does `work` with a JPEG whose header is read. libjpeg reports errors by unwinding.
fn read_jpeg<T>(
    file: &[u8],
    work: impl FnOnce(Jpeg<'_>) -> Result<T, Damage>,
) -> Result<T, Damage> {
    let ended = Cell::new(false);
    let reader = UntilItsEnd { rest: file, ended: &ended };
    let outcome = contained(Format::Jpeg, || {
        work(Decompress::builder().from_reader(reader).map_err(broken_jpeg)?)
    });
    match outcome {
        Err(Damage::Broken { .. }) if ended.get() => Err(Damage::Truncated),
        outcome => outcome,
    }
}

fn jpeg_pixels(mut jpeg: Jpeg<'_>) -> Result<Pixels, Damage> {
    let (space, channels) = match jpeg.components().len() {
        1 => (ColorSpace::JCS_GRAYSCALE, 1),
        3 => (ColorSpace::JCS_RGB, 3),
        4 => (ColorSpace::JCS_CMYK, 3),
        others => return Err(Damage::Components(others)),
    };
    jpeg.dct_method(DctMethod::IntegerSlow);
    jpeg.do_fancy_upsampling(true);
    let mut started = jpeg.to_colorspace(space).map_err(broken_jpeg)?;
    let mut samples = started.read_scanlines::<u8>().map_err(broken_jpeg)?;
    started.finish().map_err(broken_jpeg)?;
    if space == ColorSpace::JCS_CMYK {
        samples = samples.as_chunks::<4>().0.iter().flat_map(rgb_of_inverted_cmyk).collect();
    }
    Ok(Pixels { channels, samples })
}

/// CMYK as Adobe stores it, 255 for no ink: light that the black leaves, less what each ink takes of it.
fn rgb_of_inverted_cmyk(&[cyan, magenta, yellow, black]: &[u8; 4]) -> [u8; 3] {
    let left = u32::from(black);
    [cyan, magenta, yellow].map(|stored| {
        let product = u32::from(255 - stored) * left + 128;
        // Division by 255, rounded.
        let taken = (product + (product >> 8)) >> 8;
        (left - taken).to_le_bytes()[0]
    })
}

fn png_pixels(file: &[u8]) -> Result<Pixels, Damage> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes and few bits become 8 bits; of 16 bits the high byte stays.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken_png)?;
    let bytes = reader.output_buffer_size().ok_or_else(|| broken(Format::Png, "too large"))?;
    let mut samples = vec![0; bytes];
    reader.next_frame(&mut samples).map_err(broken_png)?;
    Ok(Pixels::without_alpha(reader.output_color_type().0.samples(), samples))
}

fn webp_pixels(file: &[u8]) -> Result<Pixels, Damage> {
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(broken_webp)?;
    let bytes = decoder.output_buffer_size().ok_or_else(|| broken(Format::WebP, "too large"))?;
    let mut samples = vec![0; bytes];
    decoder.read_image(&mut samples).map_err(broken_webp)?;
    Ok(Pixels::without_alpha(if decoder.has_alpha() { 4 } else { 3 }, samples))
}

/// Does `work` on a file of this format; a decoder that panics has found a broken file.
fn contained<T>(format: Format, work: impl FnOnce() -> Result<T, Damage>) -> Result<T, Damage> {
    guard::catch(|| Ok(work())).unwrap_or_else(|error| {
        let problem = match error {
            Error::Panicked { message, .. } => message,
            other => other.to_string(),
        };
        Err(broken(format, problem.trim_start_matches("libjpeg fatal error: ")))
    })
}

fn broken(format: Format, problem: impl ToString) -> Damage {
    Damage::Broken { format, problem: problem.to_string() }
}

fn broken_jpeg(error: io::Error) -> Damage {
    broken(Format::Jpeg, error)
}

fn broken_png(error: png::DecodingError) -> Damage {
    match error {
        png::DecodingError::IoError(error) => ended(Format::Png, &error),
        other => broken(Format::Png, other),
    }
}

fn broken_webp(error: image_webp::DecodingError) -> Damage {
    match error {
        image_webp::DecodingError::IoError(error) => ended(Format::WebP, &error),
        other => broken(Format::WebP, other),
    }
}

fn ended(format: Format, error: &io::Error) -> Damage {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Damage::Truncated,
        _ => broken(format, error),
    }
}

/// A file that libjpeg reads: where it wants more than there is it gets an error, and not an end of the image that it
/// would make up.
struct UntilItsEnd<'a> {
    rest: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for UntilItsEnd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.rest.read(buffer)
    }
}

impl BufRead for UntilItsEnd<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.ended.set(true);
            return Err(io::Error::other("it ends too early"));
        }
        Ok(self.rest)
    }

    fn consume(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }
}
