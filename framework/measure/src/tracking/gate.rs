//! The gate: which losses are a reason to stop.

use serde::{Deserialize, Serialize};

use super::{
    compare::{Change, Row},
    permutation::Permutation,
};
use crate::evaluation::holm;

/// Chance of a false alarm that each of the two lists is allowed: together 5 %.
pub const LEVEL: f64 = 0.025;

/// A list of rows that is tested as one, by Holm's procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// Each fingerprint at the primary budget.
    Primary,
    /// Each kind of variant there.
    Kinds,
}

/// What is to be made of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same queries had the same answers.
    Same,
    /// Luck with the draws explains the difference.
    WithinNoise,
    /// Beyond noise, up or down, but no larger than is tolerated.
    Tolerated,
    /// A loss beyond noise and beyond what is tolerated.
    Loss,
    /// A gain beyond noise and as large.
    Gain,
    /// A loss beyond what is tolerated, and a test that could not have found any.
    Undecided,
    /// Nothing could be tested.
    Untested,
}

/// How the gate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// No loss, nothing missing.
    Passed,
    /// A loss, or something that BASE has is missing or has failed in NEW.
    Failed,
    /// The runs can't be compared, or a loss is seen that no test could have confirmed.
    Undecided,
}

/// The gate's decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// How it ended.
    pub outcome: Outcome,
    /// Losses up to this share are let pass.
    pub tolerance: f64,
    /// Chance of a false alarm of each list, [`LEVEL`].
    pub level: f64,
    /// Tests in the list of fingerprints and in that of their kinds.
    pub tests: [usize; 2],
    /// Draws that both runs would need for the first list, and for the second, where theirs are too few; else none.
    pub draws_needed: [Option<usize>; 2],
}

/// Sets the verdict of every row of a list, with the chance of a false alarm adjusted by Holm's procedure.
pub(super) fn judge(rows: &mut [Row], list: List, tolerance: f64) {
    let of_list: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].list == Some(list)).collect();
    let tested: Vec<(usize, Permutation)> =
        of_list.iter().filter_map(|&row| Some((row, rows[row].change.permutation()?))).collect();
    let losses = holm(&tested.iter().map(|(_, test)| test.loss).collect::<Vec<_>>());
    let gains = holm(&tested.iter().map(|(_, test)| test.gain).collect::<Vec<_>>());
    for (place, (row, test)) in tested.iter().enumerate() {
        let row = &mut rows[*row];
        let blind = test.floor * tested.len() as f64 > LEVEL;
        row.adjusted = Some(losses[place]);
        row.verdict = Some(if losses[place].min(gains[place]) <= LEVEL {
            beyond(row.difference, tolerance)
        } else if blind && row.difference < -tolerance {
            Verdict::Undecided
        } else {
            Verdict::WithinNoise
        });
    }
    for row in of_list {
        let row = &mut rows[row];
        match row.change {
            Change::Same => row.verdict = Some(Verdict::Same),
            Change::Certain { difference } => row.verdict = Some(beyond(difference, tolerance)),
            Change::Untested { .. } if row.difference < -tolerance => {
                row.verdict = Some(Verdict::Undecided);
            }
            Change::Untested { .. } => row.verdict = Some(Verdict::Untested),
            Change::Tested(_) => {}
        }
    }
}

/// The verdict on a difference that is no luck.
fn beyond(difference: f64, tolerance: f64) -> Verdict {
    match difference {
        gain if gain > tolerance => Verdict::Gain,
        loss if loss < -tolerance => Verdict::Loss,
        _ => Verdict::Tolerated,
    }
}
