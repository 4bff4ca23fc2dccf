//! Answers that were recorded in place of models.

use std::collections::HashMap;

use bertillon::{Answers, Recorded, Vanilla, Variation, suite::Suite};

use super::ModelId;
use crate::RunError;
use rayon::prelude::*;

/// What a collection of recorded answers holds, cut to the pool.
#[derive(Debug)]
pub(crate) struct RecordedModels {
    variations: Vec<Variation>,
    models: Vec<ModelId>,
    answers: HashMap<ModelId, Answers>,
    names: Vec<(String, ModelId)>,
    ranks: usize,
}

impl RecordedModels {
    /// Arranges what was recorded; the answers to images beyond the pool of `pool` images are left out.
    ///
    /// # Errors
    /// When a vanilla is missing, a model stands twice, or answers and pool do not fit.
    pub(crate) fn new(
        recorded: Vec<Recorded>,
        vanillas: &[Vanilla],
        suite: &Suite,
        pool: usize,
    ) -> Result<Self, RunError> {
        let refuse = |problem: String| {
            Err(RunError::User(format!(
                "recorded answers (`{}`): {problem}",
                suite.models.plugin.value
            )))
        };
        let mut found = Self {
            variations: Vec::new(),
            models: Vec::new(),
            answers: HashMap::new(),
            names: Vec::new(),
            ranks: recorded.first().map_or(1, |model| model.answers.ranks()),
        };
        let mut positions: HashMap<Variation, usize> = HashMap::new();
        for model in recorded {
            let Some(vanilla) = vanillas.get(model.family) else {
                return refuse(format!(
                    "there is no vanilla {} of {}",
                    model.family,
                    vanillas.len()
                ));
            };
            let name = match &model.variation {
                Some(variation) => format!("{variation} of {}", vanilla.name),
                None => vanilla.name.clone(),
            };
            let answered = model.answers.len();
            if answered < pool || (suite.pool.is_none() && answered != pool) {
                return refuse(format!(
                    "`{name}` has answers to {answered} images, the pool has {pool}"
                ));
            }
            if model.answers.ranks() != found.ranks {
                let (ranks, others) = (model.answers.ranks(), found.ranks);
                return refuse(format!(
                    "`{name}` reveals {ranks} labels an image, others {others}"
                ));
            }
            let variant = model.variation.map(|variation| {
                *positions.entry(variation).or_insert_with_key(|variation| {
                    found.variations.push(variation.clone());
                    found.variations.len() - 1
                })
            });
            let id = ModelId { family: model.family, variant };
            let answers = if answered == pool { model.answers } else { model.answers.first(pool) };
            if found.answers.insert(id, answers).is_some() {
                return refuse(format!("`{name}` stands twice"));
            }
            found.models.push(id);
            found.names.push((name, id));
        }
        found.models.sort_by_key(|id| (id.family, id.variant));
        for (family, vanilla) in vanillas.iter().enumerate() {
            if !found.answers.contains_key(&ModelId { family, variant: None }) {
                return refuse(format!("the vanilla `{}` has none", vanilla.name));
            }
        }
        Ok(found)
    }

    /// Labels revealed an image.
    pub(crate) fn ranks(&self) -> usize {
        self.ranks
    }

    /// Every variation that occurs, in the order in which it was found.
    pub(crate) fn variations(&self) -> impl Iterator<Item = &Variation> {
        self.variations.iter()
    }

    /// Every model, family by family, the vanilla first.
    pub(crate) fn models(&self) -> &[ModelId] {
        &self.models
    }

    /// Name of every model and digest of its answers to the pool.
    pub(crate) fn digests(&self) -> Vec<[String; 2]> {
        let digest = |(name, id): &(String, ModelId)| {
            [name.clone(), self.answers[id].digest().to_hex().to_string()]
        };
        self.names.par_iter().map(digest).collect()
    }

    /// What a model answered.
    pub(crate) fn answers(&self, model: ModelId) -> Option<&Answers> {
        self.answers.get(&model)
    }

    /// What the variant `variation` of a family answered.
    pub(crate) fn variant(&self, family: usize, variation: &Variation) -> Option<&Answers> {
        let variant = self.variations.iter().position(|known| known == variation);
        self.answers(ModelId { family, variant: Some(variant?) })
    }
}
