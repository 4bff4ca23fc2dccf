//! The bootstrap over families.

use super::counts::{Outcome, Shares, Tables};
use crate::{Stream, evaluation::bootstrap::FEWEST_FAMILIES};

/// How often a replicate without suspects is drawn again, in all, for each replicate asked.
const REDRAWS: usize = 20;

/// Replicated rates, each a mean over draws.
#[derive(Debug)]
pub(super) struct Doubt {
    /// `[rows][replicates]`, replicates without known suspects of the row left out.
    pub(super) rows: Vec<Vec<Outcome>>,
    /// Replicates.
    pub(super) unknown_answered: Vec<f64>,
    /// Replicates.
    pub(super) auroc: Vec<f64>,
    /// How many were drawn again for want of suspects.
    pub(super) redrawn: usize,
}

impl Doubt {
    /// Draws families with replacement, `count` times, and finds thresholds and rates anew each time.
    pub(super) fn new(tables: &Tables, alpha: f64, count: usize, stream: &mut Stream) -> Self {
        let mut doubt = Self {
            rows: vec![Vec::new(); tables.rows.len()],
            unknown_answered: Vec::new(),
            auroc: Vec::new(),
            redrawn: 0,
        };
        let present = tables.present();
        let Ok(bound) = u32::try_from(present.len()) else { return doubt };
        if present.len() < FEWEST_FAMILIES {
            return doubt;
        }
        let mut weights = vec![0; tables.families];
        let mut done = 0;
        while done < count && doubt.redrawn <= REDRAWS * count {
            weights.fill(0);
            for _ in 0..bound {
                weights[present[stream.below(bound) as usize]] += 1;
            }
            let draws = tables.draws.iter();
            let shares: Vec<Shares> =
                tables.threshold(&weights, alpha).map_or_else(Vec::new, |tau| {
                    draws.filter_map(|draw| tables.shares(draw, &weights, tau)).collect()
                });
            if shares.is_empty() {
                doubt.redrawn += 1;
                continue;
            }
            done += 1;
            doubt.push(&shares);
        }
        doubt
    }

    fn push(&mut self, draws: &[Shares]) {
        for (position, row) in self.rows.iter_mut().enumerate() {
            let outcomes = || draws.iter().filter_map(|shares| shares.rows[position]);
            if outcomes().next().is_some() {
                row.push(Outcome {
                    correct: super::mean(outcomes().map(|outcome| outcome.correct)),
                    wrong: super::mean(outcomes().map(|outcome| outcome.wrong)),
                    nearest: super::mean(outcomes().map(|outcome| outcome.nearest)),
                });
            }
        }
        let open =
            draws.iter().filter_map(|shares| Some((shares.unknown_answered?, shares.auroc?)));
        let (answered, auroc): (Vec<f64>, Vec<f64>) = open.unzip();
        if !answered.is_empty() {
            self.unknown_answered.push(super::mean(answered.into_iter()));
            self.auroc.push(super::mean(auroc.into_iter()));
        }
    }
}
