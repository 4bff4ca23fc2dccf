//! The plan of a run: every model, fingerprint and cell, with its key, before anything is computed.

mod check;
mod recorded;

use std::{collections::BTreeMap, sync::Arc};

use bertillon::{
    Access, Answers, Cost, FingerprintMethod, ImageRequest, InputSelector, Knowledge,
    LabelledImages, Model, ModelCollection, Needs, Pool, Published, SOURCE_DIGEST, Service, Stream,
    Vanilla, VariantGenerator, Variation, chunk, cpu_capability,
    suite::{IdentifyBy, Negatives, Suite, Task},
};

use check::Checker;
pub use check::with_plugin_mistakes;
pub(crate) use recorded::RecordedModels;

use crate::{
    Options, RunError,
    cache::Cache,
    key::{Key, Recipe},
    plugins::PluginRecipe,
    worker::with_causes,
};

/// The version that everything is computed by.
pub(crate) const LIBTORCH: &str = "2.11.0";

/// Ranks stored for every answer: methods that reveal more of a black box reuse what is there.
const STORED_RANKS: usize = 5;

/// A suite with all its plugins built and all its keys known.
pub(crate) struct Plan {
    pub(crate) suite: Suite,
    /// Digest of the images or labels.
    pub(crate) data_digest: String,
    /// Images that were left out, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) thief: Option<LabelledImages>,
    pub(crate) collection: Box<dyn ModelCollection>,
    /// Answers recorded in place of models.
    pub(crate) recorded: Option<RecordedModels>,
    pub(crate) families: Vec<Family>,
    pub(crate) variants: Vec<PlannedVariant>,
    pub(crate) fingerprints: Vec<PlannedFingerprint>,
    /// What every model is asked to reveal and the cache stores.
    pub(crate) access: Access,
    /// Ancestry group of each family.
    pub(crate) ancestry: Vec<usize>,
    /// Published rates to compare with.
    pub(crate) published: Option<Published>,
    base: Recipe,
    pool_key: Key,
    thief_key: Key,
}

/// A vanilla with its key.
pub(crate) struct Family {
    pub(crate) vanilla: Vanilla,
    pub(crate) key: Key,
}

/// One point of the grid of variants.
pub(crate) struct PlannedVariant {
    pub(crate) variation: Variation,
    /// What derives it; none where its answers were recorded.
    pub(crate) derivation: Option<Derivation>,
}

/// A variant generator with its part of the keys.
pub(crate) struct Derivation {
    pub(crate) generator: Box<dyn VariantGenerator>,
    pub(crate) recipe: PluginRecipe,
}

/// One fingerprint of the suite.
pub(crate) struct PlannedFingerprint {
    pub(crate) name: String,
    pub(crate) method: Box<dyn FingerprintMethod>,
    pub(crate) selector: Option<Box<dyn InputSelector>>,
    pub(crate) recipe: PluginRecipe,
    pub(crate) needs: Needs,
    pub(crate) knowledge: Knowledge,
    pub(crate) parameters: String,
    /// Crafted queries an owner makes; none for benign ones.
    pub(crate) bank: Option<usize>,
    /// Families that each owner knows beside her own.
    pub(crate) peers: Vec<Vec<usize>>,
    pub(crate) rehearsals: Vec<PlannedVariant>,
}

/// A model of the population: a vanilla (`variant` none) or one of its variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ModelId {
    pub(crate) family: usize,
    pub(crate) variant: Option<usize>,
}

