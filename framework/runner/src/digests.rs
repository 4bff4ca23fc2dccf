//! Digests of what came of cells, so that a run can be held against another.

use std::collections::HashMap;

use bertillon::{Access, Answers, CellDigest, Fingerprint};

use crate::{
    cache::Object,
    cells::{Cell, Work},
    enrolment::Rehearsed,
    plan::{ModelId, Plan},
    population::{Bank, Outcome},
};

/// What came of all cells of a run.
pub(crate) struct Outcomes<'a> {
    pub(crate) rehearsals: &'a Rehearsed,
    pub(crate) banks: &'a [Bank],
    pub(crate) models: &'a [Outcome],
}

/// Digests of all cells that have an outcome. Vanillas stand among the models, with all that they answered.
pub(crate) fn digests(plan: &Plan, outcomes: &Outcomes<'_>) -> Vec<CellDigest> {
    let models: HashMap<ModelId, &Outcome> =
        outcomes.models.iter().map(|outcome| (outcome.model, outcome)).collect();
    let digest = |cell: &Cell| match cell.work {
        Work::Vanilla(_) => None,
        Work::Rehearsal { owner, fingerprint, index } => {
            let answers = outcomes.rehearsals[fingerprint][owner].get(index)?;
            Some(of_rehearsal(cell, answers.as_ref()))
        }
        Work::Bank { fingerprint, owner } => {
            let place = |bank: &&Bank| (bank.fingerprint, bank.owner) == (fingerprint, owner);
            Some(of_bank(cell, &outcomes.banks.iter().find(place)?.content))
        }
        Work::Model(model) => Some(of_model(cell, models.get(&model)?)),
    };
    plan.cells().iter().filter_map(digest).collect()
}

/// Digest of what a rehearsal answered.
pub(crate) fn of_rehearsal(cell: &Cell, answers: Result<&Answers, &String>) -> CellDigest {
    let mut parts = Parts::default();
    parts.answers(answers);
    parts.seal(cell)
}

/// Digest of crafted queries.
pub(crate) fn of_bank(cell: &Cell, bank: &Fingerprint) -> CellDigest {
    let mut parts = Parts::default();
    parts.content.update(&bank.encode());
    parts.labels(&bank.reference);
    parts.seal(cell)
}

/// Digest of all that a model answered.
pub(crate) fn of_model(cell: &Cell, outcome: &Outcome) -> CellDigest {
    let mut parts = Parts::default();
    if let Some(changes) = &outcome.changes {
        parts.content.update(&changes.encode());
    }
    if let Some((step, reason)) = &outcome.failure {
        parts.text(step);
        parts.text(reason);
    }
    if let Some(answers) = &outcome.pool {
        parts.answers(Ok(answers));
    }
    let mut banks: Vec<_> = outcome.banks.iter().collect();
    banks.sort_by_key(|(place, _)| **place);
    banks.into_iter().for_each(|(_, answers)| parts.answers(answers.as_ref()));
    parts.seal(cell)
}

#[derive(Default)]
struct Parts {
    content: blake3::Hasher,
    /// Of the best labels alone.
    labels: blake3::Hasher,
}

impl Parts {
    fn text(&mut self, text: &str) {
        for hasher in [&mut self.content, &mut self.labels] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }

    fn answers(&mut self, answers: Result<&Answers, &String>) {
        match answers {
            Ok(answers) => {
                self.content.update(answers.digest().as_bytes());
                self.labels(answers);
            }
            Err(reason) => self.text(reason),
        }
    }

    fn seal(self, cell: &Cell) -> CellDigest {
        CellDigest {
            phase: cell.work.phase().word().to_owned(),
            name: cell.name.clone(),
            content: self.content.finalize().to_hex().to_string(),
            labels: self.labels.finalize().to_hex().to_string(),
        }
    }

    fn labels(&mut self, answers: &Answers) {
        let best = answers.restricted_to(Access::Top1).expect("answers reveal a label");
        self.labels.update(best.digest().as_bytes());
    }
}
