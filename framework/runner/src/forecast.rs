//! What is ahead of a run, cell by cell, as far as its plan tells: for the order of work and the estimate of time.

use std::{collections::HashSet, time::Instant};

use bertillon::{Answers, Fingerprint, Mode, chunk, suite::Task};

use crate::{
    Ahead, CellCost, Options, RunError,
    cache::Cache,
    key::Key,
    plan::{ModelId, Plan, PlannedVariant},
    population::Place,
    worker::guarded,
};

/// Names of the steps, in their order.
pub(crate) mod step {
    pub(crate) const VANILLAS: &str = "vanillas answer the pool";
    pub(crate) const CRAFTING: &str = "owners craft queries";
    pub(crate) const MODELS: &str = "models are derived and answer";
    pub(crate) const DISTANCES: &str = "distances";
    pub(crate) const IDENTIFICATION: &str = "identification";
    pub(crate) const FIGURES: &str = "figures";

    pub(crate) fn rehearsing(fingerprint: &str) -> String {
        format!("owners rehearse for {fingerprint}")
    }

    pub(crate) fn sequential(ranks: usize) -> String {
        format!("sequential tests, top-{ranks}")
    }
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every model answers the pool, nothing else.
    Recording,
    /// Owners enrol and judge as well.
    Whole,
    /// One owner enrols by one fingerprint.
    Enrolment {
        /// Index of the fingerprint.
        fingerprint: usize,
        /// Her family.
        owner: usize,
    },
}

/// What cells cost, in seconds of one worker as far as `speeds` are known.
pub(crate) struct Forecast<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cache: &'a Cache,
    /// Seconds in which each vanilla answers an image; all alike while nothing was timed.
    pub(crate) speeds: Option<&'a [f64]>,
}

impl Forecast<'_> {
    /// A vanilla and the pool.
    pub(crate) fn vanilla(&self, family: usize) -> CellCost {
        let plan = self.plan;
        let key = plan.pool_answers_key(plan.families[family].key);
        let is_there = plan.recorded.is_some() || self.cache.has::<Answers>(key);
        let images = if is_there { 0.0 } else { plan.pool.len() as f64 };
        CellCost { group: "vanilla".to_owned(), work: images * self.speed(family) }
    }

    /// The bank of an owner.
    pub(crate) fn bank(&self, fingerprint: usize, owner: usize) -> CellCost {
        let planned = &self.plan.fingerprints[fingerprint];
        let is_there = self.cache.has::<Fingerprint>(self.plan.bank_key(planned, owner));
        let queries = if is_there { 0 } else { planned.bank.unwrap_or_default() };
        let forwards = planned.method.forwards_per_crafted_query() * queries as f64;
        CellCost { group: planned.name.clone(), work: forwards * self.speed(owner) }
    }

    /// All that an owner rehearses for a fingerprint, but for what is in `counted`.
    pub(crate) fn rehearsals(
        &self,
        fingerprint: usize,
        owner: usize,
        counted: &mut HashSet<Key>,
    ) -> CellCost {
        let plan = self.plan;
        let planned = &plan.fingerprints[fingerprint];
        let new = |rehearsal: &&PlannedVariant| {
            counted.insert(plan.derived_key(owner, rehearsal, Place::REHEARSED))
        };
        let work = planned.rehearsals.iter().filter(new).map(|r| self.rehearsal(owner, r)).sum();
        CellCost { group: planned.name.clone(), work }
    }

    /// One of them.
    pub(crate) fn rehearsal(&self, owner: usize, rehearsal: &PlannedVariant) -> f64 {
        let plan = self.plan;
        let key = plan.pool_answers_key(plan.derived_key(owner, rehearsal, Place::REHEARSED));
        match plan.recorded.is_some() || self.cache.has::<Answers>(key) {
            true => 0.0,
            false => plan.cost_of(Some(rehearsal), plan.pool.len()) * self.speed(owner),
        }
    }

    /// What a model still has to answer of the pool and of these banks.
    pub(crate) fn model(&self, model: ModelId, banks: &[(Key, usize)]) -> CellCost {
        let plan = self.plan;
        let missing = plan.missing_answers(self.cache, model, banks);
        let variant = model.variant.map(|variant| &plan.variants[variant]);
        CellCost {
            group: variant
                .map_or("vanilla", |v| v.plugin().unwrap_or(&v.variation.kind))
                .to_owned(),
            work: plan.cost(model, missing) * self.speed(model.family),
        }
    }

    /// Every step of a run. Those of judging have no costs: they have no unit in common with those of models.
    pub(crate) fn steps(&self, extent: Extent) -> Vec<Ahead> {
        let plan = self.plan;
        let owners = plan.families.len();
        let mut steps =
            vec![Ahead::new(step::VANILLAS, (0..owners).map(|family| self.vanilla(family)))];
        let (mut banks, mut crafted) = (Vec::new(), Vec::new());
        let mut counted = HashSet::new();
        for (index, fingerprint) in plan.fingerprints.iter().enumerate() {
            let enrols = |owner: &usize| match extent {
                Extent::Recording => false,
                Extent::Whole => true,
                Extent::Enrolment { fingerprint, owner: one } => {
                    (fingerprint, one) == (index, *owner)
                }
            };
            let owners: Vec<usize> = (0..owners).filter(enrols).collect();
            if plan.rehearses(fingerprint) && !owners.is_empty() {
                let cells = owners.iter().map(|&o| self.rehearsals(index, o, &mut counted));
                steps.push(Ahead::new(&step::rehearsing(&fingerprint.name), cells));
            }
            if let Some(size) = fingerprint.bank {
                crafted.extend(owners.iter().map(|&owner| self.bank(index, owner)));
                banks.extend(owners.iter().map(|&o| (plan.bank_key(fingerprint, o), size)));
            }
        }
        if !crafted.is_empty() {
            steps.push(Ahead::new(step::CRAFTING, crafted));
        }
        let models = plan.models().into_iter().map(|model| self.model(model, &banks));
        steps.push(Ahead::new(step::MODELS, models));
        let judging = match extent {
            Extent::Recording => Vec::new(),
            Extent::Whole => self.judging(),
            Extent::Enrolment { .. } => vec![step::DISTANCES.to_owned()],
        };
        steps.extend(judging.into_iter().map(|name| Ahead::new(&name, [])));
        steps
    }

    fn judging(&self) -> Vec<String> {
        let suite = &self.plan.suite;
        let mut names = Vec::new();
        if suite.asks(Task::Detection) {
            names.push(step::DISTANCES.to_owned());
        }
        if suite.asks(Task::Identification) {
            names.push(step::IDENTIFICATION.to_owned());
        }
        if suite.asks(Task::Sequential) {
            let ranks = suite.evaluation.sequential.top_k.iter();
            names.extend(ranks.map(|ranks| step::sequential(ranks.value)));
        }
        if suite.figures.is_some() {
            names.push(step::FIGURES.to_owned());
        }
        names
    }

    fn speed(&self, family: usize) -> f64 {
        self.speeds.map_or(1.0, |speeds| speeds[family])
    }
}

