//! Distances of tables of two by two: who is right together, who alone.

use super::{
    Statistic,
    terms::{Terms, normalised},
};
use crate::bits::MODELS;

/// Cells of a table of distances: what fits in a cache beside the rows.
const CELLS: usize = 1 << 14;

/// From counts to distances, for one reference.
///
/// A suspect's table has two free cells: the queries that it and the reference answer rightly (`both`), and those that
/// it alone answers rightly (`alone`). What depends on one of them, or on their sum, is worked out once.
pub(super) struct Binary {
    /// Queries that the reference answers rightly.
    right: usize,
    /// Queries that it answers wrongly.
    wrong: usize,
    way: Way,
}

/// Three ways to the same bits; which one is cheapest depends on the numbers of queries and of suspects.
enum Way {
    /// Right against wrong is all that counts.
    Mismatches,
    /// The reference is constant.
    Infinite,
    /// A distance for every table that can occur, `[both, alone]`.
    Table(Vec<f64>),
    /// Sums of two terms for every count that can occur.
    Sums(Sums),
    /// Terms as they are needed.
    Terms(Terms),
}

/// Entropies times the number of queries, in the unit of their terms.
struct Sums {
    /// Of the reference.
    row: f64,
    /// Information, less what the other two add: `[both]`.
    both: Vec<f64>,
    /// `[alone]`.
    alone: Vec<f64>,
    /// Entropy of the suspect: `[both + alone]`.
    column: Vec<f64>,
}

impl Sums {
    fn new(right: usize, wrong: usize) -> Self {
        let total = right + wrong;
        let terms = Terms::of(total as u64).all();
        let whole = terms[total];
        let row = whole - (terms[right] + terms[wrong]);
        let pairs = |total: usize| {
            let (up, down) = (terms[..=total].iter(), terms[..=total].iter().rev());
            up.zip(down).map(|(a, b)| a + b)
        };
        Self {
            row,
            // Every intermediate sum stays below the term of the total, and so is exact.
            both: pairs(right).map(|pair| (row - whole) + pair).collect(),
            alone: pairs(wrong).collect(),
            column: pairs(total).map(|pair| whole - pair).collect(),
        }
    }

    fn table(&self) -> Vec<f64> {
        let mut cells = Vec::with_capacity(self.both.len() * self.alone.len());
        for (both, &given) in self.both.iter().enumerate() {
            let columns = &self.column[both..];
            cells.extend(
                self.alone.iter().zip(columns).map(|(&alone, &column)| {
                    normalised(self.row, column, (given + alone) + column)
                }),
            );
        }
        cells
    }
}

impl Binary {
    /// For a reference that is right on `right` queries and wrong on `wrong`, to be compared with `suspects` suspects.
    pub(super) fn new(statistic: Statistic, right: usize, wrong: usize, suspects: usize) -> Self {
        let total = right + wrong;
        let way = if statistic != Statistic::MutualInformation {
            Way::Mismatches
        } else if right == 0 || wrong == 0 {
            Way::Infinite
        } else if (right + 1) * (wrong + 1) <= suspects.min(CELLS) {
            Way::Table(Sums::new(right, wrong).table())
        } else if total <= 4 * suspects {
            Way::Sums(Sums::new(right, wrong))
        } else {
            Way::Terms(Terms::of(total as u64))
        };
        Self { right, wrong, way }
    }

    /// Whether all distances are infinite, so that nothing need be counted.
    pub(super) fn is_infinite(&self) -> bool {
        matches!(self.way, Way::Infinite)
    }

    /// Distances of the suspects of a tile.
    #[inline(always)]
    pub(super) fn distances(&self, both: &[u32], alone: &[u32], out: &mut [f64]) {
        match &self.way {
            Way::Infinite => out.fill(f64::INFINITY),
            Way::Mismatches => {
                let (right, total) = (self.right as f64, (self.right + self.wrong) as f64);
                for ((out, &both), &alone) in out.iter_mut().zip(both).zip(alone) {
                    *out = (right - f64::from(both) + f64::from(alone)) / total;
                }
            }
            Way::Table(cells) => {
                let side = self.wrong + 1;
                for ((out, &both), &alone) in out.iter_mut().zip(both).zip(alone) {
                    *out = cells[(both as usize).wrapping_mul(side).wrapping_add(alone as usize)];
                }
            }
            Way::Sums(sums) => by_lookup(sums.row, both, alone, out, |both, alone| {
                let column = sums.column[both.wrapping_add(alone)];
                (column, (sums.both[both] + sums.alone[alone]) + column)
            }),
            Way::Terms(terms) => {
                let (right, wrong) = (self.right, self.wrong);
                let term = |n: usize| terms.term(n as u64);
                let whole = term(right + wrong);
                let row = whole - (term(right) + term(wrong));
                by_lookup(row, both, alone, out, |both, alone| {
                    let hits = both + alone;
                    let column = whole - (term(hits) + term(right + wrong - hits));
                    let joint =
                        (term(both) + term(right - both)) + (term(alone) + term(wrong - alone));
                    (column, ((row - whole) + joint) + column)
                });
            }
        }
    }
}

/// Distances from the entropy of each suspect and the information, both looked up.
#[inline(always)]
fn by_lookup(
    row: f64,
    both: &[u32],
    alone: &[u32],
    out: &mut [f64],
    lookup: impl Fn(usize, usize) -> (f64, f64),
) {
    // Looked up first and divided after, so that the divisions are vector instructions.
    let (mut columns, mut informations) = ([0.0; MODELS], [0.0; MODELS]);
    let looked_up = columns.iter_mut().zip(&mut informations);
    for (((column, information), &both), &alone) in
        looked_up.zip(&both[..out.len()]).zip(&alone[..out.len()])
    {
        (*column, *information) = lookup(both as usize, alone as usize);
    }
    for ((out, &column), &information) in out.iter_mut().zip(&columns).zip(&informations) {
        *out = normalised(row, column, information);
    }
}
