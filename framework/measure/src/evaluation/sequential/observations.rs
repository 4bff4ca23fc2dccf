//! What every model answers to every image, as small numbers.

use std::collections::HashMap;

use crate::{AnswerTable, Error, Result};

/// Every model's symbol for every image.
///
/// Symbols matter only by being equal or not for one image, so each image numbers its own from 0 in the order of the
/// models: two bytes a symbol, and counters that stay in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observations {
    /// `[images, models]`.
    ids: Vec<u16>,
    images: usize,
    models: usize,
}

impl Observations {
    /// Symbols that are the ordered tuples of the `ranks` best labels.
    ///
    /// # Errors
    /// When `ranks` is 0 or more than the table has, or there are no models, more than 65,535 of them, or more than
    /// `u32` images.
    pub fn from_table(table: &AnswerTable, ranks: usize) -> Result<Self> {
        if ranks == 0 || ranks > table.ranks() {
            return Err(Error::Access { wanted: ranks, available: table.ranks() });
        }
        let (images, models) = (table.queries(), table.models());
        let mut ids = Vec::with_capacity(images * models);
        let mut first = FirstSeen::default();
        let mut pairs = HashMap::new();
        check(images, models)?;
        for image in 0..images {
            let start = ids.len();
            first.number(table.labels(image, 0), &mut ids);
            // A tuple is its head's number and its next label, numbered anew.
            for rank in 1..ranks {
                let labels = table.labels(image, rank).iter();
                number(ids[start..].iter_mut().zip(labels), &mut pairs);
            }
        }
        Ok(Self { ids, images, models })
    }

    /// Any symbols.
    ///
    /// # Shapes
    /// `symbols`: `[images, models]`.
    ///
    /// # Errors
    /// When there are no models, more than 65,535 of them, or they do not divide the symbols.
    pub fn from_symbols(symbols: &[u32], models: usize) -> Result<Self> {
        check(symbols.len() / models.max(1), models)?;
        if !symbols.len().is_multiple_of(models) {
            return Err(Error::Length {
                what: "symbols of models",
                expected: symbols.len().next_multiple_of(models),
                actual: symbols.len(),
            });
        }
        let mut ids = vec![0_u16; symbols.len()];
        let mut seen = HashMap::new();
        for (row, symbols) in ids.chunks_exact_mut(models).zip(symbols.chunks_exact(models)) {
            number(row.iter_mut().zip(symbols), &mut seen);
        }
        Ok(Self { ids, images: symbols.len() / models, models })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Every image.
    pub(super) fn all_images(&self) -> Vec<u32> {
        (0..u32::try_from(self.images).expect("checked when made")).collect()
    }

    /// Every model.
    pub(super) fn all_models(&self) -> Vec<u32> {
        (0..u32::try_from(self.models).expect("checked when made")).collect()
    }

    /// Each model's symbol for an image, below the number of models.
    pub(super) fn row(&self, image: u32) -> &[u16] {
        &self.ids[image as usize * self.models..(image as usize + 1) * self.models]
    }
}

fn check(images: usize, models: usize) -> Result<()> {
    if models == 0 {
        return Err(Error::Empty("sequential tests need a model"));
    }
    if u16::try_from(models).is_err() || u32::try_from(images).is_err() {
        return Err(Error::Empty("sequential tests take at most 65,535 models and 2^32 images"));
    }
    Ok(())
}

/// Numbers pairs of a former number and a further symbol, in the order of their first occurrence.
fn number<'a, S: Copy + Eq + std::hash::Hash + 'a>(
    row: impl Iterator<Item = (&'a mut u16, &'a S)>,
    seen: &mut HashMap<(u16, S), u16>,
) {
    seen.clear();
    // Neighbours are often variants of one vanilla, which mostly agree.
    let mut last: Option<((u16, S), u16)> = None;
    let mut next = 0;
    for (id, &symbol) in row {
        let pair = (*id, symbol);
        *id = match last {
            Some((former, number)) if former == pair => number,
            _ => *seen.entry(pair).or_insert_with(|| {
                next += 1;
                next - 1
            }),
        };
        last = Some((pair, *id));
    }
}

/// Numbers labels in the order of their first occurrence, by a table of all labels.
struct FirstSeen {
    /// One more than each label's number; 0 where it was not seen.
    numbers: Vec<u16>,
    seen: Vec<u16>,
}

impl Default for FirstSeen {
    fn default() -> Self {
        Self { numbers: vec![0; usize::from(u16::MAX) + 1], seen: Vec::new() }
    }
}

impl FirstSeen {
    fn number(&mut self, labels: &[u16], out: &mut Vec<u16>) {
        for &label in labels {
            let number = &mut self.numbers[usize::from(label)];
            if *number == 0 {
                self.seen.push(label);
                *number = u16::try_from(self.seen.len()).expect("at most as many as models");
            }
            out.push(*number - 1);
        }
        for label in self.seen.drain(..) {
            self.numbers[usize::from(label)] = 0;
        }
    }
}
