//! The population: each model is loaded or derived once and answers the pool and every crafted query.

use std::{collections::HashMap, sync::Arc};

use bertillon::{Answers, Changes, Derived, Error, Fingerprint, Images, Model, Workbench, answer};

use crate::{
    RunError,
    context::Context,
    forecast::step,
    key::Key,
    plan::{ModelId, Plan, PlannedVariant},
    worker::{Site, with_causes},
};

/// What became of one model.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) model: ModelId,
    /// Its answers to the pool; none when it failed, or is a variant in which nothing changed.
    pub(crate) pool: Option<Answers>,
    pub(crate) changes: Option<Changes>,
    pub(crate) kept: bool,
    /// Its answers to each bank asked, by fingerprint and owner; the reason where that failed.
    pub(crate) banks: HashMap<(usize, usize), Result<Answers, String>>,
    /// Why it could not be derived or asked, with the step.
    pub(crate) failure: Option<(&'static str, String)>,
}

/// A bank of crafted queries and where it belongs.
pub(crate) struct Bank {
    pub(crate) fingerprint: usize,
    pub(crate) owner: usize,
    pub(crate) key: Key,
    pub(crate) content: Arc<Fingerprint>,
}

/// Every vanilla answers the pool, mostly from the cache; how it is used is not doubted.
pub(crate) fn vanillas(context: &Context<'_>) -> Result<Vec<Result<Answers, String>>, RunError> {
    let families: Vec<usize> = (0..context.plan.families.len()).collect();
    let forecast = context.forecast();
    context.step_in_groups(
        step::VANILLAS,
        &families,
        |&family| forecast.vanilla(family),
        |&family| vanilla_answers(context, family),
    )
}

/// Asks a vanilla the pool.
pub(crate) fn vanilla_answers(
    context: &Context<'_>,
    family: usize,
) -> Result<Result<Answers, String>, RunError> {
    let plan = context.plan;
    if let Some(recorded) = &plan.recorded {
        let answers = recorded.answers(ModelId { family, variant: None });
        return Ok(answers.cloned().ok_or_else(|| "nothing was recorded of it".to_owned()));
    }
    let key = plan.pool_answers_key(plan.families[family].key);
    context.obtain(key, || {
        context.progress.working_on(&plan.families[family].vanilla.name);
        let answers = context.site().limited(move |site| {
            let model = site.vanilla(family)?;
            answer(model.as_ref(), site.plan().pool.images()?, site.plan().access, site.device())
        })?;
        context.count_answers(answers.len());
        Ok(answers)
    })
}

/// Derives one of the owner's rehearsals and asks it the pool.
pub(crate) fn rehearsal_answers(
    context: &Context<'_>,
    family: usize,
    place: Place,
) -> Result<Result<Answers, String>, RunError> {
    let plan = context.plan;
    let rehearsal = place.of(plan);
    if let Some(recorded) = &plan.recorded {
        let answers = recorded.variant(family, &rehearsal.variation);
        return Ok(answers.cloned().ok_or_else(|| "it was not recorded".to_owned()));
    }
    let key = plan.pool_answers_key(plan.derived_key(family, rehearsal, place.role()));
    context.obtain(key, || {
        let answers = context.site().limited(move |site| {
            let (model, _) = derive(site, family, place)?;
            answer(model.as_ref(), site.plan().pool.images()?, site.plan().access, site.device())
        })?;
        context.count_answers(answers.len());
        Ok(answers)
    })
}

/// Where a plan has a variant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Among those that thieves derive.
    Variant(usize),
    /// Among those that owners rehearse for a fingerprint.
    Rehearsal { fingerprint: usize, index: usize },
}

impl Place {
    /// What its role is called where an owner rehearses it.
    pub(crate) const REHEARSED: &str = "rehearsal";

    fn of(self, plan: &Plan) -> &PlannedVariant {
        match self {
            Self::Variant(index) => &plan.variants[index],
            Self::Rehearsal { fingerprint, index } => {
                &plan.fingerprints[fingerprint].rehearsals[index]
            }
        }
    }

    fn role(self) -> &'static str {
        match self {
            Self::Variant(_) => "variant",
            Self::Rehearsal { .. } => Self::REHEARSED,
        }
    }
}

/// A variant as its service runs it, and what was done to it.
fn derive(
    site: &Site,
    family: usize,
    place: Place,
) -> bertillon::Result<(Box<dyn Model>, Changes)> {
    let Derived { model, changes } = derive_network(site, family, place)?;
    Ok((site.served(family, model)?, changes))
}

/// The network of a variant.
pub(crate) fn derive_network(
    site: &Site,
    family: usize,
    place: Place,
) -> bertillon::Result<Derived> {
    let plan = site.plan();
    let variant = place.of(plan);
    let derivation = variant.derivation.as_ref().ok_or_else(only_recorded)?;
    let mut workbench = Workbench {
        images: plan.thiefs_images(family)?.ok_or_else(only_recorded)?,
        device: site.device(),
        stream: plan.derivation_stream(family, variant, place.role()),
    };
    derivation.generator.derive(site.network(family)?, &mut workbench)
}

fn only_recorded() -> Error {
    Error::Refused("there are recorded answers only, nothing to derive a model from".to_owned())
}

