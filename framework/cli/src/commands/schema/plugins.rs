//! The part of the schema that plugins make: which there are, and the parameters of each.

use bertillon::Entry;
use schemars::transform::{RemoveRefSiblings, ReplacePrefixItems, Transform as _};
use serde_json::{Map, Value, json};

use super::structure::{count, keys, label, peers, table, variants};

/// A table that names a plugin and has its parameters beside keys of the suite.
pub(super) struct Choice {
    /// Name of its definition.
    pub(super) name: &'static str,
    /// Key that names the plugin.
    key: &'static str,
    /// Keys that are the suite's own, besides.
    own: Map<String, Value>,
    required: &'static [&'static str],
    /// Whether parameters may take each value of a list.
    has_grid: bool,
    /// Whether the plugin's name alone may stand for the table.
    may_be_name: bool,
}

impl Choice {
    pub(super) fn variant() -> Self {
        Self { has_grid: true, ..Self::plain("variant", "plugin", &["plugin"]) }
    }

    pub(super) fn selector() -> Self {
        Self { may_be_name: true, ..Self::plain("selector", "plugin", &["plugin"]) }
    }

    pub(super) fn fingerprint() -> Self {
        let own = keys([
            ("name", label("Its name in reports, unique in the suite.")),
            (
                "selector",
                json!({
                    "description": "Which images of the pool are asked, for methods that ask such.",
                    "allOf": [{ "$ref": "#/definitions/selector" }],
                }),
            ),
            (
                "bank",
                count(
                    "Queries that an owner crafts once and draws sample from; the largest budget if left out.",
                ),
            ),
            ("peers", peers("Overrides the evaluation's.")),
            ("rehearsals", variants("Overrides the evaluation's.")),
        ]);
        Self { own, ..Self::plain("fingerprint", "method", &["name", "method"]) }
    }

    pub(super) fn images() -> Self {
        let pool = count("Images that owners may ask; the source's own number if left out.");
        Self { own: keys([("pool", pool)]), ..Self::plain("images", "source", &["source"]) }
    }

    pub(super) fn models() -> Self {
        Self::plain("models", "source", &["source"])
    }

    fn plain(name: &'static str, key: &'static str, required: &'static [&'static str]) -> Self {
        Self { name, key, own: Map::new(), required, has_grid: false, may_be_name: false }
    }

    /// Its schema; what the schemas of plugins refer to goes to `definitions`.
    ///
    /// The first part has the keys of all plugins, which is what editors complete from; the others say which of them each
    /// plugin takes, which is what is checked.
    pub(super) fn schema(&self, entries: &[&Entry], definitions: &mut Map<String, Value>) -> Value {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        let listed: Vec<String> = entries
            .iter()
            .map(|entry| {
                let first = entry.documentation().lines().next().unwrap_or_default();
                format!("- `{}`: {first}", entry.name)
            })
            .collect();
        let plugin = json!({ "enum": names, "description": listed.join("\n") });
        let mut all = self.own.clone();
        let mut parts = vec![Value::Null];
        for entry in entries {
            let parameters = parameters(self.name, entry, definitions);
            let names = self.own.keys().map(String::as_str).chain([self.key]);
            let mut accepted: Map<String, Value> =
                names.map(|key| (key.to_owned(), json!({}))).collect();
            if self.has_grid {
                accepted.insert("grid".to_owned(), grid(&parameters));
            }
            // A plugin that can't tell its parameters may take any.
            let takes_any = parameters.is_none();
            for (key, schema) in parameters.into_iter().flatten() {
                match all.get_mut(&key) {
                    None => drop(all.insert(key.clone(), schema.clone())),
                    Some(known) if !self.own.contains_key(&key) => either(known, &schema),
                    Some(_) => {}
                }
                accepted.entry(key).or_insert(schema);
            }
            parts.push(json!({
                "if": { "type": "object", "required": [self.key], "properties": { self.key: { "const": entry.name } } },
                "then": { "additionalProperties": takes_any, "properties": accepted },
            }));
        }
        all.insert(self.key.to_owned(), plugin.clone());
        if self.has_grid {
            let grid = json!({ "type": "object", "description": GRID });
            all.insert("grid".to_owned(), grid);
        }
        let mut first = table(self.required, all);
        // Each plugin's own part says which keys it takes.
        first.as_object_mut().map(|table| table.remove("additionalProperties"));
        if self.may_be_name {
            parts[0] = json!({ "anyOf": [plugin, first] });
        } else {
            parts[0] = first;
        }
        json!({ "allOf": parts })
    }
}

const GRID: &str = "Parameters that take each value of a list; several make the cross product.";

/// The parameters of a plugin as the suite's schema has them; none when the plugin's schema allows everything.
fn parameters(
    kind: &str,
    entry: &Entry,
    definitions: &mut Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut schema = entry.schema();
    // Draft 7 reads nothing beside `$ref`, and knows tuples by another word.
    RemoveRefSiblings::default().transform(&mut schema);
    ReplacePrefixItems::default().transform(&mut schema);
    let mut schema = Value::from(schema);
    let prefix = format!("{kind}.{}", entry.name);
    tidy(&mut schema, &prefix);
    if let Some(Value::Object(own)) = schema.get_mut("$defs").map(Value::take) {
        for (name, definition) in own {
            definitions.insert(format!("{prefix}.{name}"), definition);
        }
    }
    let takes_nothing = schema.get("type") == Some(&json!("object"));
    match schema.get_mut("properties").map(Value::take) {
        Some(Value::Object(properties)) => Some(properties),
        _ if takes_nothing => Some(Map::new()),
        _ => None,
    }
}

/// Makes references point to the suite's definitions, and takes out null, which TOML does not have.
fn tidy(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/definitions/{prefix}.{name}");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    object["type"] = only.clone();
                }
            }
            for key in ["anyOf", "oneOf"] {
                if let Some(Value::Array(forms)) = object.get_mut(key) {
                    forms.retain(|form| form.get("type") != Some(&json!("null")));
                }
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            object.values_mut().for_each(|value| tidy(value, prefix));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, prefix)),
        _ => {}
    }
}

/// Lists of values of a plugin's parameters.
fn grid(parameters: &Option<Map<String, Value>>) -> Value {
    let Some(parameters) = parameters else {
        return json!({ "type": "object", "description": GRID });
    };
    let lists = parameters.iter().map(|(key, schema)| {
        let mut list =
            json!({ "type": "array", "items": schema, "minItems": 1, "uniqueItems": true });
        if let Some(description) = schema.get("description") {
            list["description"] = description.clone();
        }
        (key.clone(), list)
    });
    let mut schema = table(&[], lists.collect());
    schema["description"] = json!(GRID);
    schema
}

/// Widens the schema of a key that plugins understand differently.
fn either(known: &mut Value, other: &Value) {
    if known == other {
        return;
    }
    match known.as_object_mut() {
        // One that was made here has nothing but its forms.
        Some(object) if object.len() == 1 && object.contains_key("anyOf") => {
            let forms = object.get_mut("anyOf").and_then(Value::as_array_mut);
            if let Some(forms) = forms.filter(|forms| !forms.contains(other)) {
                forms.push(other.clone());
            }
        }
        _ => *known = json!({ "anyOf": [known.take(), other] }),
    }
}
