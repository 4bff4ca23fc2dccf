//! Distances of tables of two by two: who is right together, who alone.

use super::{
    Statistic,
    terms::{Terms, normalised},
};

/// Cells of a table of distances: what fits in a cache beside the rows.
const CELLS: usize = 1 << 14;

/// Suspects whose sums are looked up before their distances are divided.
const PIECE: usize = 64;

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
    /// One after another: the information less what the other two add, `[both]`; what `[alone]` adds to it; the entropy
    /// of the suspect, `[both + alone]`.
    all: Vec<f64>,
    /// Where the second and the third begin.
    starts: [usize; 2],
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
        let mut all = Vec::with_capacity(2 * total + 3);
        // Every intermediate sum stays below the term of the total, and so is exact.
        all.extend(pairs(right).map(|pair| (row - whole) + pair));
        all.extend(pairs(wrong));
        all.extend(pairs(total).map(|pair| whole - pair));
        Self { row, all, starts: [right + 1, total + 2] }
    }

    fn parts(&self) -> [&[f64]; 3] {
        let (counts, columns) = self.all.split_at(self.starts[1]);
        let (both, alone) = counts.split_at(self.starts[0]);
        [both, alone, columns]
    }

    fn table(&self) -> Vec<f64> {
        let [both, alone, columns] = self.parts();
        let mut cells = Vec::with_capacity(both.len() * alone.len());
        for (start, &given) in both.iter().enumerate() {
            let columns = &columns[start..];
            cells.extend(
                alone.iter().zip(columns).map(|(&alone, &column)| {
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

    /// Distances of the suspects of a tile, whose counts are used up.
    #[inline(always)]
    pub(super) fn distances(&self, both: &[u32], alone: &mut [u32], out: &mut [f64]) {
        match &self.way {
            Way::Infinite => out.fill(f64::INFINITY),
            Way::Mismatches => {
                let (right, total) = (self.right as f64, (self.right + self.wrong) as f64);
                for ((out, &both), &mut alone) in out.iter_mut().zip(both).zip(alone) {
                    *out = (right - f64::from(both) + f64::from(alone)) / total;
                }
            }
            Way::Table(cells) => {
                #[expect(clippy::cast_possible_truncation, reason = "at most a table's cells")]
                let side = (self.wrong + 1) as u32;
                for (alone, both) in alone.iter_mut().zip(both) {
                    *alone = both.wrapping_mul(side).wrapping_add(*alone);
                }
                look_up(cells, alone, out);
            }
            Way::Sums(sums) => {
                let mut columns = [0.0; PIECE];
                let counts = both.chunks(PIECE).zip(alone.chunks(PIECE));
                for (out, (both, alone)) in out.chunks_mut(PIECE).zip(counts) {
                    look_up_sums(sums, both, alone, &mut columns, out);
                    // Once everything is looked up, vector instructions divide.
                    for (out, &column) in out.iter_mut().zip(&columns) {
                        *out = normalised(sums.row, column, *out);
                    }
                }
            }
            Way::Terms(terms) => {
                let (right, wrong) = (self.right, self.wrong);
                let term = |n: usize| terms.term(n as u64);
                let whole = term(right + wrong);
                let row = whole - (term(right) + term(wrong));
                for ((out, &both), &mut alone) in out.iter_mut().zip(both).zip(alone) {
                    let (both, alone) = (both as usize, alone as usize);
                    let hits = both + alone;
                    let column = whole - (term(hits) + term(right + wrong - hits));
                    let joint =
                        (term(both) + term(right - both)) + (term(alone) + term(wrong - alone));
                    *out = normalised(row, column, ((row - whole) + joint) + column);
                }
            }
        }
    }
}

// Look-ups are functions of their own: in the midst of all else, the compiler runs out of registers.

#[inline(never)]
fn look_up(cells: &[f64], places: &[u32], out: &mut [f64]) {
    for (out, &place) in out.iter_mut().zip(places) {
        *out = cells[place as usize];
    }
}

/// Entropies of suspects and the information.
#[inline(never)]
fn look_up_sums(
    sums: &Sums,
    both: &[u32],
    alone: &[u32],
    columns: &mut [f64; PIECE],
    informations: &mut [f64],
) {
    let [of_both, of_alone, of_hits] = sums.parts();
    let looked_up = columns.iter_mut().zip(informations);
    for (((column, information), &both), &alone) in looked_up.zip(both).zip(alone) {
        *column = of_hits[both.wrapping_add(alone) as usize];
        *information = (of_both[both as usize] + of_alone[alone as usize]) + *column;
    }
}