impl Plan {
    /// Builds every plugin, loads the images and works out every key.
    pub(crate) fn new(suite: &Suite, options: &Options) -> Result<Self, RunError> {
        let mut checker = Checker::new(suite);
        let parts = checker.plugins();
        let published = checker.published();
        let (Some(parts), false) = (parts, checker.complains()) else {
            return Err(checker.into_error());
        };
        let pool_size = suite.pool.as_ref().map(|pool| pool.value);
        let request = ImageRequest {
            pool: pool_size,
            scratch: Some(&options.cache),
            skip_bad_images: options.skip_bad_images,
        };
        let split = parts.images.load(&request).map_err(user)?;
        let collection = parts.models;
        let vanillas = collection.vanillas();
        let recorded = collection.recorded(&options.cache).map_err(user)?;
        let recorded = recorded
            .map(|models| RecordedModels::new(models, vanillas, suite, split.pool.len()))
            .transpose()?;
        checker.check(&split, vanillas, &parts.variants, &parts.fingerprints, recorded.as_ref());
        if checker.complains() {
            return Err(checker.into_error());
        }

        let base = Key::recipe("base")
            .text(SOURCE_DIGEST)
            .text("libtorch")
            .text(LIBTORCH)
            .text(device_class(options.device))
            .text(cpu_capability())
            .number(split.pool.images().map_or(0, |images| chunk(images.shape())));
        let families: Vec<Family> = vanillas
            .iter()
            .map(|vanilla| {
                let recipe = base.clone().text("vanilla").text(&parts.models_recipe.source);
                let mut recipe = recipe.text(&vanilla.digest);
                if let Some(preprocessing) = vanilla.preprocessing {
                    recipe = recipe.text(&format!("{preprocessing:?}"));
                }
                Family { vanilla: vanilla.clone(), key: recipe.finish() }
            })
            .collect();
        let mut fingerprints = Vec::new();
        for (parsed, given) in parts.fingerprints.into_iter().zip(&suite.fingerprints) {
            fingerprints.push(checker.fingerprint(parsed, given, vanillas));
        }
        if checker.complains() {
            return Err(checker.into_error());
        }
        let needed = fingerprints.iter().map(|f| f.needs.access.ranks()).max().unwrap_or(1);
        let ranks = match &recorded {
            Some(recorded) => recorded.ranks(),
            None => needed.max(STORED_RANKS.min(split.classes.len())),
        };
        let mut groups = BTreeMap::new();
        let ancestry = vanillas
            .iter()
            .map(|vanilla| {
                let next = groups.len();
                *groups.entry(vanilla.ancestry.clone()).or_insert(next)
            })
            .collect();
        let images = Key::recipe("images").text(&split.digest);
        Ok(Self {
            suite: suite.clone(),
            pool_key: images.clone().text("pool").number(split.pool.len()).finish(),
            thief_key: images.text("thief").finish(),
            data_digest: split.digest,
            left_out: split.left_out,
            pool: Arc::new(split.pool),
            thief: split.thief,
            families,
            collection,
            variants: match &recorded {
                Some(recorded) => recorded.variations().map(PlannedVariant::recorded).collect(),
                None => parts.variants,
            },
            recorded,
            fingerprints,
            access: Access::TopK(ranks),
            ancestry,
            published,
            base,
        })
    }

    /// A network as the service of a family runs it.
    pub(crate) fn served(
        &self,
        family: usize,
        network: Box<dyn Model>,
    ) -> bertillon::Result<Box<dyn Model>> {
        let Some(preprocessing) = self.families[family].vanilla.preprocessing else {
            return Ok(network);
        };
        let sent = self.pool.images()?.shape();
        Ok(Box::new(Service::new(network, preprocessing, sent)?))
    }

    /// The thief's images as the network of a family takes them.
    pub(crate) fn thiefs_images(&self, family: usize) -> bertillon::Result<Option<LabelledImages>> {
        let Some(thief) = &self.thief else { return Ok(None) };
        let Vanilla { preprocessing, input, .. } = &self.families[family].vanilla;
        let images = match (preprocessing, input) {
            (Some(preprocessing), Some(input)) => preprocessing.apply(&thief.images, *input)?,
            _ => thief.images.clone(),
        };
        Ok(Some(LabelledImages { images, labels: thief.labels.clone() }))
    }

    /// Every model, family by family, the vanilla first.
    pub(crate) fn models(&self) -> Vec<ModelId> {
        if let Some(recorded) = &self.recorded {
            return recorded.models().to_vec();
        }
        let variants = || std::iter::once(None).chain((0..self.variants.len()).map(Some));
        (0..self.families.len())
            .flat_map(|family| variants().map(move |variant| ModelId { family, variant }))
            .collect()
    }

    /// Answers of a model that the cache lacks, to the pool and to banks of known key and size.
    pub(crate) fn missing_answers(
        &self,
        cache: &Cache,
        model: ModelId,
        banks: &[(Key, usize)],
    ) -> usize {
        if self.recorded.is_some() {
            return 0;
        }
        let key = self.model_key(model);
        let lacks =
            |answers: Key, count: usize| if cache.has::<Answers>(answers) { 0 } else { count };
        let pool = lacks(self.pool_answers_key(key), self.pool.len());
        pool + banks
            .iter()
            .map(|&(bank, size)| lacks(self.bank_answers_key(key, bank), size))
            .sum::<usize>()
    }

