//! How often chance alone brings a suspect as near to an owner: a test that needs no other models.
//!
//! The suspect's own symbols are permuted against the owner's. If the two have nothing to do with each other, every
//! permutation is as likely as what was seen, so
//!
//! ```text
//! p = P(D(owner, permuted suspect) <= D(owner, suspect))
//! ```
//! is a p-value given both marginals, whatever they are (a conditional exact test). It is about independence, and
//! models of different families are not independent: they err on the same hard images. So a small p says that the
//! suspect's answers are related to the owner's, not that it is derived from her model, and many queries make it small
//! for strangers too; a threshold from other models says more. The authors' script permutes the owner's symbols against
//! themselves instead and divides by the larger entropy; permuting the suspect's asks about the suspect at hand.

use std::collections::BTreeMap;

use crate::{Error, Result, Stream, mutual_information_distance};

/// Distances closer than this are ties: sums of the same counts in another order differ by less.
const ROUNDING: f64 = 1e-12;

/// Exact p-values of tables of right and wrong answers, kept for the marginals already met.
///
/// One serves one owner well: her own marginal and the number of queries stay, so that few tables are needed for
/// many suspects.
#[derive(Debug, Default)]
pub struct ExactNull {
    /// By first row, first column and total: the p-value of each possible first cell, from the smallest one on.
    tables: BTreeMap<[u32; 3], Box<[f64]>>,
}

impl ExactNull {
    /// p-value in `(0, 1]` of the joint counts `[n00, n01, n10, n11]`, owner by row, suspect by column.
    ///
    /// Given the marginals, `n00` is hypergeometric, so the sum over all tables that are no farther is closed.
    /// 1 where the distance is infinite; a p-value too small for `f64` is its smallest positive number.
    pub fn p_value(&mut self, counts: [u32; 4]) -> f64 {
        let margins = [counts[0] + counts[1], counts[0] + counts[2], counts.iter().sum()];
        let [row, column, total] = margins;
        if [0, total].contains(&row) || [0, total].contains(&column) {
            return 1.0;
        }
        let table = self.tables.entry(margins).or_insert_with(|| p_values(row, column, total));
        table[(counts[0] - smallest_cell(row, column, total)) as usize]
    }
}

/// p-value of one table of right and wrong answers, as [`ExactNull::p_value`].
pub fn exact_p_value(counts: [u32; 4]) -> f64 {
    ExactNull::default().p_value(counts)
}

/// p-value in `(0, 1]` of symbols below `side`, from random permutations of the suspect's.
///
/// ```text
/// p = (1 + #{D(permuted) <= D(observed)}) / (permutations + 1)
/// ```
/// Valid for any number of permutations, as what was seen counts as one of them. 1 where the distance is infinite.
/// Draws from `stream`.
///
/// # Errors
/// When lengths differ, a symbol is not below `side`, or there are no symbols or no permutations.
pub fn permutation_p_value(
    owner: &[u8],
    suspect: &[u8],
    side: usize,
    permutations: u32,
    stream: &mut Stream,
) -> Result<f64> {
    let mut null = Permutations::new(owner, suspect, side)?;
    if permutations == 0 {
        return Err(Error::Empty("a permutation test needs a permutation"));
    }
    let observed = mutual_information_distance(&null.table, side);
    if observed.is_infinite() {
        return Ok(1.0);
    }
    let as_near =
        (0..permutations).filter(|_| null.next_distance(stream) <= observed + ROUNDING).count();
    Ok((1 + as_near) as f64 / (f64::from(permutations) + 1.0))
}

/// Random tables with the marginals of two lists of symbols.
struct Permutations {
    side: usize,
    /// Joint counts, `[side, side]`.
    table: Vec<u32>,
    /// How often the owner shows each symbol.
    rows: Vec<u32>,
    /// How often the suspect does.
    columns: Vec<u32>,
    /// The owner's most frequent symbol: its row is what the others leave.
    largest: usize,
    /// The suspect's symbols in any order.
    symbols: Vec<u8>,
}