/// The cell of one model: whatever of its answers the cache lacks is computed, deriving the model at most once.
pub(crate) fn cell(
    context: &Context<'_>,
    model: ModelId,
    vanillas: &[Result<Answers, String>],
    banks: &[Bank],
) -> Result<Outcome, RunError> {
    let plan = context.plan;
    let mut suspect =
        Suspect { context, site: context.site(), model, white_box: None, changes: None };
    let mut outcome = Outcome {
        model,
        pool: None,
        changes: None,
        kept: false,
        banks: HashMap::new(),
        failure: None,
    };
    let vanilla = match &vanillas[model.family] {
        Ok(answers) => answers,
        Err(reason) => {
            let reason = match model.variant {
                None => reason.clone(),
                Some(_) => format!("its vanilla failed: {reason}"),
            };
            outcome.failure = Some(("answer", reason));
            return Ok(outcome);
        }
    };
    if let Some(recorded) = &plan.recorded {
        outcome.pool = recorded.answers(model).cloned();
        outcome.kept = match &outcome.pool {
            Some(answers) => model.variant.is_none() || plan.keeps(answers, vanilla),
            None => false,
        };
        return Ok(outcome);
    }
    match suspect.changes()? {
        Ok(changes) => outcome.changes = changes,
        Err(reason) => {
            outcome.failure = Some(("derive", reason));
            return Ok(outcome);
        }
    }
    if outcome.changes.as_ref().is_some_and(|changes| changes.unchanged) {
        return Ok(outcome);
    }
    let key = plan.model_key(model);
    let images = plan.pool.images().map_err(|error| RunError::User(error.to_string()))?;
    match suspect.answers(plan.pool_answers_key(key), images)? {
        Ok(answers) => {
            outcome.kept = model.variant.is_none() || plan.keeps(&answers, vanilla);
            outcome.pool = Some(answers);
        }
        Err(reason) => {
            outcome.failure = Some(("answer", reason));
            return Ok(outcome);
        }
    }
    if outcome.kept {
        for bank in banks {
            let answers =
                suspect.bank_answers(plan.bank_answers_key(key, bank.key), bank, &outcome)?;
            outcome.banks.insert((bank.fingerprint, bank.owner), answers);
        }
    }
    Ok(outcome)
}

/// A model that is derived when it is first needed.
struct Suspect<'a> {
    context: &'a Context<'a>,
    site: Site,
    model: ModelId,
    white_box: Option<Result<Box<dyn Model>, String>>,
    changes: Option<Changes>,
}

impl Suspect<'_> {
    /// What its generator did; none for a vanilla.
    fn changes(&mut self) -> Result<Result<Option<Changes>, String>, RunError> {
        if self.model.variant.is_none() {
            return Ok(Ok(None));
        }
        let context = self.context;
        let changes = context.obtain(context.plan.model_key(self.model), || {
            self.white_box()?;
            Ok(self.changes.clone().expect("a derived model has its changes"))
        })?;
        Ok(changes.map(Some))
    }

    /// Derives the model, where that has not been tried yet.
    fn white_box(&mut self) -> Result<(), String> {
        if self.white_box.is_none() {
            let (context, ModelId { family, variant }) = (self.context, self.model);
            context.progress.working_on(&context.plan.model_name(self.model));
            let derived = self.site.limited(move |site| match variant {
                None => Ok((site.vanilla(family)?, None)),
                Some(variant) => {
                    let (model, changes) = derive(site, family, Place::Variant(variant))?;
                    Ok((model, Some(changes)))
                }
            });
            self.white_box = Some(derived.map(|(model, changes)| {
                self.changes = changes;
                model
            }));
        }
        match self.white_box.as_ref().expect("set above") {
            Ok(_) => Ok(()),
            Err(reason) => Err(reason.clone()),
        }
    }

    fn answers(&mut self, key: Key, images: &Images) -> Result<Result<Answers, String>, RunError> {
        let context = self.context;
        context.obtain(key, || {
            let answers = self.ask(images)?;
            context.count_answers(answers.len());
            Ok(answers)
        })
    }

    fn ask(&mut self, images: &Images) -> Result<Answers, String> {
        self.white_box()?;
        let model = self.white_box.take().expect("it was derived")?;
        let images = images.clone();
        // The model goes along, so that it can be abandoned with the thread, and comes back.
        let asked = self.site.limited(move |site| {
            let answers = answer(model.as_ref(), &images, site.plan().access, site.device());
            Ok((model, answers))
        });
        match asked {
            Ok((model, answers)) => {
                self.white_box = Some(Ok(model));
                answers.map_err(|error| with_causes(&error))
            }
            Err(reason) => {
                self.white_box = Some(Err(reason.clone()));
                Err(reason)
            }
        }
    }

    /// Answers to all queries of a bank: those from the pool are known already.
    fn bank_answers(
        &mut self,
        key: Key,
        bank: &Bank,
        outcome: &Outcome,
    ) -> Result<Result<Answers, String>, RunError> {
        let queries = &bank.content.queries;
        let benign = outcome.pool.as_ref().map(|answers| answers.gather(&queries.pool));
        let Some(images) = &queries.crafted else {
            return Ok(benign.ok_or_else(|| "it did not answer the pool".to_owned()));
        };
        let crafted = self.answers(key, images)?;
        Ok(match (benign, crafted) {
            (Some(benign), Ok(crafted)) if !benign.is_empty() => {
                let labels = [benign.as_slice(), crafted.as_slice()].concat();
                Answers::new(labels, crafted.ranks()).map_err(|error| error.to_string())
            }
            (_, crafted) => crafted,
        })
    }
}
