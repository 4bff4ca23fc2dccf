//! Suspects by falling certainty, arranged so that rates are quickly found for any weights of families.

use super::{IdentificationCase, IdentificationDraw};
use crate::{
    Error, Result,
    evaluation::{
        rows::{ALL, Row, leaves, rows},
        threshold::allowed,
    },
};

/// A suspect in one draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// To the nearest known candidate.
    distance: f64,
    family: u32,
    leaf: u32,
    nearest: Nearest,
}

/// Whether the nearest known candidate of a suspect is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearest {
    Right,
    Wrong,
    /// None could be: its own hypothesis is not known.
    Unknown,
}

impl Entry {
    pub(super) fn is_unknown(&self) -> bool {
        self.nearest == Nearest::Unknown
    }
}

/// The suspects of a case, in every draw.
#[derive(Debug)]
pub(super) struct Tables {
    /// Number of families.
    pub(super) families: usize,
    /// Rows of rates.
    pub(super) rows: Vec<Row>,
    /// Suspects by distance, draw by draw.
    pub(super) draws: Vec<Vec<Entry>>,
    /// Distance and family of the unknown suspects of all draws, by distance.
    unknown: Vec<(f64, u32)>,
    leaves: usize,
}

/// Shares of known suspects.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Outcome {
    /// Given the right name.
    pub(super) correct: f64,
    /// Given another one.
    pub(super) wrong: f64,
    /// Nearest to the right one, answered or not.
    pub(super) nearest: f64,
}

impl Outcome {
    /// Given none.
    pub(super) fn abstained(&self) -> f64 {
        (1.0 - self.correct - self.wrong).max(0.0)
    }
}

/// One draw's rates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shares {
    /// Share of unknown suspects answered; none when all are known.
    pub(super) unknown_answered: Option<f64>,
    /// Known against unknown by distance; none when all are known.
    pub(super) auroc: Option<f64>,
    /// By row; none without a known suspect.
    pub(super) rows: Vec<Option<Outcome>>,
}

/// Weighted known suspects of a leaf.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    known: u64,
    correct: u64,
    wrong: u64,
    nearest: u64,
}

impl Tables {
    /// Finds every suspect's nearest known candidate.
    ///
    /// # Errors
    /// When a distance looked at is NaN.
    pub(super) fn new(case: &IdentificationCase<'_>) -> Result<Self> {
        let families = case.suspects.iter().map(|suspect| suspect.family + 1).max().unwrap_or(0);
        let (leaf_of, leaves) = leaves(case.suspects.iter(), families);
        let draws = case
            .draws
            .iter()
            .map(|draw| entries(case, draw, &leaf_of))
            .collect::<Result<Vec<_>>>()?;
        let unknown = draws.iter().flatten().filter(|entry: &&Entry| entry.is_unknown());
        let mut unknown: Vec<(f64, u32)> = unknown.map(|e| (e.distance, e.family)).collect();
        unknown.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(Self { families, rows: rows(&leaves), draws, unknown, leaves: leaves.len() })
    }

    /// tau when family `a` has weight `weights[a]`: infinite where all suspects are known in every draw; none where the
    /// unknown ones have no weight.
    pub(super) fn threshold(&self, weights: &[u32], alpha: f64) -> Option<f64> {
        let weight = |&(_, family): &(f64, u32)| u64::from(weights[family as usize]);
        let total: u64 = self.unknown.iter().map(weight).sum();
        if total == 0 {
            return self.unknown.is_empty().then_some(f64::INFINITY);
        }
        let allowed = allowed(alpha, total).min(total - 1);
        let mut passed = 0;
        let first = self.unknown.iter().find(|entry| {
            passed += weight(entry);
            passed > allowed
        });
        first.map(|&(distance, _)| distance)
    }

    /// Rates of a draw at this threshold; none without known suspects, or when the draw has unknown ones and they have
    /// no weight.
    pub(super) fn shares(&self, draw: &[Entry], weights: &[u32], threshold: f64) -> Option<Shares> {
        let weight = |entry: &Entry| u64::from(weights[entry.family as usize]);
        let mut is_open = false;
        let (mut known, mut unknown) = (0, 0);
        for entry in draw {
            is_open |= entry.is_unknown();
            *(if entry.is_unknown() { &mut unknown } else { &mut known }) += weight(entry);
        }
        if known == 0 || (is_open && unknown == 0) {
            return None;
        }
        let mut counts = vec![Counts::default(); self.leaves];
        let (mut passed, mut answered, mut won) = (0, 0, 0);
        for block in draw.chunk_by(|a, b| a.distance == b.distance) {
            let of = |is_unknown: bool| {
                block.iter().filter(|e| e.is_unknown() == is_unknown).map(weight).sum::<u64>()
            };
            let (own, others) = (of(false), of(true));
            // In halves: a known suspect wins against all unknown ones that are farther, and half of the equal.
            won += u128::from(own) * u128::from(2 * (unknown - passed - others) + others);
            passed += others;
            let is_answered = block[0].distance < threshold;
            answered += if is_answered { others } else { 0 };
            for entry in block.iter().filter(|entry| !entry.is_unknown()) {
                let (counts, weight) = (&mut counts[entry.leaf as usize], weight(entry));
                // The first of hypotheses that are all infinitely far is nobody's nearest.
                let right = entry.nearest == Nearest::Right && entry.distance.is_finite();
                counts.known += weight;
                counts.nearest += if right { weight } else { 0 };
                counts.correct += if right && is_answered { weight } else { 0 };
                counts.wrong += if !right && is_answered { weight } else { 0 };
            }
        }
        Some(Shares {
            unknown_answered: is_open.then(|| answered as f64 / unknown as f64),
            auroc: is_open.then(|| won as f64 / (2.0 * known as f64 * unknown as f64)),
            rows: self.rows.iter().map(|row| outcome(row, &counts)).collect(),
        })
    }

