//! An owner who is ready to ask: benign images anew each time, or samples of her bank.

use std::sync::Arc;

use bertillon::{AnswerTable, Answers, Fingerprint, Owner, Stream, Suspects};

use super::Bench;
use crate::{context::Context, enrolment, plan::Plan, population::Bank};

/// Share of a distance by which roundings may tell one suspect from the same among others.
const ROUNDING: f64 = 1e-9;

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

    /// Refuses a method to which a suspect's distance depends on who else is asked, or on its place among them.
    ///
    /// Whoever has one suspect can't tell that one otherwise; so one of them is judged again by itself.
    pub(super) fn check_alone(
        &self,
        plan: &Plan,
        asked: &Asked,
        owner: usize,
    ) -> bertillon::Result<()> {
        let planned = &plan.fingerprints[self.index];
        let table = match &self.asks {
            Asks::Benign { table, .. } => &**table,
            Asks::Crafted { table, .. } => &**table,
        };
        // Not the first: a place that a method must not know is another one then.
        let column = table.models() - 1 - owner % table.models();
        let answers = [table.model(column).gather(&asked.rows)];
        let truth: Option<Vec<u16>> =
            table.truth().map(|truth| asked.rows.iter().map(|&row| truth[row as usize]).collect());
        let alone = match &truth {
            Some(truth) => AnswerTable::with_truth(&answers, truth)?,
            None => AnswerTable::from_models(&answers)?,
        };
        let rows: Vec<u32> = (0..).take(alone.queries()).collect();
        let suspect = Suspects::new(&alone, &rows, planned.needs.access.ranks());
        let mut distance = [f64::INFINITY];
        planned.method.distances(&asked.fingerprint, &suspect, &mut distance)?;
        let (by_itself, among) = (distance[0], asked.distances[column]);
        let differs = by_itself != among && (by_itself - among).abs() > ROUNDING * among.abs();
        match differs || by_itself.is_nan() {
            true => Err(bertillon::Error::Refused(format!(
                "the distance of a suspect is {by_itself} when it is judged by itself, and {among} among all of them: a \
                 method must judge every suspect by its own answers"
            ))),
            false => Ok(()),
        }
    }

    /// Whether a fingerprint has the answers of somebody else than the owner's model for its reference.
    pub(super) fn is_delegated(&self, asked: &Asked) -> bool {
        match &self.asks {
            Asks::Benign { owner, .. } => {
                let reference = &asked.fingerprint.reference;
                reference.agreement(&owner.answers.gather(&asked.rows)) < 1.0
            }
            Asks::Crafted { .. } => false,
        }
    }
}
