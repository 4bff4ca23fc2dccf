//! Checks of a suite against its plugins and its data: everything that is wrong, at once, where it stands.

use std::ops::Range;

use bertillon::{
    FingerprintMethod, ImageSource, InputSelector, Knowledge, ModelCollection, Needs, Published,
    Split, Stream, Vanilla,
    suite::{
        Diagnostic, FingerprintUse, Located, Peers, PluginUse, Protocol, Suite, SuiteError,
        VariantUse, suggestion,
    },
    untrusted,
};

use super::{Derivation, PlannedFingerprint, PlannedVariant, RecordedModels};
use crate::{
    RunError,
    plugins::{self, Paths, PluginRecipe},
};

/// Largest file of published rates that is read, in bytes: it is written by hand.
const LARGEST_PUBLISHED: u64 = 1 << 20;

/// Bytes of the largest bank of crafted queries.
const LARGEST_BANK: usize = 8 << 30;

/// Adds the mistakes in the plugins of a suite that is wrong elsewhere, so that all are told at once.
pub fn with_plugin_mistakes(mut error: SuiteError) -> SuiteError {
    if let Some(suite) = error.partial.take() {
        let mut checker = Checker { suite: &suite, diagnostics: error.diagnostics };
        checker.plugins();
        error.diagnostics = checker.diagnostics;
        error.diagnostics.sort_by_key(|d| (d.at.start, d.at.end));
        error.diagnostics.dedup();
    }
    error
}

/// Plugins built from a suite.
pub(super) struct Parts {
    pub(super) images: Box<dyn ImageSource>,
    pub(super) models: Box<dyn ModelCollection>,
    pub(super) models_recipe: PluginRecipe,
    pub(super) variants: Vec<PlannedVariant>,
    pub(super) fingerprints: Vec<ParsedFingerprint>,
}

/// A fingerprint whose plugins are built and whose owners are not known yet.
pub(super) struct ParsedFingerprint {
    method: (Box<dyn FingerprintMethod>, PluginRecipe),
    selector: Option<(Box<dyn InputSelector>, PluginRecipe)>,
    rehearsals: Vec<PlannedVariant>,
}

impl ParsedFingerprint {
    fn knowledge(&self) -> Knowledge {
        let selector = self.selector.as_ref().map(|(s, _)| s.knowledge()).unwrap_or_default();
        let needs = self.method.0.needs();
        let mut knowledge = needs.knowledge.union(selector);
        knowledge.rehearsals |= needs.welcomes_rehearsals && !self.rehearsals.is_empty();
        knowledge
    }
}

