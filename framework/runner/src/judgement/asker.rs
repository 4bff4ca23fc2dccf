//! An owner who is ready to ask: benign images anew each time, or samples of her bank.

use std::sync::Arc;

use bertillon::{AnswerTable, Answers, Fingerprint, Owner, Stream, Suspects};

use super::Bench;
use crate::{context::Context, enrolment, plan::Plan, population::Bank};

/// One owner with one method. She owns or shares all she works with, so that she can be abandoned.
pub(super) struct Asker {
    /// Of the fingerprint in the plan.
    index: usize,
    asks: Asks,
}

enum Asks {
    Benign { owner: Box<Owner>, table: Arc<AnswerTable> },
    Crafted { bank: Arc<Fingerprint>, table: Box<AnswerTable> },
}

/// What she asked, and what it says of every suspect.
pub(super) struct Asked {
    /// Her fingerprint.
    pub(super) fingerprint: Fingerprint,
    /// Row of each query: in the pool, or in her bank.
    pub(super) rows: Vec<u32>,
    /// To every suspect, never NaN.
    pub(super) distances: Vec<f64>,
}

impl Asker {
    /// An owner by a method that asks images of the pool.
    pub(super) fn benign(index: usize, owner: Owner, bench: &Bench<'_>) -> Self {
        Self { index, asks: Asks::Benign { owner: Box::new(owner), table: bench.pool.clone() } }
    }

    /// The owner of a bank of crafted queries.
    pub(super) fn crafted(
        context: &Context<'_>,
        bank: &Bank,
        bench: &Bench<'_>,
    ) -> bertillon::Result<Self> {
        let size = bank.content.queries.len();
        let place = (bank.fingerprint, bank.owner);
        let ranks = context.plan.access.ranks();
        // A suspect that could not be asked leaves the counts; zeros keep its column in place.
        let missing = Answers::new(vec![0; size * ranks], ranks)?;
        let columns: Vec<Answers> = bench
            .kept
            .iter()
            .map(|outcome| match outcome.banks.get(&place) {
                Some(Ok(answers)) => answers.clone(),
                _ => missing.clone(),
            })
            .collect();
        let table = Box::new(AnswerTable::from_models(&columns)?);
        let asks = Asks::Crafted { bank: bank.content.clone(), table };
        Ok(Self { index: bank.fingerprint, asks })
    }

    /// Notes on her bank, where she has one.
    pub(super) fn notes(&self) -> Option<&[(String, f64)]> {
        match &self.asks {
            Asks::Benign { .. } => None,
            Asks::Crafted { bank, .. } => Some(&bank.notes),
        }
    }

    /// Spends at most `budget` queries, chosen by `stream`.
    pub(super) fn ask(
        &self,
        plan: &Plan,
        budget: usize,
        stream: Stream,
    ) -> bertillon::Result<Asked> {
        let planned = &plan.fingerprints[self.index];
        let (fingerprint, rows, table) = match &self.asks {
            Asks::Benign { owner, table } => {
                let fingerprint = enrolment::benign(planned, owner, budget, stream)?;
                let rows = fingerprint.queries.pool.clone();
                (fingerprint, rows, &**table)
            }
            Asks::Crafted { bank, table } => {
                let (fingerprint, rows) = enrolment::sampled(bank, budget, stream);
                (fingerprint, rows, &**table)
            }
        };
        let suspects = Suspects::new(table, &rows, planned.needs.access.ranks());
        let mut distances = vec![f64::INFINITY; suspects.len()];
        planned.method.distances(&fingerprint, &suspects, &mut distances)?;
        if distances.iter().any(|distance| distance.is_nan()) {
            return Err(bertillon::Error::Refused("a distance is NaN".to_owned()));
        }
        Ok(Asked { fingerprint, rows, distances })
    }
}
