//! What a file says about its data.

use super::{Content, Element, Error, Kind, MAX_CLASSES, Result};

/// Longest header that is read; one of labels has about 118 bytes.
const MAX_HEADER: usize = u16::MAX as usize;

/// What a file says about its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of the elements.
    pub element: Element,
    /// Sizes of the dimensions.
    pub shape: Vec<u64>,
    /// Whether the first dimension varies fastest.
    pub fortran_order: bool,
    /// Bytes before the data.
    pub offset: usize,
}

impl Header {
    /// Reads the header from the first bytes of a file (64 KiB suffice).
    ///
    /// # Errors
    /// When it is no `.npy` file, or its elements are neither numbers nor text.
    pub fn parse(start: &[u8]) -> Result<Self> {
        let [b'\x93', b'N', b'U', b'M', b'P', b'Y', major, minor, rest @ ..] = start else {
            return Err(Error::NotNpy { start: start[..start.len().min(6)].to_vec() });
        };
        let cut = || Error::HeaderLength { claimed: 4, there: rest.len() };
        let (claimed, text) = match (major, minor) {
            (1, 0) => rest
                .split_first_chunk()
                .map(|(length, text)| (usize::from(u16::from_le_bytes(*length)), text))
                .ok_or_else(cut)?,
            (2 | 3, 0) => rest
                .split_first_chunk()
                .map(|(length, text)| (u32::from_le_bytes(*length) as usize, text))
                .ok_or_else(cut)?,
            _ => return Err(Error::Version(*major, *minor)),
        };
        let there = text.len().min(MAX_HEADER);
        if claimed > there {
            return Err(Error::HeaderLength { claimed, there });
        }
        let offset = start.len() - text.len() + claimed;
        let (element, shape, fortran_order) = Scanner { rest: &text[..claimed] }.dictionary()?;
        Ok(Self { element, shape, fortran_order, offset })
    }

    /// Checks that a file of `bytes` holds what the header says, no less and no more.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn fits(&self, bytes: u64) -> Result<()> {
        let expected = self
            .shape
            .iter()
            .try_fold(self.element.bytes as u128, |all, &n| all.checked_mul(n.into()));
        let actual = bytes.saturating_sub(self.offset as u64);
        if expected == Some(actual.into()) {
            return Ok(());
        }
        Err(Error::Size { shape: self.shape.clone(), expected, actual })
    }

    /// What the array tells about a model.
    ///
    /// # Errors
    /// When it is neither labels nor scores.
    pub fn content(&self) -> Result<Content> {
        let wrong = |problem| Error::Shape { shape: self.shape.clone(), problem };
        let scores = match self.element.kind {
            Kind::Signed | Kind::Unsigned => false,
            Kind::Float => true,
            Kind::Text => return Err(Error::Dtype("text".to_owned())),
        };
        let (images, columns) = match (&self.shape[..], scores) {
            (&[images], false) => (images, 1),
            (&[images, columns], _) => (images, columns),
            (_, true) => return Err(wrong("scores are of shape [images, classes]; reshape them")),
            (_, false) => {
                let problem = "labels are of shape [images] or [images, ranks]; reshape them";
                return Err(wrong(problem));
            }
        };
        if images == 0 || columns == 0 {
            return Err(wrong("it is empty; record at least one image"));
        }
        if columns > MAX_CLASSES as u64 {
            return Err(wrong(
                "more than 65536 columns are no ranks or classes; is it transposed?",
            ));
        }
        if self.fortran_order && images > 1 && columns > 1 {
            let problem =
                "its columns come first (Fortran order); write numpy.ascontiguousarray of it";
            return Err(wrong(problem));
        }
        let images = usize::try_from(images).map_err(|_| wrong("too many images"))?;
        let columns = usize::try_from(columns).map_err(|_| wrong("too many columns"))?;
        Ok(match scores {
            true => Content::Scores { images, classes: columns },
            false => Content::Labels { images, ranks: columns },
        })
    }
}

