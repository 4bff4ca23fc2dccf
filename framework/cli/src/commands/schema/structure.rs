//! The part of the schema that is the same whatever the plugins: the keys of a suite and of its tables.

use bertillon::suite::Protocol;
use serde_json::{Map, Value, json};

/// A table with these keys and no others.
pub(super) fn table(required: &[&str], properties: Map<String, Value>) -> Value {
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Keys with their schemas.
pub(super) fn keys<const N: usize>(keys: [(&str, Value); N]) -> Map<String, Value> {
    keys.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect()
}

/// A text that people read.
pub(super) fn label(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

/// A whole number of at least one.
pub(super) fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "description": description })
}

/// A list of tables of variants.
pub(super) fn variants(description: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": "#/definitions/variant" }, "description": description })
}

/// Which other vanillas an owner knows.
pub(super) fn peers(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [
            { "const": "all" },
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "uniqueItems": true },
        ],
    })
}

/// One of a few words, or a list of some.
fn words(description: &str, default: Value, words: &[&str]) -> Value {
    json!({
        "description": description,
        "default": default,
        "anyOf": [
            { "enum": words },
            { "type": "array", "items": { "enum": words }, "minItems": 1, "uniqueItems": true },
        ],
    })
}

/// Different whole numbers of at least one.
fn counts(description: &str, default: Value) -> Value {
    json!({
        "type": "array",
        "items": { "type": "integer", "minimum": 1 },
        "uniqueItems": true,
        "description": description,
        "default": default,
    })
}

/// The suite as a whole.
pub(super) fn root() -> Value {
    let properties = keys([
        (
            "name",
            json!({
                "type": "string",
                "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
                "maxLength": 100,
                "description": "Names the results folder: letters, digits, `-`, `_` and `.`.",
            }),
        ),
        (
            "seed",
            json!({
                "type": "integer",
                "minimum": 0,
                "default": 2022,
                "description": "Seed of everything random: the same seed gives the same results to the byte.",
            }),
        ),
        (
            "plugins",
            json!({
                "type": "array",
                "items": { "type": "string", "minLength": 1 },
                "description": "Libraries of plugins of your own, as paths relative to the suite; they run with all your rights, \
                                and only with --allow-plugins.",
            }),
        ),
        (
            "published",
            label("A TOML file of rates from a publication, to stand beside those of the run."),
        ),
        ("data", reference("images", "Where images come from.")),
        ("models", reference("models", "Where vanillas come from.")),
        ("variants", variants("What thieves do to a stolen model.")),
        (
            "fingerprints",
            json!({
                "type": "array",
                "items": { "$ref": "#/definitions/fingerprint" },
                "description": "What owners do to recognise their models.",
            }),
        ),
        ("evaluation", evaluation()),
        ("figures", figures()),
    ]);
    let mut root = table(&["name", "data", "models"], properties);
    root["title"] = json!("A suite of bertillon");
    root["description"] =
        json!("What to run: models, variants, fingerprints, and how they are judged.");
    // Sequential tests choose images themselves; all other tasks judge fingerprints.
    let only_sequential = json!({
        "required": ["evaluation"],
        "properties": {
            "evaluation": {
                "type": "object",
                "required": ["task"],
                "properties": { "task": { "enum": ["sequential", ["sequential"]] } },
            },
        },
    });
    root["if"] = only_sequential;
    root["then"] = json!({ "properties": { "fingerprints": { "maxItems": 0 } } });
    root["else"] = json!({ "required": ["fingerprints"], "properties": { "fingerprints": { "minItems": 1 } } });
    root
}

fn reference(definition: &str, description: &str) -> Value {
    json!({ "description": description, "allOf": [{ "$ref": format!("#/definitions/{definition}") }] })
}