/// Collects everything that is wrong with a suite.
pub(super) struct Checker<'a> {
    suite: &'a Suite,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(suite: &'a Suite) -> Self {
        Self { suite, diagnostics: Vec::new() }
    }

    /// Whether anything was wrong so far.
    pub(super) fn complains(&self) -> bool {
        !self.diagnostics.is_empty()
    }

    pub(super) fn into_error(mut self) -> RunError {
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

    /// Builds every plugin of the suite.
    pub(super) fn plugins(&mut self) -> Option<Parts> {
        let suite = self.suite;
        let resolve = |path: &Located<String>| suite.resolve(path);
        let paths = Paths::by(&resolve);
        let images = self.keep(plugins::images(&suite.data, paths));
        let models = self.keep(plugins::models(&plugins::models_use(suite), paths));
        let variants = self.variants(&suite.variants);
        let mut fingerprints = Vec::new();
        for given in &suite.fingerprints {
            let method = self.keep(plugins::method(&given.method, paths));
            let selector = given.selector.as_ref().map(|s| self.keep(plugins::selector(s, paths)));
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

    /// Reads the file of published rates.
    pub(super) fn published(&mut self) -> Option<Published> {
        let suite = self.suite;
        let given = suite.published.as_ref()?;
        let path = suite.resolve(given);
        let text =
            untrusted::read_text(&path, LARGEST_PUBLISHED).map_err(|error| error.to_string());
        let outcome = text.and_then(|text| Published::parse(&text)).and_then(|published| {
            let names: Vec<&str> =
                suite.fingerprints.iter().map(|given| given.name.value.as_str()).collect();
            let budgets: Vec<usize> = suite.evaluation.budgets.iter().map(|b| b.value).collect();
            match published.concerns(&names, &budgets) {
                true => Ok(published),
                false => Err("it has no rate of these fingerprints at these budgets".to_owned()),
            }
        });
        outcome
            .map_err(|problem| {
                let message = format!("{} can't be used: {problem}", path.display());
                self.complain(&given.at, &message, "published rates".into(), None);
            })
            .ok()
    }

    fn variants(&mut self, uses: &[VariantUse]) -> Vec<PlannedVariant> {
        let mut planned: Vec<PlannedVariant> = Vec::new();
        let suite = self.suite;
        let resolve = |path: &Located<String>| suite.resolve(path);
        for given in uses {
            for point in given.points() {
                let Some((generator, recipe)) =
                    self.keep(plugins::variant(&point, Paths::by(&resolve)))
                else {
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
                let derivation = Some(Derivation { generator, recipe });
                planned.push(PlannedVariant { variation, derivation });
            }
        }
        planned
    }

    /// Holds what the suite asks against what there is.
    pub(super) fn check(
        &mut self,
        split: &Split,
        vanillas: &[Vanilla],
        variants: &[PlannedVariant],
        fingerprints: &[ParsedFingerprint],
        recorded: Option<&RecordedModels>,
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
        match (recorded, &split.pool.images) {
            (Some(_), _) => {
                if let Some(derived) = suite.variants.first() {
                    self.complain(
                        &derived.plugin.at,
                        "variants of recorded answers",
                        "there is no model to derive them from".into(),
                        Some("remove [[variants]]: every recorded variant is a suspect".into()),
                    );
                }
            }
            (None, None) => self.complain(
                &suite.data.plugin.at,
                "labels without images",
                format!("the models of `{}` have nothing to answer", suite.models.plugin.value),
                Some("take a source of images, or models that were recorded too".into()),
            ),
            (None, Some(images)) => {
                for vanilla in vanillas {
                    let (takes, has) = (vanilla.input, images.shape());
                    let fits = match vanilla.preprocessing {
                        Some(_) => takes.is_some_and(|takes| takes.channels == has.channels),
                        None => takes == Some(has),
                    };
                    if fits && vanilla.classes == split.classes.len() {
                        continue;
                    }
                    let takes = takes.map_or_else(|| "nothing".to_owned(), |t| format!("{t:?}"));
                    self.complain(
                        models_at,
                        "models and images do not fit",
                        format!(
                            "`{}` takes {takes} and knows {} classes; the images are {has:?} of {}",
                            vanilla.name,
                            vanilla.classes,
                            split.classes.len()
                        ),
                        None,
                    );
                }
            }
        }
        for images in suite.figures.iter().flat_map(|figures| &figures.histograms) {
            if images.value > split.pool.len() {
                let label = format!("{} of {} images", images.value, split.pool.len());
                let help = "raise data.pool, or ask fewer images in [figures]".to_owned();
                // Default numbers stand nowhere in the file.
                let at = if images.at.is_empty() { models_at } else { &images.at };
                self.complain(at, "a histogram above the pool", label, Some(help));
            }
        }
        for baseline in &suite.evaluation.baselines {
            let names: Vec<&str> =
                suite.fingerprints.iter().map(|given| given.name.value.as_str()).collect();
            if !names.contains(&baseline.value.as_str()) {
                let message =
                    format!("no fingerprint is named `{}`", baseline.value.escape_debug());
                let help = suggestion(&baseline.value, &names);
                self.complain(&baseline.at, &message, "a baseline is one of them".into(), help);
            }
        }
        for (given, parsed) in suite.fingerprints.iter().zip(fingerprints) {
            self.check_fingerprint(given, parsed, split, variants);
            if let Some(recorded) = recorded {
                self.check_recorded(given, parsed, recorded);
            }
        }
    }

    /// Refuses what recorded answers can't serve.
    fn check_recorded(
        &mut self,
        given: &FingerprintUse,
        parsed: &ParsedFingerprint,
        recorded: &RecordedModels,
    ) {
        let (needs, at) = (parsed.method.0.needs(), &given.method.plugin.at);
        let method = &given.method.plugin.value;
        if needs.crafts || parsed.knowledge().model {
            self.complain(
                at,
                "a method that needs the model itself",
                format!("`{method}` asks for it, and there are recorded answers only"),
                Some("take a method that asks images of the pool, such as fbi or akh".into()),
            );
        }
        if needs.access.ranks() > recorded.ranks() {
            let (wanted, there) = (needs.access, recorded.ranks());
            let label = format!("asks {wanted}, recorded were top{there} answers");
            self.complain(at, "more is asked than was recorded", label, None);
        }
        for rehearsal in &parsed.rehearsals {
            if recorded.variations().all(|known| *known != rehearsal.variation) {
                let known: Vec<String> = recorded.variations().map(ToString::to_string).collect();
                self.complain(
                    at,
                    "a rehearsal that was not recorded",
                    format!("no recorded variant is `{}`", rehearsal.variation),
                    Some(format!("recorded are {}", known.join(", "))),
                );
            }
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
        if self.suite.evaluation.protocol == Protocol::Nominal && !parsed.method.0.gives_p_values()
        {
            self.complain(
                at,
                "a nominal threshold for distances that are no p-values",
                format!("a distance of `{method}` below {} means nothing by itself", self.alpha()),
                Some("set protocol = \"pooled\", or take p-values: fbi with statistic = \"permutation\"".into()),
            );
        }
        if let (Some(bank), false) = (&given.bank, needs.crafts) {
            self.complain(
                &bank.at,
                "a bank that nothing fills",
                format!("`{method}` crafts no queries"),
                Some("remove it".into()),
            );
        }
        self.check_bank(given, needs, split);
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

    /// Refuses banks that no memory holds.
    fn check_bank(&mut self, given: &FingerprintUse, needs: Needs, split: &Split) {
        let (Some(bank), Some(images)) = (&given.bank, &split.pool.images) else { return };
        let bytes = bank.value.saturating_mul(images.shape().samples());
        if needs.crafts && bytes > LARGEST_BANK {
            let label = format!("{} MB an owner", bytes >> 20);
            let help = format!(
                "at most {} queries of this size",
                LARGEST_BANK / images.shape().samples().max(1)
            );
            self.complain(&bank.at, "a bank too large to hold", label, Some(help));
        }
    }

    fn alpha(&self) -> f64 {
        self.suite.evaluation.false_positive_rate
    }

    /// Works out whom each owner knows and how many queries she crafts.
    pub(super) fn fingerprint(
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
