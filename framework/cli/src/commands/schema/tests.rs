//! The schema against the reader of suites, and against suites, with a validator of its own.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use bertillon::suite::Suite;
use jsonschema::Validator;

use super::*;

/// What every suite begins with.
const MINIMAL: &str = "name = \"x\"\ndata = { source = \"fashion-mnist\" }\nmodels = { source = \"zoo\" }\n\
                       fingerprints = [{ name = \"a\", method = \"akh\" }]\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn own() -> Value {
    schema(registry::entries().unwrap())
}

fn validator() -> Validator {
    jsonschema::draft7::new(&own()).unwrap()
}

fn value(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

/// What the validator says of a suite: places and messages.
fn complaints(validator: &Validator, text: &str) -> Vec<String> {
    let value = value(text);
    let errors = validator.iter_errors(&value);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_is_one_of_draft_7() {
    let schema = own();
    assert!(jsonschema::draft7::meta::is_valid(&schema));
    let text = schema.to_string();
    for stranger in ["$defs", "\"null\"", "\"default\":null"] {
        assert!(!text.contains(stranger), "{stranger}");
    }
}

#[test]
fn every_suite_of_the_repository_is_valid() {
    let validator = validator();
    let mut count = 0;
    for file in fs::read_dir(repository().join("benchmarks/suites")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let found = complaints(&validator, &fs::read_to_string(&path).unwrap());
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count} suites");
}

#[test]
fn the_schema_in_the_repository_is_this_one() {
    let path = repository().join("benchmarks/suite.schema.json");
    let stored: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        stored == own(),
        "stale: `target/debug/bertillon schema -o benchmarks/suite.schema.json` writes it anew"
    );
}

#[test]
fn every_mistake_is_found_where_it_stands() {
    let with = |more: &str| format!("{MINIMAL}{more}");
    let variant = |more: &str| with(&format!("[[variants]]\n{more}"));
    let fingerprint = |more: &str| {
        with("[evaluation]\n")
            .replace("{ name = \"a\", method = \"akh\" }", &format!("{{ name = \"a\", {more} }}"))
    };
    let evaluation = |more: &str| with(&format!("[evaluation]\n{more}"));
    let cases = [
        (with("colour = 1"), ": Additional properties"),
        (MINIMAL.replace("name = \"x\"\n", ""), "\"name\" is a required property"),
        (MINIMAL.replace("\"x\"", "\"../x\""), "/name: "),
        (MINIMAL.replace("\"x\"", &format!("\"{}\"", "x".repeat(101))), "/name: "),
        (MINIMAL.replace("\"x\"", "3"), "/name: "),
        (with("seed = -1"), "/seed: "),
        (with("seed = 1.5"), "/seed: "),
        (MINIMAL.replace("fashion-mnist", "fashion"), "/data/source: "),
        (MINIMAL.replace("\"fashion-mnist\"", "\"fashion-mnist\", pool = 0"), "/data/pool: "),
        (MINIMAL.replace("\"fashion-mnist\"", "\"fashion-mnist\", layout = \"fbi\""), "/data: "),
        (MINIMAL.replace("\"zoo\"", "\"zoo\", names = \"lenet-a\""), "/models/names: "),
        (MINIMAL.replace("fingerprints", "#"), "\"fingerprints\" is a required property"),
        (MINIMAL.replace("[{ name = \"a\", method = \"akh\" }]", "[]"), "/fingerprints: "),
        (variant("amount = 0.1"), "/variants/0: \"plugin\" is a required property"),
        (variant("plugin = \"prunne\""), "/variants/0/plugin: "),
        (variant("plugin = \"prune\"\namuont = 0.1"), "/variants/0: "),
        (variant("plugin = \"prune\"\nquality = 3"), "/variants/0: "),
        (variant("plugin = \"prune\"\namount = \"much\""), "/variants/0/amount: "),
        (variant("plugin = \"prune\"\nlayers = \"first\""), "/variants/0/layers: "),
        (variant("plugin = \"prune\"\ngrid = { quality = [3] }"), "/variants/0/grid: "),
        (variant("plugin = \"prune\"\ngrid = { amount = [] }"), "/variants/0/grid/amount: "),
        (
            variant("plugin = \"prune\"\ngrid = { amount = [0.1, 0.1] }"),
            "/variants/0/grid/amount: ",
        ),
        (variant("plugin = \"jpeg\"\nquality = 300"), "/variants/0/quality: "),
        (with("[variants]\nplugin = \"half\""), "/variants: "),
        (fingerprint("method = \"fib\""), "/fingerprints/0/method: "),
        (fingerprint("method = \"fbi\", selector = \"randon\""), "/fingerprints/0/selector: "),
        (
            fingerprint("method = \"fbi\", selector = { plugin = \"entropy\", wrong = 0.5 }"),
            "/fingerprints/0/selector: ",
        ),
        (fingerprint("method = \"fbi\", topk = 3"), "/fingerprints/0: "),
        (
            fingerprint("method = \"ip-guard\", attack = { name = \"none\" }"),
            "/fingerprints/0/attack: ",
        ),
        (fingerprint("method = \"akh\", bank = 0"), "/fingerprints/0/bank: "),
        (fingerprint("method = \"akh\", peers = 1.5"), "/fingerprints/0/peers: "),
        (evaluation("budgts = [20]"), "/evaluation: "),
        (evaluation("budgets = []"), "/evaluation/budgets: "),
        (evaluation("budgets = [20, 20]"), "/evaluation/budgets: "),
        (evaluation("budgets = 20"), "/evaluation/budgets: "),
        (evaluation("false_positive_rate = 5"), "/evaluation/false_positive_rate: "),
        (evaluation("false_positive_rate = 0"), "/evaluation/false_positive_rate: "),
        (evaluation("max_accuracy_drop = 1.5"), "/evaluation/max_accuracy_drop: "),
        (evaluation("draws = 0"), "/evaluation/draws: "),
        (evaluation("negatives = \"some\""), "/evaluation/negatives: "),
        (evaluation("protocol = \"pool\""), "/evaluation/protocol: "),
        (evaluation("task = \"detect\""), "/evaluation/task: "),
        (evaluation("task = []"), "/evaluation/task: "),
        (evaluation("rehearsals = [{ plugin = \"none\" }]"), "/evaluation/rehearsals/0/plugin: "),
        (evaluation("identification = { unknown = 1 }"), "/evaluation/identification/unknown: "),
        (evaluation("sequential = { top_k = [0] }"), "/evaluation/sequential/top_k/0: "),
        (with("[figures]\nperplexities = [1]"), "/figures/perplexities/0: "),
        (with("[figures]\nhistogram = [20]"), "/figures: "),
    ];
    let validator = validator();
    assert_eq!(complaints(&validator, MINIMAL), Vec::<String>::new());
    for (text, expected) in cases {
        let found = complaints(&validator, &text);
        assert!(found.iter().any(|it| it.contains(expected)), "{expected}\n{text}\n{found:#?}");
        assert!(
            Suite::parse(Path::new("x.toml"), &text, &[]).is_err()
                || text.contains("[[variants]]")
                || text.contains("method")
                || text.contains("source"),
            "the reader takes\n{text}"
        );
    }
}

#[test]
fn sequential_tests_need_no_fingerprints() {
    let validator = validator();
    let text = MINIMAL.replace("fingerprints", "#") + "[evaluation]\ntask = \"sequential\"\n";
    assert_eq!(complaints(&validator, &text), Vec::<String>::new());
    let both = text.replace("\"sequential\"", "[\"sequential\", \"detection\"]");
    assert!(!complaints(&validator, &both).is_empty());
}

/// Keys that the reader of suites knows in a table, as it lists them for a key that it does not know.
fn known_to_the_reader(table: &str) -> BTreeSet<String> {
    let text = match table {
        "" => format!("zzzzzzzz = 1\n{MINIMAL}"),
        table => format!("{MINIMAL}[{table}]\nzzzzzzzz = 1\n"),
    };
    let error = Suite::parse(Path::new("x.toml"), &text, &[]).unwrap_err();
    let unknown = error.diagnostics.iter().find(|mistake| mistake.message.contains("zzzzzzzz"));
    let help = unknown.unwrap().help.clone().unwrap();
    help.trim_start_matches("known here: ")
        .split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_schema_has_the_keys_that_the_reader_knows() {
    let schema = own();
    for (table, pointer) in [
        ("", "/properties"),
        ("evaluation", "/properties/evaluation/properties"),
        (
            "evaluation.identification",
            "/properties/evaluation/properties/identification/properties",
        ),
        ("evaluation.sequential", "/properties/evaluation/properties/sequential/properties"),
        ("figures", "/properties/figures/properties"),
    ] {
        let keys = schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned();
        assert_eq!(keys.collect::<BTreeSet<_>>(), known_to_the_reader(table), "[{table}]");
    }
}

#[test]
fn defaults_are_those_that_the_reader_takes() {
    let schema = own();
    let default = |pointer: &str| schema.pointer(&format!("{pointer}/default")).unwrap().clone();
    let evaluation = |key: &str| default(&format!("/properties/evaluation/properties/{key}"));
    let suite = Suite::parse(Path::new("x.toml"), MINIMAL, &[]).unwrap();
    assert_eq!(default("/properties/seed"), json!(suite.seed));
    let read = suite.evaluation;
    let budgets: Vec<usize> = read.budgets.iter().map(|budget| budget.value).collect();
    assert_eq!(evaluation("budgets"), json!(budgets));
    assert_eq!(evaluation("false_positive_rate"), json!(read.false_positive_rate));
    assert_eq!(evaluation("max_accuracy_drop"), json!(read.max_accuracy_drop));
    assert_eq!(evaluation("draws"), json!(read.draws));
    assert_eq!(evaluation("protocol"), json!(read.protocol.word()));
    assert_eq!(evaluation("task"), json!(read.tasks[0].word()));
    let top_k: Vec<usize> = read.sequential.top_k.iter().map(|k| k.value).collect();
    assert_eq!(evaluation("sequential/properties/top_k"), json!(top_k));
    let figures = Suite::parse(Path::new("x.toml"), &format!("{MINIMAL}[figures]\n"), &[]).unwrap();
    let figures = figures.figures.unwrap();
    let histograms: Vec<usize> = figures.histograms.iter().map(|images| images.value).collect();
    assert_eq!(default("/properties/figures/properties/perplexities"), json!(figures.perplexities));
    assert_eq!(default("/properties/figures/properties/histograms"), json!(histograms));
}

#[test]
fn every_parameter_of_every_plugin_is_described() {
    let schema = own();
    let definitions = [
        (PluginKind::Variant, "variant"),
        (PluginKind::Method, "fingerprint"),
        (PluginKind::Images, "images"),
        (PluginKind::Models, "models"),
    ];
    for (kind, name) in definitions {
        let keys = schema.pointer(&format!("/definitions/{name}/allOf/0/properties")).unwrap();
        for entry in registry::of_kind(kind).unwrap() {
            let own = serde_json::to_value(entry.schema()).unwrap();
            for (parameter, _) in own["properties"].as_object().into_iter().flatten() {
                let text = keys[parameter].to_string();
                assert!(text.contains("\"description\""), "{}: {parameter}: {text}", entry.name);
            }
        }
    }
}