/// Reads Python literals from left to right; none of those needed here nests deeper than a dictionary's tuple.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// `{'descr': '<i8', 'fortran_order': False, 'shape': (20000,), }`, the keys in any order.
    fn dictionary(mut self) -> Result<(Element, Vec<u64>, bool)> {
        let (mut element, mut shape, mut fortran_order) = (None, None, None);
        self.expect(b'{', "`{`")?;
        while !self.eat(b'}') {
            let key = self.quoted()?;
            self.expect(b':', "`:`")?;
            let is_new = match key {
                b"descr" => element.replace(self.element()?).is_none(),
                b"fortran_order" => fortran_order.replace(self.boolean()?).is_none(),
                b"shape" => shape.replace(self.tuple()?).is_none(),
                _ => false,
            };
            if !is_new {
                let found = String::from_utf8_lossy(&key[..key.len().min(20)]).into_owned();
                let expected = "the keys descr, fortran_order and shape, each once";
                return Err(Error::Header { expected, found });
            }
            if !self.eat(b',') {
                self.expect(b'}', "`,` or `}`")?;
                break;
            }
        }
        self.space();
        match (element, shape, fortran_order) {
            (Some(element), Some(shape), Some(order)) if self.rest.is_empty() => {
                Ok((element, shape, order))
            }
            (Some(_), Some(_), Some(_)) => Err(self.unexpected("nothing after the dictionary")),
            _ => Err(self.unexpected("the keys descr, fortran_order and shape, each once")),
        }
    }

    /// `'<i8'`: byte order, kind, size.
    fn element(&mut self) -> Result<Element> {
        self.space();
        if self.rest.first() == Some(&b'[') {
            return Err(Error::Structured);
        }
        let text = self.quoted()?;
        let unknown =
            || Error::Dtype(String::from_utf8_lossy(&text[..text.len().min(20)]).into_owned());
        let (order, kind, size) = match text {
            [order @ (b'<' | b'>' | b'|'), kind, size @ ..] => (*order, *kind, size),
            _ => return Err(unknown()),
        };
        if kind == b'O' {
            return Err(Error::Object);
        }
        let size: u32 =
            std::str::from_utf8(size).ok().and_then(|s| s.parse().ok()).ok_or_else(unknown)?;
        let size = size as usize;
        let (kind, bytes) = match (kind, size) {
            (b'i', 1 | 2 | 4 | 8) => (Kind::Signed, size),
            (b'u', 1 | 2 | 4 | 8) => (Kind::Unsigned, size),
            (b'f', 2 | 4 | 8) => (Kind::Float, size),
            (b'S', _) => (Kind::Text, size),
            (b'U', _) => (Kind::Text, size.checked_mul(4).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        };
        if order == b'|' && bytes > 1 && kind != Kind::Text {
            return Err(unknown());
        }
        Ok(Element { kind, bytes, big_endian: order == b'>' })
    }

    fn boolean(&mut self) -> Result<bool> {
        self.space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    /// `(20000, 5)`, `(20000,)` or `()`.
    fn tuple(&mut self) -> Result<Vec<u64>> {
        self.expect(b'(', "a tuple")?;
        let mut sizes = Vec::new();
        while !self.eat(b')') {
            sizes.push(self.integer()?);
            if !self.eat(b',') {
                // `(5)` is no tuple.
                let closes = sizes.len() > 1 && self.eat(b')');
                if !closes {
                    return Err(self.unexpected("`,`"));
                }
                break;
            }
        }
        Ok(sizes)
    }

    fn integer(&mut self) -> Result<u64> {
        self.space();
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let value = std::str::from_utf8(&self.rest[..digits]).ok().and_then(|d| d.parse().ok());
        let value = value.ok_or_else(|| self.unexpected("a size from 0 to 2^64 - 1"))?;
        self.rest = &self.rest[digits..];
        // Python 2 wrote long integers so.
        self.rest = self.rest.strip_prefix(b"L").unwrap_or(self.rest);
        Ok(value)
    }

    fn quoted(&mut self) -> Result<&'a [u8]> {
        self.space();
        let (&quote, text) = match self.rest.split_first() {
            Some((quote @ (b'\'' | b'"'), text)) => (quote, text),
            _ => return Err(self.unexpected("a quoted word")),
        };
        let end = text.iter().position(|&b| b == quote || b == b'\\');
        match end {
            Some(end) if text[end] == quote => {
                self.rest = &text[end + 1..];
                Ok(&text[..end])
            }
            _ => Err(self.unexpected("a quoted word without escapes")),
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        match self.eat(byte) {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn unexpected(&self, expected: &'static str) -> Error {
        let found = String::from_utf8_lossy(&self.rest[..self.rest.len().min(20)]).into_owned();
        Error::Header { expected, found }
    }
}
