//! Cells: the pieces of a run that are computed apart, known before anything is.

use std::{
    cell::{OnceCell, RefCell},
    collections::{HashMap, HashSet},
};

use bertillon::{Answers, Changes, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::{
    cache::{Cache, Found, Note},
    forecast::{Forecast, step},
    key::Key,
    plan::{ModelId, Plan},
    population::Place,
};

/// Cells of a phase need what those of earlier phases left in the cache; what is missing is computed on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Vanillas, and what owners rehearse, answer the pool.
    Vanillas,
    /// Owners craft queries.
    Crafting,
    /// Models are derived, and answer the pool and crafted queries.
    Models,
}

impl Phase {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Vanillas, Self::Crafting, Self::Models];

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vanillas => "vanillas",
            Self::Crafting => "crafting",
            Self::Models => "models",
        }
    }

    /// What is done in it.
    pub fn step(self) -> &'static str {
        match self {
            Self::Vanillas => step::VANILLAS,
            Self::Crafting => step::CRAFTING,
            Self::Models => step::MODELS,
        }
    }
}

/// A piece of a run.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    /// `prune/conv/0.2 of lenet-a`, `IP-Guard of lenet-a`; unique within its phase.
    pub(crate) name: String,
    /// Of what it is to make; of a model, not of its answers.
    pub(crate) key: Key,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// The vanilla of this family answers the pool.
    Vanilla(usize),
    /// A rehearsal of this family's owner answers the pool.
    Rehearsal { owner: usize, fingerprint: usize, index: usize },
    /// An owner crafts queries.
    Bank { fingerprint: usize, owner: usize },
    /// A model is derived and asked.
    Model(ModelId),
}

impl Work {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Vanilla(_) | Self::Rehearsal { .. } => Phase::Vanillas,
            Self::Bank { .. } => Phase::Crafting,
            Self::Model(_) => Phase::Models,
        }
    }
}

/// How a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    /// Something of it failed, all else is done.
    Failed,
    Missing,
}

impl State {
    /// The state of what needs both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::Done, Self::Done) => Self::Done,
        }
    }
}

impl Plan {
    /// Every cell, phase by phase; none where answers were recorded.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        if self.recorded.is_some() {
            return Vec::new();
        }
        let owners = || 0..self.families.len();
        let vanilla = |family: usize| Cell {
            work: Work::Vanilla(family),
            name: self.families[family].vanilla.name.clone(),
            key: self.families[family].key,
        };
        let mut cells: Vec<Cell> = owners().map(vanilla).collect();
        let mut known = HashSet::new();
        for (fingerprint, planned) in self.fingerprints.iter().enumerate() {
            if !self.rehearses(planned) {
                continue;
            }
            for owner in owners() {
                for (index, rehearsal) in planned.rehearsals.iter().enumerate() {
                    let key = self.derived_key(owner, rehearsal, Place::REHEARSED);
                    let vanilla = &self.families[owner].vanilla.name;
                    let name = format!("{} of {vanilla}, rehearsed", rehearsal.variation);
                    if known.insert(key) {
                        let work = Work::Rehearsal { owner, fingerprint, index };
                        cells.push(Cell { work, name, key });
                    }
                }
            }
        }
        for (fingerprint, planned) in self.crafting() {
            cells.extend(owners().map(|owner| Cell {
                work: Work::Bank { fingerprint, owner },
                name: format!("{} of {}", planned.name, self.families[owner].vanilla.name),
                key: self.bank_key(planned, owner),
            }));
        }
        cells.extend(self.models().into_iter().map(|model| Cell {
            work: Work::Model(model),
            name: self.model_name(model),
            key: self.model_key(model),
        }));
        cells
    }
}