    /// Families with any suspects.
    pub(super) fn present(&self) -> Vec<usize> {
        self.having(|_| true)
    }

    /// How many these are.
    pub(super) fn all_families(&self) -> usize {
        self.present().len()
    }

    /// Families that a row's known suspects come from.
    pub(super) fn known_families(&self, position: usize) -> usize {
        self.having(|entry| self.is_known_of(entry, position)).len()
    }

    /// Families that unknown suspects come from.
    pub(super) fn unknown_families(&self) -> usize {
        self.having(Entry::is_unknown).len()
    }

    /// A row's known suspects, mean over draws.
    pub(super) fn mean_known(&self, position: usize) -> f64 {
        self.mean_count(|entry| self.is_known_of(entry, position))
    }

    /// Unknown suspects, over all draws.
    pub(super) fn unknown(&self) -> usize {
        self.unknown.len()
    }

    /// Unknown suspects, mean over draws.
    pub(super) fn mean_unknown(&self) -> f64 {
        self.mean_count(Entry::is_unknown)
    }

    fn is_known_of(&self, entry: &Entry, position: usize) -> bool {
        let is_of_row =
            position == ALL || self.rows[position].leaves.contains(&(entry.leaf as usize));
        !entry.is_unknown() && is_of_row
    }

    fn mean_count(&self, keep: impl Fn(&Entry) -> bool) -> f64 {
        let count = |draw: &Vec<Entry>| draw.iter().filter(|entry| keep(entry)).count() as f64;
        super::mean(self.draws.iter().map(count))
    }

    fn having(&self, keep: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let mut has = vec![false; self.families];
        for entry in self.draws.iter().flatten().filter(|entry| keep(entry)) {
            has[entry.family as usize] = true;
        }
        (0..self.families).filter(|&family| has[family]).collect()
    }
}

fn outcome(row: &Row, counts: &[Counts]) -> Option<Outcome> {
    let sum = |pick: fn(&Counts) -> u64| -> f64 {
        row.leaves.iter().map(|&leaf| pick(&counts[leaf])).sum::<u64>() as f64
    };
    let known = sum(|counts| counts.known);
    (known > 0.0).then(|| Outcome {
        correct: sum(|counts| counts.correct) / known,
        wrong: sum(|counts| counts.wrong) / known,
        nearest: sum(|counts| counts.nearest) / known,
    })
}

/// A draw's suspects, the nearest first.
fn entries(
    case: &IdentificationCase<'_>,
    draw: &IdentificationDraw,
    leaf_of: &[usize],
) -> Result<Vec<Entry>> {
    let suspects = case.suspects.len();
    let narrow =
        |index: usize| u32::try_from(index).map_err(|_| Error::Empty("too many families or kinds"));
    let mut entries = (0..suspects)
        .map(|suspect| {
            let mut nearest: Option<(f64, usize)> = None;
            for hypothesis in (0..case.hypotheses).filter(|&hypothesis| draw.known[hypothesis]) {
                let cell = hypothesis * suspects + suspect;
                if case.candidates.is_some_and(|candidates| !candidates[cell]) {
                    continue;
                }
                let distance = draw.distances[cell];
                if distance.is_nan() {
                    return Err(Error::NanDistance);
                }
                if nearest.is_none_or(|(smallest, _)| distance < smallest) {
                    nearest = Some((distance, hypothesis));
                }
            }
            let named = nearest.map(|(_, hypothesis)| hypothesis);
            Ok(Entry {
                distance: nearest.map_or(f64::INFINITY, |(distance, _)| distance),
                family: narrow(case.suspects[suspect].family)?,
                leaf: narrow(leaf_of[suspect])?,
                nearest: match case.truth[suspect].filter(|&truth| draw.known[truth]) {
                    None => Nearest::Unknown,
                    truth if truth == named => Nearest::Right,
                    _ => Nearest::Wrong,
                },
            })
        })
        .collect::<Result<Vec<_>>>()?;
    entries.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    Ok(entries)
}
