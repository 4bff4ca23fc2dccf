//! What a report says, whoever renders it: facts, tables, lists, how to read them.

use std::collections::{BTreeMap, HashMap};

use bertillon_measure::results::{
    Failure, FingerprintResult, ImagesSent, ModelRow, Results, kind_name,
};

use crate::{
    checks, groups, published,
    table::{self, FEW, FEW_MARK, NOMINAL, REHEARSED_MARK, Table},
    tasks,
    text::{count, figure, listed, plural, target},
};

/// Most items of a list.
const MOST_ITEMS: usize = 50;

/// A report. Its text may come from a suite: renderers escape all of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// Heading of it all.
    pub(crate) title: String,
    /// What was run, name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Rates.
    pub(crate) tables: Vec<Table>,
    /// What else there is to know; none of them is empty.
    pub(crate) lists: Vec<List>,
    /// How to read it.
    pub(crate) legend: Legend,
}

/// How to read a report, in sentences.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Legend {
    /// What the mark of the best says.
    pub(crate) best: String,
    /// What the mark of its equals says, where any was compared.
    pub(crate) tied: Option<String>,
    /// What a rate is.
    pub(crate) rates: String,
    /// All else.
    pub(crate) rest: String,
}

/// Items under a heading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List {
    /// The heading.
    pub(crate) title: &'static str,
    /// Name and what is said of it.
    pub(crate) items: Vec<(String, String)>,
}

impl List {
    /// A list of which at most the first items are shown; `place` in `results.json` has all of them.
    fn of(title: &'static str, place: &str, mut items: Vec<(String, String)>) -> Self {
        let more = items.len().saturating_sub(MOST_ITEMS);
        items.truncate(MOST_ITEMS);
        if more > 0 {
            let more = count(more as f64);
            items
                .push((String::new(), format!("and {more} more: {place} in results.json has all")));
        }
        Self { title, items }
    }
}

impl Document {
    /// The report of a run.
    pub(crate) fn new(results: &Results) -> Self {
        let models = "`population.models`";
        let lists = [
            List::of("Fingerprints", "`fingerprints`", fingerprints(results)),
            List::of("Models rejected by the accuracy filter", models, rejected(results)),
            List::of("Models that their generator left unchanged", models, unchanged(results)),
            List::of(
                "Variants that answer the whole pool as their vanilla does",
                models,
                copies(results),
            ),
            List::of("Failures", "`failures`", failures(results)),
            List::of("What the run checked of itself", "`checks`", checks::checks(results)),
            List::of(
                "Warnings",
                "`warnings`",
                results.warnings.iter().map(|w| (String::new(), w.clone())).collect(),
            ),
        ];
        Self {
            title: format!("Results of {}", results.suite),
            facts: facts(results),
            tables: tables(results),
            lists: lists.into_iter().filter(|list| !list.items.is_empty()).collect(),
            legend: legend(results),
        }
    }
}