/// What the cache has of the cells of a plan. Nothing is computed, and each object is read at most once.
pub(crate) struct Ledger<'a> {
    plan: &'a Plan,
    cache: &'a Cache,
    asked: Vec<(Key, usize)>,
    states: RefCell<HashMap<Work, State>>,
    vanillas: Vec<OnceCell<Result<Answers, State>>>,
    /// Whether a bank has crafted queries, `[fingerprint][owner]`.
    banks: Vec<Vec<OnceCell<Result<bool, State>>>>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(plan: &'a Plan, cache: &'a Cache) -> Self {
        let owners = plan.families.len();
        let vanillas = (0..owners).map(|_| OnceCell::new()).collect();
        let banks =
            plan.fingerprints.iter().map(|_| (0..owners).map(|_| OnceCell::new()).collect());
        Self {
            plan,
            cache,
            asked: plan.asked(),
            states: RefCell::default(),
            vanillas,
            banks: banks.collect(),
        }
    }

    pub(crate) fn state(&self, work: Work) -> State {
        let known = self.states.borrow().get(&work).copied();
        known.unwrap_or_else(|| {
            let state = self.read(work);
            self.states.borrow_mut().insert(work, state);
            state
        })
    }

    fn read(&self, work: Work) -> State {
        let plan = self.plan;
        match work {
            Work::Vanilla(family) => {
                self.vanilla(family).as_ref().err().copied().unwrap_or(State::Done)
            }
            Work::Rehearsal { owner, fingerprint, index } => {
                let rehearsal = &plan.fingerprints[fingerprint].rehearsals[index];
                let key = plan.derived_key(owner, rehearsal, Place::REHEARSED);
                self.of_answers(plan.pool_answers_key(key))
            }
            Work::Bank { fingerprint, owner } => {
                self.bank(fingerprint, owner).err().unwrap_or(State::Done)
            }
            Work::Model(model) => self.model(model),
        }
    }

    /// What computing the rest of a cell costs, in the unit of the forecast.
    pub(crate) fn cost(&self, work: Work, forecast: &Forecast<'_>) -> f64 {
        if self.state(work) == State::Done {
            return 0.0;
        }
        let plan = self.plan;
        match work {
            Work::Vanilla(family) => forecast.vanilla(family).work,
            Work::Rehearsal { owner, fingerprint, index } => {
                forecast.rehearsal(owner, &plan.fingerprints[fingerprint].rehearsals[index])
            }
            Work::Bank { fingerprint, owner } => forecast.bank(fingerprint, owner).work,
            Work::Model(model) => {
                let vanilla = match model.variant {
                    None => forecast.vanilla(model.family).work,
                    Some(_) => 0.0,
                };
                forecast.model(model, &self.asked).work - vanilla
            }
        }
    }

    /// Answers that a cell still has to give.
    pub(crate) fn answers_needed(&self, work: Work) -> u64 {
        if self.state(work) == State::Done {
            return 0;
        }
        (match work {
            Work::Vanilla(_) | Work::Rehearsal { .. } => self.plan.pool.len(),
            Work::Bank { .. } => 0,
            // Who will be rejected is not known yet.
            Work::Model(model) => {
                let missing = self.plan.missing_answers(self.cache, model, &self.asked);
                match (model.variant, self.vanilla(model.family)) {
                    (None, Err(_)) => missing - self.plan.pool.len(),
                    _ => missing,
                }
            }
        }) as u64
    }

    fn vanilla(&self, family: usize) -> &Result<Answers, State> {
        self.vanillas[family].get_or_init(|| {
            let key = self.plan.pool_answers_key(self.plan.families[family].key);
            there(self.cache.get(key)).ok_or_else(|| self.without(key))
        })
    }

    fn bank(&self, fingerprint: usize, owner: usize) -> Result<bool, State> {
        *self.banks[fingerprint][owner].get_or_init(|| {
            let key = self.plan.bank_key(&self.plan.fingerprints[fingerprint], owner);
            let bank: Option<Fingerprint> = there(self.cache.get(key));
            bank.map(|bank| bank.queries.crafted.is_some()).ok_or_else(|| self.without(key))
        })
    }

    fn model(&self, model: ModelId) -> State {
        let plan = self.plan;
        let vanilla = match self.vanilla(model.family) {
            Ok(answers) => answers,
            Err(state) => return *state,
        };
        let key = plan.model_key(model);
        if model.variant.is_some() {
            match there::<Changes>(self.cache.get(key)) {
                Some(changes) if changes.unchanged => return State::Done,
                Some(_) => {}
                None => return self.without(key),
            }
        }
        let pool = plan.pool_answers_key(key);
        let Some(answers) = there::<Answers>(self.cache.get(pool)) else {
            return self.without(pool);
        };
        if model.variant.is_some() && !plan.keeps(&answers, vanilla) {
            return State::Done;
        }
        let mut state = State::Done;
        for (fingerprint, planned) in plan.crafting() {
            for owner in 0..plan.families.len() {
                let bank = plan.bank_key(planned, owner);
                state = state.and(match self.bank(fingerprint, owner) {
                    Ok(true) => self.of_answers(plan.bank_answers_key(key, bank)),
                    // It asks the pool alone, or is not to be had: its failure is its own cell's.
                    Ok(false) | Err(State::Failed | State::Done) => State::Done,
                    Err(State::Missing) => State::Missing,
                });
            }
        }
        state
    }

    fn of_answers(&self, key: Key) -> State {
        match self.cache.has::<Answers>(key) {
            true => State::Done,
            false => self.without(key),
        }
    }

    /// The state of what the cache lacks.
    fn without(&self, key: Key) -> State {
        match self.cache.has::<Note<String>>(key.failure()) {
            true => State::Failed,
            false => State::Missing,
        }
    }
}

/// A damaged object is as good as none; whoever computes it anew says so.
fn there<T>(found: Found<T>) -> Option<T> {
    found.unwrap_or_default()
}
