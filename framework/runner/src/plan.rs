//! The plan of a run: every model, fingerprint and cell, with its key, before anything is computed.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bertillon::{
    Access, CHUNK, FingerprintMethod, InputSelector, Knowledge, ModelCollection, Needs, Pool,
    SOURCE_DIGEST, Split, Stream, Vanilla, VariantGenerator, Variation,
    suite::{Diagnostic, FingerprintUse, Peers, PluginUse, Suite, SuiteError, VariantUse},
};

use crate::{
    Options, RunError,
    key::{Key, Recipe},
    plugins::{self, PluginRecipe},
};

/// Ranks stored for every answer: methods that reveal more of a black box reuse what is there.
const STORED_RANKS: usize = 5;

/// A suite with all its plugins built and all its keys known.
pub(crate) struct Plan {
    pub(crate) suite: Suite,
    pub(crate) split: Split,
    pub(crate) pool: Arc<Pool>,
    pub(crate) collection: Box<dyn ModelCollection>,
    pub(crate) families: Vec<Family>,
    pub(crate) variants: Vec<PlannedVariant>,
    pub(crate) fingerprints: Vec<PlannedFingerprint>,
    /// What every model is asked to reveal and the cache stores.
    pub(crate) access: Access,
    /// Ancestry group of each family.
    pub(crate) ancestry: Vec<usize>,
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
    pub(crate) generator: Box<dyn VariantGenerator>,
    pub(crate) recipe: PluginRecipe,
    pub(crate) variation: Variation,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelId {
    pub(crate) family: usize,
    pub(crate) variant: Option<usize>,
}

impl Plan {
    /// Builds every plugin, loads the images and works out every key.
    pub(crate) fn new(suite: &Suite, options: &Options) -> Result<Self, RunError> {
        let mut builder = Builder { suite, diagnostics: Vec::new() };
        let parts = builder.plugins();
        let (Some(parts), true) = (parts, builder.diagnostics.is_empty()) else {
            return Err(builder.into_error());
        };
        let pool_size = suite.pool.as_ref().map(|pool| pool.value);
        let split = parts.images.load(pool_size).map_err(user)?;
        let collection = parts.models;
        let vanillas = collection.vanillas();
        builder.check(&split, vanillas, &parts.variants, &parts.fingerprints);
        if !builder.diagnostics.is_empty() {
            return Err(builder.into_error());
        }

        let base = Key::recipe("base")
            .text(SOURCE_DIGEST)
            .text("libtorch 2.11.0")
            .text(device_class(options.device))
            .text(cpu_capability())
            .number(CHUNK);
        let families: Vec<Family> = vanillas
            .iter()
            .map(|vanilla| {
                let recipe = base.clone().text("vanilla").text(&parts.models_recipe.source);
                Family { vanilla: vanilla.clone(), key: recipe.text(&vanilla.digest).finish() }
            })
            .collect();
        let pool = Arc::new(Pool {
            images: Some(split.pool.images.clone()),
            truth: split.pool.labels.clone(),
            classes: split.classes.len(),
        });
        let mut fingerprints = Vec::new();
        for (parsed, given) in parts.fingerprints.into_iter().zip(&suite.fingerprints) {
            fingerprints.push(builder.fingerprint(parsed, given, vanillas));
        }
        if !builder.diagnostics.is_empty() {
            return Err(builder.into_error());
        }
        let needed = fingerprints.iter().map(|f| f.needs.access.ranks()).max().unwrap_or(1);
        let ranks = needed.max(STORED_RANKS.min(split.classes.len()));
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
            pool,
            split,
            families,
            collection,
            variants: parts.variants,
            fingerprints,
            access: Access::TopK(ranks),
            ancestry,
            base,
        })
    }

    /// Every model, family by family, the vanilla first.
    pub(crate) fn models(&self) -> Vec<ModelId> {
        let variants = || std::iter::once(None).chain((0..self.variants.len()).map(Some));
        (0..self.families.len())
            .flat_map(|family| variants().map(move |variant| ModelId { family, variant }))
            .collect()
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
        let recipe = self.base.clone().text("derived").key(self.families[family].key);
        variant.recipe.add_to(recipe).bytes(&stream.key()).key(self.thief_key).finish()
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

    /// Fingerprints whose queries are crafted, with their index.
    pub(crate) fn crafting(&self) -> impl Iterator<Item = (usize, &PlannedFingerprint)> {
        self.fingerprints.iter().enumerate().filter(|(_, fingerprint)| fingerprint.bank.is_some())
    }
}