    /// Forward passes of its vanilla that deriving a model and asking it `queries` images cost.
    pub(crate) fn cost(&self, model: ModelId, queries: usize) -> f64 {
        if queries == 0 {
            return 0.0;
        }
        let variant = model.variant.map(|variant| &self.variants[variant]);
        self.cost_of(variant, queries)
    }

    /// Forward passes of its vanilla that deriving a variant, where it is one, and asking it `queries` images cost.
    pub(crate) fn cost_of(&self, variant: Option<&PlannedVariant>, queries: usize) -> f64 {
        let cost = match (variant.and_then(|v| v.derivation.as_ref()), &self.thief) {
            (Some(derivation), Some(thief)) => derivation.generator.cost(thief.len()),
            _ => Cost::default(),
        };
        cost.forwards_to_derive + cost.forwards_per_answer * queries as f64
    }

    /// `prune/conv/0.2 of lenet-a`, or the vanilla's name.
    pub(crate) fn model_name(&self, model: ModelId) -> String {
        let vanilla = &self.families[model.family].vanilla.name;
        match model.variant {
            None => vanilla.clone(),
            Some(variant) => format!("{} of {vanilla}", self.variants[variant].variation),
        }
    }

    pub(crate) fn model_key(&self, model: ModelId) -> Key {
        match model.variant {
            None => self.families[model.family].key,
            Some(variant) => self.derived_key(model.family, &self.variants[variant], "variant"),
        }
    }

    /// Key of what `role` (a thief's variant, an owner's rehearsal) derives from a vanilla.
    pub(crate) fn derived_key(&self, family: usize, variant: &PlannedVariant, role: &str) -> Key {
        let stream = self.derivation_stream(family, variant, role);
        let mut recipe = self.base.clone().text("derived").key(self.families[family].key);
        if let Some(derivation) = &variant.derivation {
            recipe = derivation.recipe.add_to(recipe);
        }
        recipe.bytes(&stream.key()).key(self.thief_key).finish()
    }

    pub(crate) fn derivation_stream(
        &self,
        family: usize,
        variant: &PlannedVariant,
        role: &str,
    ) -> Stream {
        let (variation, vanilla) =
            (variant.variation.to_string(), &self.families[family].vanilla.name);
        Stream::named(self.suite.seed, [role, variation.as_str(), "of", vanilla.as_str()])
    }

    /// Key of what other ways to prepare a vanilla's images came to, on the first images of the pool.
    pub(crate) fn preflight_key(&self, family: usize, sample: usize) -> Key {
        let recipe = self.base.clone().text("preflight").key(self.families[family].key);
        recipe.key(self.pool_key).number(sample).finish()
    }

    /// Key of the answers of the model `model` to the pool.
    pub(crate) fn pool_answers_key(&self, model: Key) -> Key {
        self.answers_key(model, self.pool_key)
    }

    /// Key of the answers of the model `model` to the crafted queries of `bank`.
    pub(crate) fn bank_answers_key(&self, model: Key, bank: Key) -> Key {
        self.answers_key(model, bank)
    }

    fn answers_key(&self, model: Key, queries: Key) -> Key {
        let recipe = self.base.clone().text("answers").key(model).key(queries);
        recipe.number(self.access.ranks()).finish()
    }

    /// Key of the crafted queries of an owner.
    pub(crate) fn bank_key(&self, fingerprint: &PlannedFingerprint, owner: usize) -> Key {
        let mut recipe = self.base.clone().text("bank").key(self.families[owner].key);
        recipe = fingerprint.recipe.add_to(recipe).key(self.pool_key);
        recipe = recipe.number(fingerprint.bank.unwrap_or_default());
        recipe = recipe.bytes(&self.bank_stream(owner).key());
        if fingerprint.knowledge.peers {
            for &peer in &fingerprint.peers[owner] {
                recipe = recipe.key(self.families[peer].key);
            }
        }
        if fingerprint.knowledge.rehearsals {
            for rehearsal in &fingerprint.rehearsals {
                recipe = recipe.key(self.derived_key(owner, rehearsal, "rehearsal"));
            }
        }
        recipe.finish()
    }

    pub(crate) fn bank_stream(&self, owner: usize) -> Stream {
        Stream::named(self.suite.seed, ["bank", "owner", &self.families[owner].vanilla.name])
    }