fn evaluation() -> Value {
    let protocols = Protocol::ALL.map(Protocol::word);
    let share = |description: &str, default: f64| json!({ "type": "number", "description": description, "default": default });
    let mut rate = share("Share of strangers that may be accepted, in (0, 1).", 0.05);
    rate["exclusiveMinimum"] = json!(0);
    rate["exclusiveMaximum"] = json!(1);
    let mut drop = share(
        "Share of its vanilla's accuracy that a variant may lose, in (0, 1]; those that lose more are not worth stealing.",
        0.15,
    );
    drop["exclusiveMinimum"] = json!(0);
    drop["maximum"] = json!(1);
    let mut budgets = counts("Queries that a fingerprint may spend.", json!([20, 50, 100, 200]));
    budgets["minItems"] = json!(1);
    let mut draws = count("Repetitions of the choice of queries.");
    draws["default"] = json!(10);
    let properties = keys([
        (
            "task",
            words(
                "What is asked: is it mine (detection), whose is it (identification), or both where all models are known and \
                 images are chosen one by one (sequential).",
                json!("detection"),
                &["detection", "identification", "sequential"],
            ),
        ),
        ("budgets", budgets),
        (
            "primary_budget",
            count(
                "The budget that comparisons look at first, one of `budgets`; 100 where it is among them, else the largest.",
            ),
        ),
        ("false_positive_rate", rate),
        ("max_accuracy_drop", drop),
        ("draws", draws),
        (
            "peers",
            peers(
                "Which other vanillas an owner knows: all, a share of them drawn for each owner, or these.",
            ),
        ),
        (
            "negatives",
            json!({
                "enum": ["all", "strangers"],
                "default": "all",
                "description": "Which false pairs count: all, or those of families that the owner does not know as peers.",
            }),
        ),
        (
            "protocol",
            json!({
                "enum": protocols,
                "default": "pooled",
                "description": "Where thresholds come from: one from all false pairs (pooled), each owner's from the other families \
                                (leave-one-family-out), or none, for methods that give p-values (nominal).",
            }),
        ),
        ("rehearsals", variants("Variants that every owner derives herself; never suspects.")),
        (
            "baselines",
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "Names of fingerprints; the others' differences to each are told, overall and by group of variants.",
            }),
        ),
        ("identification", identification()),
        ("sequential", sequential()),
    ]);
    let mut schema = table(&[], properties);
    schema["description"] = json!("How fingerprints are judged.");
    schema
}

fn identification() -> Value {
    let mut schema = table(
        &[],
        keys([
            (
                "by",
                words(
                    "What is named: the family of a suspect, or, given the family, its kind of variant.",
                    json!(["family"]),
                    &["family", "variation"],
                ),
            ),
            (
                "unknown",
                json!({
                    "type": "number",
                    "minimum": 0,
                    "exclusiveMaximum": 1,
                    "description": "Share of the families that nobody knows, in [0, 1), drawn anew for each draw; 1/7 if left out.",
                }),
            ),
        ]),
    );
    schema["description"] = json!("Only with `identification` in `task`.");
    schema
}

fn sequential() -> Value {
    let mut top_k = counts("Labels that a black box reveals.", json!([1]));
    top_k["minItems"] = json!(1);
    let mut schema = table(
        &[],
        keys([
            (
                "goals",
                words(
                    "What is decided.",
                    json!(["detection", "family"]),
                    &["detection", "family", "variation", "model"],
                ),
            ),
            (
                "scores",
                words(
                    "How the next image is rated: by the impostors expected to survive, by those that do at worst, or by those that \
                     are surely eliminated.",
                    json!(["mean"]),
                    &["mean", "worst", "best"],
                ),
            ),
            ("top_k", top_k),
        ]),
    );
    schema["description"] = json!("Only with `sequential` in `task`.");
    schema
}

fn figures() -> Value {
    let mut schema = table(
        &[],
        keys([
            (
                "perplexities",
                json!({
                    "type": "array",
                    "items": { "type": "number", "exclusiveMinimum": 1 },
                    "default": [30.0],
                    "description": "Perplexities of the maps of all models (t-SNE), each above 1.",
                }),
            ),
            (
                "histograms",
                counts(
                    "Numbers of images for the histograms of distances.",
                    json!([20, 50, 100, 250, 1000]),
                ),
            ),
        ]),
    );
    schema["description"] = json!("Data for the paper's two figures; none without this table.");
    schema
}