/// Every table that has rows.
fn tables(results: &Results) -> Vec<Table> {
    let mut tables = vec![table::overall(results)];
    tables.extend(table::both_protocols(results));
    tables.extend([table::by_variation(results), table::strict(results)]);
    tables.extend(groups::by_group(results));
    tables.extend(groups::against(results));
    tables.extend(tasks::identification(results));
    tables.extend(tasks::sequential(results));
    tables.extend(published::published(results));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// False pairs: all of the models kept, or those with strangers, where most are.
fn negatives(results: &Results) -> usize {
    let judged = results.fingerprints.iter().map(|fingerprint| fingerprint.negatives).max();
    match (results.evaluation.negatives.as_str(), judged) {
        ("strangers", Some(judged)) => judged,
        _ => results.population.negatives,
    }
}

fn facts(results: &Results) -> Vec<(&'static str, String)> {
    let (evaluation, population) = (&results.evaluation, &results.population);
    let mut facts = vec![
        ("seed", results.seed.to_string()),
        ("pool", plural(evaluation.pool, "image", "images")),
        (
            "models",
            format!(
                "{}, {}, {} kept (accuracy drop at most {})",
                plural(population.vanillas, "vanilla", "vanillas"),
                plural(population.variants, "variant", "variants"),
                count(population.kept as f64),
                target(evaluation.max_accuracy_drop)
            ),
        ),
        (
            "pairs",
            format!(
                "{}, {} ({})",
                plural(population.positives, "positive", "positives"),
                plural(negatives(results), "negative", "negatives"),
                evaluation.negatives
            ),
        ),
        (
            "evaluation",
            format!(
                "{}, {} threshold, false-positive rate {}, {}",
                evaluation.task,
                evaluation.protocol,
                target(evaluation.false_positive_rate),
                plural(evaluation.draws, "draw", "draws")
            ),
        ),
    ];
    facts.extend(results.images.as_ref().and_then(queries).map(|sent| ("queries", sent)));
    facts
}

/// The size at which queries are sent, and what services make of it; none where all take them as they are.
fn queries(images: &ImagesSent) -> Option<String> {
    let services = &images.services;
    let preprocessing = &services.first()?.preprocessing;
    let [channels, height, width] = images.shape;
    let alike = services.iter().all(|service| service.preprocessing == *preprocessing);
    let resized = match alike {
        true => preprocessing.clone(),
        false => "each its own way (results.json)".to_owned(),
    };
    let native = match services.iter().filter(|service| service.keeps_native).count() {
        0 => "",
        n if n == services.len() => "; an image of the network's size is left alone",
        _ => "; some leave an image of their network's size alone",
    };
    Some(format!("8-bit, {channels}x{height}x{width}; services resize them: {resized}{native}"))
}

/// Method, parameters and notes of each fingerprint.
fn fingerprints(results: &Results) -> Vec<(String, String)> {
    let item = |fingerprint: &FingerprintResult| {
        let mut said = fingerprint.method.clone();
        if !fingerprint.parameters.is_empty() {
            said.push_str(&format!(" ({})", fingerprint.parameters));
        }
        for note in &fingerprint.enrolment.notes {
            let value = note.value.map_or_else(|| "–".to_owned(), figure);
            said.push_str(&format!("; {} {value}", note.name));
        }
        if fingerprint.failed > 0 {
            said.push_str(&format!(
                "; {} lost to failures, {} and {} left",
                plural(fingerprint.failed, "pair", "pairs"),
                plural(fingerprint.positives, "positive", "positives"),
                plural(fingerprint.negatives, "negative", "negatives"),
            ));
        }
        (fingerprint.name.clone(), said)
    };
    results.fingerprints.iter().map(item).collect()
}

/// Number of models below the filter, by kind.
fn rejected(results: &Results) -> Vec<(String, String)> {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for model in &results.population.models {
        let (rejected, all) = kinds.entry(kind(model)).or_default();
        *all += 1;
        *rejected += usize::from(!model.kept && !model.unchanged && model.accuracy.is_some());
    }
    let counts = kinds.into_iter().filter(|(_, (rejected, _))| *rejected > 0);
    counts.map(|(kind, (rejected, all))| (kind, format!("{rejected} of {all}"))).collect()
}

/// Names of unchanged models, by kind.
fn unchanged(results: &Results) -> Vec<(String, String)> {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for model in results.population.models.iter().filter(|model| model.unchanged) {
        kinds.entry(kind(model)).or_default().push(&model.name);
    }
    kinds.into_iter().map(|(kind, names)| (kind, listed(&names))).collect()
}

/// Names of kept variants that no image of the pool tells from their vanilla, by kind.
fn copies(results: &Results) -> Vec<(String, String)> {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let is_copy = |model: &&ModelRow| model.kept && model.agreement == Some(1.0);
    for model in results.population.models.iter().filter(is_copy) {
        kinds.entry(kind(model)).or_default().push(&model.family);
    }
    kinds.into_iter().map(|(kind, names)| (kind, listed(&names))).collect()
}

/// Failures of one reason together, in the order of their first.
fn failures(results: &Results) -> Vec<(String, String)> {
    let mut reasons: Vec<(&Failure, Vec<&str>)> = Vec::new();
    let mut places = HashMap::new();
    for failure in &results.failures {
        let alike = (&failure.step, &failure.plugin, &failure.reason);
        let place = *places.entry(alike).or_insert_with(|| {
            reasons.push((failure, Vec::new()));
            reasons.len() - 1
        });
        reasons[place].1.push(&failure.subject);
    }
    let item = |(first, subjects): (&Failure, Vec<&str>)| {
        let step = &first.step;
        let at_work =
            first.plugin.as_ref().map_or_else(|| step.clone(), |p| format!("{step}, {p}"));
        (at_work, format!("{}: {}", listed(&subjects), first.reason))
    };
    reasons.into_iter().map(item).collect()
}

fn kind(model: &ModelRow) -> String {
    kind_name(&model.kind, model.detail.as_deref())
}

fn legend(results: &Results) -> Legend {
    let fpr = target(results.evaluation.false_positive_rate);
    let test = match results.evaluation.protocol == NOMINAL {
        true => format!("accepts p-values up to {fpr}"),
        false => format!("accepts exactly {fpr} of the negatives (ties at random)"),
    };
    let mut budgets = results.fingerprints.iter().flat_map(|fingerprint| &fingerprint.budgets);
    let compared =
        budgets.any(|at| at.against_best.as_ref().is_some_and(|found| found.p.is_some()));
    Legend {
        best: "best of its column (by kind: of its row).".to_owned(),
        tied: compared.then(|| {
            "can't be told apart from the best: the paired difference, clustered by family, has a p-value above 0.05 \
             (Holm over the fingerprints)."
                .to_owned()
        }),
        rates: format!(
            "Rates in % of the test that {test}: mean ± standard deviation over draws [95 % interval over families]."
        ),
        rest: format!(
            "Pooled: one threshold from all negatives. Leave-one-family-out: an owner's threshold comes from other \
             families, so its false-positive rate (FPR) is measured, not set. Strict: ties refused, so the FPR reached may be lower. Forwards, gradients: what one enrolment costs beyond the pool's answers. \
             {FEW_MARK} fewer than {FEW} positives. {REHEARSED_MARK} rehearsed by the owner."
        ),
    }
}

#[cfg(test)]
mod tests {
    use bertillon_measure::results::ServiceSettings;

    use super::*;
    use crate::fixture;

    fn list(title: &str) -> Vec<(String, String)> {
        let lists = Document::new(&fixture::results()).lists;
        lists.into_iter().find(|list| list.title.contains(title)).map_or(Vec::new(), |l| l.items)
    }

    #[test]
    fn rejected_models_are_neither_unchanged_nor_failed_ones() {
        let counts = [("jpeg", "1 of 2"), ("prune/conv", "1 of 4")];
        assert_eq!(list("rejected"), counts.map(|(k, n)| (k.to_owned(), n.to_owned())));
        let unchanged = ("prune/conv".to_owned(), "prune/conv/0.3 of mlp-a".to_owned());
        assert_eq!(list("unchanged"), [unchanged]);
    }

    #[test]
    fn variants_that_no_image_tells_from_their_vanilla_are_named() {
        let mut results = fixture::results();
        assert_eq!(list("answer the whole pool"), []);
        let models = &mut results.population.models;
        let copy = models.iter_mut().find(|model| model.kept).unwrap();
        copy.agreement = Some(1.0);
        let expected = [(kind(copy), copy.family.clone())];
        assert_eq!(copies(&results), expected);
    }

    #[test]
    fn what_services_do_to_queries_is_told_only_where_they_do_something() {
        let service = |vanilla: &str, preprocessing: &str, keeps_native| ServiceSettings {
            vanilla: vanilla.to_owned(),
            input: [3, 224, 224],
            preprocessing: preprocessing.to_owned(),
            keeps_native,
        };
        let sent = |services| queries(&ImagesSent { shape: [3, 256, 256], services });
        assert_eq!(sent(Vec::new()), None);
        let alike = sent(vec![service("a", "to 224x224", true), service("b", "to 224x224", true)]);
        let expected = "8-bit, 3x256x256; services resize them: to 224x224; an image of the network's size is left alone";
        assert_eq!(alike.as_deref(), Some(expected));
        let other = sent(vec![service("a", "to 224x224", false), service("b", "to 240x240", true)]);
        let other = other.unwrap();
        assert!(other.contains("each its own way") && other.contains("some leave"), "{other}");
    }

    #[test]
    fn failures_of_one_reason_are_named_together() {
        let items = list("Failures");
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].0, "derive, prune");
        assert_eq!(
            items[0].1,
            "prune/conv/0.1 of lenet-a, prune/conv/0.2 of lenet-a: out of memory | at 3 `GB`"
        );
        assert_eq!(items[1].0, "answer");
    }
}