    /// Randomness of one draw of one owner; fingerprints share it, so that those that choose alike ask alike.
    pub(crate) fn draw_stream(&self, owner: usize, draw: usize) -> Stream {
        let name = &self.families[owner].vanilla.name;
        Stream::named(self.suite.seed, ["draw", &draw.to_string(), "owner", name])
    }

    /// Randomness of one draw that all owners share, so that those that choose alike ask alike.
    pub(crate) fn shared_draw_stream(&self, draw: usize) -> Stream {
        Stream::named(self.suite.seed, ["draw", &draw.to_string(), "shared"])
    }

    /// Whether owners rehearse for a fingerprint: it uses rehearsals, or is to tell kinds of variant apart by them.
    pub(crate) fn rehearses(&self, fingerprint: &PlannedFingerprint) -> bool {
        let by = &self.suite.evaluation.identification.by;
        let tells_kinds =
            self.suite.asks(Task::Identification) && by.contains(&IdentifyBy::Variation);
        fingerprint.knowledge.rehearsals || tells_kinds && fingerprint.bank.is_none()
    }

    /// Whether the pair of an owner and a suspect counts: what she rehearses is no true pair, and of the false ones those
    /// with her peers are left out where the suite asks for strangers.
    pub(crate) fn counts(
        &self,
        fingerprint: &PlannedFingerprint,
        owner: usize,
        suspect: ModelId,
    ) -> bool {
        if suspect.family == owner {
            return !suspect.variant.is_some_and(|variant| fingerprint.rehearses(self, variant));
        }
        self.suite.evaluation.negatives == Negatives::All
            || !fingerprint.peers[owner].contains(&suspect.family)
    }

    /// Whether a variant with these answers is accurate enough (Maho et al. 2022, eq. 1).
    pub(crate) fn keeps(&self, variant: &Answers, vanilla: &Answers) -> bool {
        let truth = &self.pool.truth;
        let ratio = variant.accuracy(truth) / vanilla.accuracy(truth);
        ratio - 1.0 > -self.suite.evaluation.max_accuracy_drop
    }

    /// Key and size of every bank.
    pub(crate) fn asked(&self) -> Vec<(Key, usize)> {
        let banks = self.crafting().flat_map(|(_, fingerprint)| {
            let size = fingerprint.bank.unwrap_or_default();
            (0..self.families.len()).map(move |owner| (self.bank_key(fingerprint, owner), size))
        });
        banks.collect()
    }

    /// Fingerprints whose queries are crafted, with their index.
    pub(crate) fn crafting(&self) -> impl Iterator<Item = (usize, &PlannedFingerprint)> {
        self.fingerprints.iter().enumerate().filter(|(_, fingerprint)| fingerprint.bank.is_some())
    }
}

impl PlannedFingerprint {
    /// Whether the variant at this place of the plan is one that its owners rehearse.
    pub(crate) fn rehearses(&self, plan: &Plan, variant: usize) -> bool {
        let variation = &plan.variants[variant].variation;
        self.rehearsals.iter().any(|rehearsal| rehearsal.variation == *variation)
    }

    /// Groups of which its owners rehearse variants that it uses.
    pub(crate) fn rehearsed_groups(&self) -> Vec<String> {
        let mut groups = Vec::new();
        for rehearsal in self.rehearsals.iter().filter(|_| self.knowledge.rehearsals) {
            let group = rehearsal.variation.group.to_string();
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Whether its owners rehearse a variant of this group.
    pub(crate) fn rehearses_group(&self, group: &str) -> bool {
        self.rehearsals.iter().any(|rehearsal| rehearsal.variation.group.to_string() == group)
    }
}

impl PlannedVariant {
    fn recorded(variation: &Variation) -> Self {
        Self { variation: variation.clone(), derivation: None }
    }

    /// The plugin that derives it, where one does.
    pub(crate) fn plugin(&self) -> Option<&str> {
        self.derivation.as_ref().map(|derivation| derivation.recipe.plugin.as_str())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn user(error: bertillon::Error) -> RunError {
    RunError::User(with_causes(&error))
}

pub(crate) fn device_class(device: tch::Device) -> &'static str {
    match device {
        tch::Device::Cpu => "cpu",
        tch::Device::Cuda(_) => "cuda",
        tch::Device::Mps => "mps",
        tch::Device::Vulkan => "vulkan",
    }
}