impl Permutations {
    fn new(owner: &[u8], suspect: &[u8], side: usize) -> Result<Self> {
        Error::require_length("symbols of the suspect", owner.len(), suspect.len())?;
        if owner.is_empty() {
            return Err(Error::Empty("a permutation test needs symbols"));
        }
        if owner.iter().chain(suspect).any(|&symbol| usize::from(symbol) >= side) {
            return Err(Error::Empty("a symbol lies outside its alphabet"));
        }
        let mut table = vec![0; side * side];
        let (mut rows, mut columns) = (vec![0; side], vec![0; side]);
        for (&row, &column) in owner.iter().zip(suspect) {
            table[usize::from(row) * side + usize::from(column)] += 1;
            rows[usize::from(row)] += 1;
            columns[usize::from(column)] += 1;
        }
        let largest = (0..side).max_by_key(|&symbol| rows[symbol]).unwrap_or(0);
        Ok(Self { side, table, rows, columns, largest, symbols: suspect.to_vec() })
    }

    /// Distance of the next random table: which of the suspect's symbols fall to each of the owner's.
    fn next_distance(&mut self, stream: &mut Stream) -> f64 {
        self.table.fill(0);
        let last_row = self.largest * self.side;
        self.table[last_row..last_row + self.side].copy_from_slice(&self.columns);
        let (mut place, count) = (0, u32::try_from(self.symbols.len()).unwrap_or(u32::MAX));
        for row in (0..self.side).filter(|&row| row != self.largest) {
            for _ in 0..self.rows[row] {
                let chosen = place + stream.below(count - place);
                self.symbols.swap(place as usize, chosen as usize);
                let column = usize::from(self.symbols[place as usize]);
                self.table[row * self.side + column] += 1;
                self.table[last_row + column] -= 1;
                place += 1;
            }
        }
        mutual_information_distance(&self.table, self.side)
    }
}

/// The smallest first cell that a table with these marginals can have.
fn smallest_cell(row: u32, column: u32, total: u32) -> u32 {
    // row + column - total, without leaving u32.
    row.saturating_sub(total - column)
}

/// p-value of each possible first cell.
fn p_values(row: u32, column: u32, total: u32) -> Box<[f64]> {
    let smallest = smallest_cell(row, column, total);
    let chances = chances(row, column, total);
    let distance = |position: usize| {
        let cell = smallest + u32::try_from(position).expect("cells are counted in u32");
        let rest = total - row - (column - cell);
        mutual_information_distance(&[cell, row - cell, column - cell, rest], 2)
    };
    let distances: Vec<f64> = (0..chances.len()).map(distance).collect();
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    // The distance is symmetric to the bit, so equal tables up to exchanged symbols are one block.
    let mut sums = vec![0.0; chances.len()];
    let mut sum = 0.0;
    for block in order.chunk_by(|&a, &b| distances[a] == distances[b]) {
        sum += block.iter().map(|&position| chances[position]).sum::<f64>();
        for &position in block {
            sums[position] = sum;
        }
    }
    sums.iter().map(|part| (part / sum).max(f64::MIN_POSITIVE)).collect()
}

/// Chance of each possible first cell, up to a common factor (hypergeometric law).
///
/// By ratios of neighbours from the mode outwards: logarithms of factorials would lose digits with their size.
fn chances(row: u32, column: u32, total: u32) -> Vec<f64> {
    let (smallest, largest) = (smallest_cell(row, column, total), row.min(column));
    let both = (u64::from(row) + 1) * (u64::from(column) + 1);
    let mode = u32::try_from(both / (u64::from(total) + 2)).unwrap_or(u32::MAX);
    let mode = mode.clamp(smallest, largest);
    // Of the cell `c` to the cell `c - 1`.
    let ratio = |cell: u32| {
        let rest = f64::from(total - row - (column - cell));
        let (up, left) = (f64::from(row - cell + 1), f64::from(column - cell + 1));
        (up * left) / (f64::from(cell) * rest)
    };
    let mut chances = vec![1.0; (largest - smallest + 1) as usize];
    let position = |cell: u32| (cell - smallest) as usize;
    for cell in mode + 1..=largest {
        chances[position(cell)] = chances[position(cell - 1)] * ratio(cell);
    }
    for cell in (smallest + 1..=mode).rev() {
        chances[position(cell - 1)] = chances[position(cell)] / ratio(cell);
    }
    chances
}

#[cfg(test)]
mod tests;
