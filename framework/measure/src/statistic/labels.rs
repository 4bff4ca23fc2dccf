//! Statistics on labels as they are: for queries whose truth the table of answers does not know.

use super::{Statistic, binary::Binary, mutual_information_distance, symbol};
use crate::{Answers, Suspects, bits::MODELS};

pub(super) fn label_mismatches(reference: &Answers, suspects: &Suspects<'_>, out: &mut [f64]) {
    let queries = reference.len();
    let best = reference.as_slice().iter().step_by(reference.ranks());
    let matches = agreements(suspects, best.copied().enumerate());
    for (distance, matches) in out.iter_mut().zip(matches) {
        *distance = (queries - matches as usize) as f64 / queries as f64;
    }
}

/// Distances by who is right and who is wrong on the best label.
pub(super) fn correctness_distances(
    statistic: Statistic,
    reference: &Answers,
    truth: &[u16],
    suspects: &Suspects<'_>,
    out: &mut [f64],
) {
    let best = reference.as_slice().iter().step_by(reference.ranks());
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for ((query, &label), answer) in truth.iter().enumerate().zip(best) {
        if *answer == label { &mut right } else { &mut wrong }.push((query, label));
    }
    let binary = Binary::new(statistic, right.len(), wrong.len(), out.len());
    if binary.is_infinite() {
        return out.fill(f64::INFINITY);
    }
    let both = agreements(suspects, right.into_iter());
    let mut alone = agreements(suspects, wrong.into_iter());
    let counts = both.chunks(MODELS).zip(alone.chunks_mut(MODELS));
    for (out, (both, alone)) in out.chunks_mut(MODELS).zip(counts) {
        binary.distances(both, alone, out);
    }
}

/// For each suspect, how many of the queries it answers with the label expected.
pub(super) fn agreements(
    suspects: &Suspects<'_>,
    expected: impl ExactSizeIterator<Item = (usize, u16)>,
) -> Vec<u32> {
    let mut totals = vec![0_u32; suspects.len()];
    // As wide as the labels, so that one vector instruction compares and the next one counts.
    let mut counts = vec![0_u16; suspects.len()];
    let last = expected.len().saturating_sub(1);
    for (i, (query, label)) in expected.enumerate() {
        for (count, &answer) in counts.iter_mut().zip(suspects.labels(query)) {
            *count = count.wrapping_add(u16::from(answer == label));
        }
        if i == last || i % usize::from(u16::MAX) == usize::from(u16::MAX) - 1 {
            for (total, count) in totals.iter_mut().zip(&mut counts) {
                *total += u32::from(std::mem::take(count));
            }
        }
    }
    totals
}

/// Cells of joint tables counted at a time: what fits in a cache.
const CELLS: usize = 1 << 18;

/// Distances by the ranks of the true labels.
pub(super) fn rank_distances(
    reference: &Answers,
    truth: &[u16],
    suspects: &Suspects<'_>,
    out: &mut [f64],
) {
    let ranks = reference.ranks();
    let side = ranks + 1;
    let cells = side * side;
    let block = (CELLS / cells).max(1);
    let mut joint = vec![0_u32; block.min(suspects.len()) * cells];
    let mut symbols = vec![0_usize; block.min(suspects.len())];
    for (number, out) in out.chunks_mut(block).enumerate() {
        let range = number * block..number * block + out.len();
        joint.fill(0);
        for (query, &label) in truth.iter().enumerate() {
            symbols.fill(ranks);
            // Backwards, so that the better rank stays should a label ever repeat.
            for rank in (0..ranks).rev() {
                let answers = &suspects.labels_at(query, rank)[range.clone()];
                for (symbol, &answer) in symbols.iter_mut().zip(answers) {
                    *symbol = if answer == label { rank } else { *symbol };
                }
            }
            let row = symbol(reference.ranked(query), label) * side;
            for (counts, &symbol) in joint.chunks_exact_mut(cells).zip(&symbols[..out.len()]) {
                counts[row + symbol] += 1;
            }
        }
        for (distance, counts) in out.iter_mut().zip(joint.chunks_exact(cells)) {
            *distance = mutual_information_distance(counts, side);
        }
    }
}