/// Adds the mistakes in the plugins of a suite that is wrong elsewhere, so that all are told at once.
pub fn with_plugin_mistakes(mut error: SuiteError) -> SuiteError {
    if let Some(suite) = error.partial.take() {
        let mut builder = Builder { suite: &suite, diagnostics: error.diagnostics };
        builder.plugins();
        error.diagnostics = builder.diagnostics;
        error.diagnostics.sort_by_key(|d| (d.at.start, d.at.end));
        error.diagnostics.dedup();
    }
    error
}

fn user(error: bertillon::Error) -> RunError {
    RunError::User(error.to_string())
}

fn device_class(device: tch::Device) -> &'static str {
    match device {
        tch::Device::Cpu => "cpu",
        tch::Device::Cuda(_) => "cuda",
        tch::Device::Mps => "mps",
        tch::Device::Vulkan => "vulkan",
    }
}

/// The widest vectors that libtorch's kernels may use here; they change the last bits of its sums.
fn cpu_capability() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "avx2";
        }
    }
    std::env::consts::ARCH
}

/// Plugins built from a suite.
struct Parts {
    images: Box<dyn bertillon::ImageSource>,
    models: Box<dyn ModelCollection>,
    models_recipe: PluginRecipe,
    variants: Vec<PlannedVariant>,
    fingerprints: Vec<ParsedFingerprint>,
}

struct ParsedFingerprint {
    method: (Box<dyn FingerprintMethod>, PluginRecipe),
    selector: Option<(Box<dyn InputSelector>, PluginRecipe)>,
    rehearsals: Vec<PlannedVariant>,
}

impl ParsedFingerprint {
    fn knowledge(&self) -> Knowledge {
        let selector = self.selector.as_ref().map(|(s, _)| s.knowledge()).unwrap_or_default();
        self.method.0.needs().knowledge.union(selector)
    }
}