/// Seconds in which each vanilla answers an image: as it was timed, or from a sample where there is still something to
/// be asked of its family. What can't be timed is taken for average: it is an estimate, and its cell will tell.
pub(crate) fn speeds(
    forecast: &Forecast<'_>,
    options: &Options,
    timed: &[Option<f64>],
) -> Vec<f64> {
    let plan = forecast.plan;
    let crafting = plan.crafting().flat_map(|(index, _)| (0..timed.len()).map(move |o| (o, index)));
    let mut busy = vec![false; timed.len()];
    crafting.for_each(|(owner, index)| busy[owner] |= forecast.bank(index, owner).work > 0.0);
    plan.models().into_iter().for_each(|m| busy[m.family] |= forecast.model(m, &[]).work > 0.0);
    let known: Vec<Option<f64>> = timed
        .iter()
        .enumerate()
        .map(|(family, timed)| {
            let sample = || seconds_per_image(plan, options, family).ok();
            timed.or_else(|| busy[family].then(sample).flatten())
        })
        .collect();
    let (sum, count) =
        known.iter().flatten().fold((0.0, 0.0), |(s, n), speed| (s + speed, n + 1.0));
    let average = if count > 0.0 { sum / count } else { 1.0 };
    known.into_iter().map(|speed| speed.unwrap_or(average)).collect()
}

/// Seconds in which each vanilla answers an image, from a sample; 0 where answers were recorded.
pub(crate) fn sampled_speeds(plan: &Plan, options: &Options) -> Result<Vec<f64>, RunError> {
    match plan.recorded {
        Some(_) => Ok(vec![0.0; plan.families.len()]),
        None => (0..plan.families.len()).map(|f| seconds_per_image(plan, options, f)).collect(),
    }
}

/// Seconds that a vanilla takes for one image, from two chunks, the first of which warms up.
fn seconds_per_image(plan: &Plan, options: &Options, family: usize) -> Result<f64, RunError> {
    let timed = guarded(|| {
        let images = plan.pool.images()?;
        let rows = images.len().min(chunk(images.shape()));
        let batch = images.to_tensor(0..rows, options.device);
        let network = plan.collection.load(family, options.device)?;
        let model = plan.served(family, network)?;
        let mut seconds = 0.0;
        for _ in 0..2 {
            let start = Instant::now();
            drop(tch::no_grad(|| model.logits(&batch, Mode::Evaluation))?);
            seconds = start.elapsed().as_secs_f64();
        }
        Ok(seconds / rows as f64)
    });
    timed.map_err(RunError::User)
}