/// Collects everything that is wrong with a suite.
struct Builder<'a> {
    suite: &'a Suite,
    diagnostics: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn into_error(mut self) -> RunError {
        self.diagnostics.sort_by_key(|d| (d.at.start, d.at.end));
        self.diagnostics.dedup();
        RunError::Suite(SuiteError {
            path: self.suite.path.clone(),
            text: self.suite.text.clone(),
            diagnostics: self.diagnostics,
            partial: None,
        })
    }

    fn keep<T>(&mut self, built: Result<T, Vec<Diagnostic>>) -> Option<T> {
        built.map_err(|found| self.diagnostics.extend(found)).ok()
    }

    fn complain(&mut self, at: &Range<usize>, message: &str, label: String, help: Option<String>) {
        self.diagnostics.push(Diagnostic { message: message.into(), at: at.clone(), label, help });
    }

    fn plugins(&mut self) -> Option<Parts> {
        let suite = self.suite;
        let images = self.keep(plugins::images(&suite.data));
        let models = self.keep(plugins::models(&suite.models));
        let variants = self.variants(&suite.variants);
        let mut fingerprints = Vec::new();
        for given in &suite.fingerprints {
            let method = self.keep(plugins::method(&given.method));
            let selector = given.selector.as_ref().map(|s| self.keep(plugins::selector(s)));
            let rehearsals = given.rehearsals.as_ref().unwrap_or(&suite.evaluation.rehearsals);
            let rehearsals = self.variants(rehearsals);
            // A selector that could not be built is among the diagnostics already.
            let selector = match selector {
                Some(Some(selector)) => Some(selector),
                Some(None) => continue,
                None => None,
            };
            if let Some(method) = method {
                fingerprints.push(ParsedFingerprint { method, selector, rehearsals });
            }
        }
        let (images, (models, models_recipe)) = (images?.0, models?);
        Some(Parts { images, models, models_recipe, variants, fingerprints })
    }

    fn variants(&mut self, uses: &[VariantUse]) -> Vec<PlannedVariant> {
        let mut planned: Vec<PlannedVariant> = Vec::new();
        for given in uses {
            for point in given.points() {
                let Some((generator, recipe)) = self.keep(plugins::variant(&point)) else {
                    continue;
                };
                let variation = generator.variation();
                if planned.iter().any(|other| other.variation == variation) {
                    self.complain(
                        &given.plugin.at,
                        "the same variant twice",
                        format!("`{variation}` is derived already"),
                        Some("remove one of them".into()),
                    );
                }
                planned.push(PlannedVariant { generator, recipe, variation });
            }
        }
        planned
    }

    fn check(
        &mut self,
        split: &Split,
        vanillas: &[Vanilla],
        variants: &[PlannedVariant],
        fingerprints: &[ParsedFingerprint],
    ) {
        let suite = self.suite;
        let models_at = &suite.models.plugin.at;
        if split.pool.is_empty() {
            self.complain(&suite.data.plugin.at, "empty pool", "no image to ask".into(), None);
        }
        if vanillas.len() < 2 {
            self.complain(
                models_at,
                "no negatives",
                format!("{} family: no false pair can be made", vanillas.len()),
                Some("take models of two families or more".into()),
            );
        }
        for vanilla in vanillas {
            let (takes, has) = (vanilla.input, split.pool.images.shape());
            if takes != has || vanilla.classes != split.classes.len() {
                self.complain(
                    models_at,
                    "models and images do not fit",
                    format!(
                        "`{}` takes {takes:?} and knows {} classes; the images are {has:?} of {}",
                        vanilla.name,
                        vanilla.classes,
                        split.classes.len()
                    ),
                    None,
                );
            }
        }
        for (given, parsed) in suite.fingerprints.iter().zip(fingerprints) {
            self.check_fingerprint(given, parsed, split, variants);
        }
    }

    fn check_fingerprint(
        &mut self,
        given: &FingerprintUse,
        parsed: &ParsedFingerprint,
        split: &Split,
        variants: &[PlannedVariant],
    ) {
        let (needs, at) = (parsed.method.0.needs(), &given.method.plugin.at);
        let method = &given.method.plugin.value;
        if needs.access.ranks() > split.classes.len() {
            let label = format!("asks {} of {} classes", needs.access, split.classes.len());
            self.complain(at, "more is asked than a black box can reveal", label, None);
        }
        match (needs.selector, &given.selector) {
            (true, None) => self.complain(
                at,
                "no input selector",
                format!("`{method}` asks benign images and does not choose them itself"),
                Some("add selector = \"random\", or another of `bertillon list selectors`".into()),
            ),
            (false, Some(selector)) => self.complain(
                &selector.plugin.at,
                "an input selector that nothing uses",
                format!("`{method}` chooses its queries itself"),
                Some("remove it".into()),
            ),
            _ => {}
        }
        if let (Some(bank), false) = (&given.bank, needs.crafts) {
            self.complain(
                &bank.at,
                "a bank that nothing fills",
                format!("`{method}` crafts no queries"),
                Some("remove it".into()),
            );
        }
        if parsed.knowledge().rehearsals && parsed.rehearsals.is_empty() {
            self.complain(
                at,
                "no rehearsals",
                format!(
                    "`{method}` with these parameters compares variants that the owner derives"
                ),
                Some("add rehearsals = [{ plugin = \"jpeg\", grid = { quality = [50] } }]".into()),
            );
        }
        for rehearsal in &parsed.rehearsals {
            let all_rehearsed =
                variants.iter().all(|variant| variant.variation == rehearsal.variation);
            if !variants.is_empty() && all_rehearsed {
                self.complain(at, "nothing to judge", "every variant is rehearsed".into(), None);
            }
        }
        for budget in &self.suite.evaluation.budgets {
            if !needs.crafts && budget.value > split.pool.len() {
                self.complain(
                    &budget.at,
                    "budget above the pool",
                    format!("{} queries from {} images", budget.value, split.pool.len()),
                    Some("raise data.pool or lower the budget".into()),
                );
            } else if let Some((selector, _)) = &parsed.selector
                && let Err(error) = selector.check(split.pool.len(), budget.value)
            {
                let selector_at = given.selector.as_ref().map_or(at, |s| &s.plugin.at);
                let message = format!("budget {} can't be served", budget.value);
                self.complain(selector_at, &message, error.to_string(), None);
            }
        }
    }

    fn fingerprint(
        &mut self,
        parsed: ParsedFingerprint,
        given: &FingerprintUse,
        vanillas: &[Vanilla],
    ) -> PlannedFingerprint {
        let evaluation = &self.suite.evaluation;
        let needs = parsed.method.0.needs();
        let largest = evaluation.budgets.iter().map(|b| b.value).max().unwrap_or_default();
        let peers = given.peers.as_ref().unwrap_or(&evaluation.peers);
        let peers = self.peers(peers, vanillas, &given.name.at);
        PlannedFingerprint {
            name: given.name.value.clone(),
            needs,
            knowledge: parsed.knowledge(),
            parameters: parameters_in_words(&given.method, given.selector.as_ref()),
            bank: needs.crafts.then(|| given.bank.as_ref().map_or(largest, |bank| bank.value)),
            peers,
            method: parsed.method.0,
            recipe: parsed.method.1,
            selector: parsed.selector.map(|(selector, _)| selector),
            rehearsals: parsed.rehearsals,
        }
    }

    /// For each family, the indices of those that its owner knows.
    fn peers(&mut self, peers: &Peers, vanillas: &[Vanilla], at: &Range<usize>) -> Vec<Vec<usize>> {
        let others = |owner: usize| -> Vec<usize> {
            (0..vanillas.len()).filter(|&family| family != owner).collect()
        };
        let mut named = Vec::new();
        if let Peers::Named(names) = peers {
            for name in names {
                match vanillas.iter().position(|vanilla| vanilla.name == name.value) {
                    Some(family) => named.push(family),
                    None => {
                        let known: Vec<&str> = vanillas.iter().map(|v| v.name.as_str()).collect();
                        let at = if name.at.is_empty() { at } else { &name.at };
                        self.complain(
                            at,
                            "unknown peer",
                            "no model of this name".into(),
                            Some(format!("the models are {}", known.join(", "))),
                        );
                    }
                }
            }
        }
        (0..vanillas.len())
            .map(|owner| match peers {
                Peers::All => others(owner),
                Peers::Named(_) => named.iter().copied().filter(|&f| f != owner).collect(),
                Peers::Share(share) => {
                    let others = others(owner);
                    #[expect(clippy::cast_possible_truncation, reason = "a share of a small count")]
                    let count = (share * others.len() as f64).floor() as usize;
                    let seed = self.suite.seed;
                    let mut known = Stream::named(seed, ["peers", "owner", &vanillas[owner].name])
                        .sample(&others, count);
                    known.sort_unstable();
                    known
                }
            })
            .collect()
    }
}

/// `attack.name=bp, k=0.5; selector entropy (head=0.1)`, as the suite gives them.
fn parameters_in_words(method: &PluginUse, selector: Option<&PluginUse>) -> String {
    let list = |plugin: &PluginUse| -> String {
        let words: Vec<String> =
            plugin.parameters.iter().map(|(k, v)| format!("{}={}", k.value, v.value)).collect();
        words.join(", ")
    };
    let mut parts = vec![list(method)];
    if let Some(selector) = selector {
        let parameters = list(selector);
        parts.push(match parameters.is_empty() {
            true => selector.plugin.value.clone(),
            false => format!("{} ({parameters})", selector.plugin.value),
        });
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}
