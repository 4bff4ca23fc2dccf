//! Parameters of a plugin, read from their JSON schema.

use serde_json::{Map, Value};

/// One parameter as `describe` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Key in the suite, `attack.steps` within a table.
    pub(crate) name: String,
    /// Kind of its value, in words.
    pub(crate) kind: String,
    /// Default as TOML; none where the parameter may be absent.
    pub(crate) default: Option<String>,
    /// What it is, with unit and range.
    pub(crate) description: String,
}

/// The parameters that a schema describes, those within tables after their table.
pub(crate) fn parameters(schema: &Value) -> Vec<Parameter> {
    let mut found = Vec::new();
    collect(schema, schema, "", "", &mut found, 0);
    found
}

/// Deepest table within a table that is looked into: schemas may refer to themselves.
const DEPTH: usize = 4;

fn collect(
    root: &Value,
    object: &Value,
    prefix: &str,
    condition: &str,
    found: &mut Vec<Parameter>,
    depth: usize,
) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
    for (key, property) in properties {
        if constant(resolve(root, property)).is_some() {
            continue;
        }
        let name = format!("{prefix}{key}");
        let own = property.get("description").and_then(Value::as_str).unwrap_or_default();
        found.push(Parameter {
            kind: kind(root, property),
            default: property.get("default").filter(|value| !value.is_null()).map(toml),
            description: format!("{condition}{}", one_line(own)),
            name: name.clone(),
        });
        if depth == DEPTH {
            continue;
        }
        for table in tables(root, property) {
            let condition = tag(root, table)
                .map_or_else(String::new, |(key, value)| format!("With {key} = {value}: "));
            collect(root, table, &format!("{name}."), &condition, found, depth + 1);
        }
    }
}

/// Forms of a value that are tables with keys of their own.
fn tables<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(root, schema);
    match alternatives(schema) {
        Some(forms) => forms.iter().flat_map(|form| tables(root, form)).collect(),
        None if schema.get("properties").is_some() => vec![schema],
        None => Vec::new(),
    }
}

/// The key that tells a form of a table from the others, with its value.
fn tag(root: &Value, table: &Value) -> Option<(String, String)> {
    let properties = table.get("properties")?.as_object()?;
    let mut constants = properties
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), toml(constant(resolve(root, value))?))));
    constants.next()
}

fn constant(schema: &Value) -> Option<&Value> {
    schema.get("const")
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

/// `number`, `"all" | "conv" | "last"`, `list of integers`.
fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(value) = constant(schema) {
        return toml(value);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return joined(values.iter().filter(|value| !value.is_null()).map(toml));
    }
    if let Some(forms) = alternatives(schema) {
        let known = forms.iter().filter(|form| form.get("type") != Some(&Value::from("null")));
        return joined(known.map(|form| kind(root, form)));
    }
    match schema.get("type") {
        Some(Value::String(name)) => simple(root, schema, name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            joined(names.map(|name| simple(root, schema, name)))
        }
        _ => "any value".to_owned(),
    }
}

fn simple(root: &Value, schema: &Value, name: &str) -> String {
    match name {
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(root, items)),
            None => "list".to_owned(),
        },
        "object" => match tag(root, schema) {
            Some((key, value)) => format!("{{ {key} = {value}, … }}"),
            None => "table".to_owned(),
        },
        "string" => "text".to_owned(),
        "boolean" => "true | false".to_owned(),
        other => format!("{other}{}", range(schema)),
    }
}

fn range(schema: &Value) -> String {
    let bound = |key| schema.get(key).filter(|bound| bound.is_number()).map(toml);
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" from {low}"),
        (None, Some(high)) => format!(" to {high}"),
        (None, None) => String::new(),
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    words.for_each(|word| {
        if !distinct.contains(&word) {
            distinct.push(word);
        }
    });
    distinct.join(" | ")
}

/// A JSON value as one would write it in a suite.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => format!("{{ {} }}", keys(table)),
        other => other.to_string(),
    }
}

fn keys(table: &Map<String, Value>) -> String {
    let given = table.iter().filter(|(_, value)| !value.is_null());
    given.map(|(key, value)| format!("{key} = {}", toml(value))).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameter(name: &str, kind: &str, default: Option<&str>, description: &str) -> Parameter {
        Parameter {
            name: name.to_owned(),
            kind: kind.to_owned(),
            default: default.map(str::to_owned),
            description: description.to_owned(),
        }
    }

    #[test]
    fn enumerations_options_and_ranges_are_told_in_words() {
        let schema = json!({
            "properties": {
                "amount": { "type": "number", "format": "double", "default": 0.2, "description": "Share,\nin (0, 1)." },
                "layers": { "$ref": "#/$defs/Layers", "default": "all", "description": "Which." },
                "seeds": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "default": [1, 2] },
                "head": { "type": ["integer", "null"], "minimum": 0, "maximum": 65535, "default": null },
                "delegate": { "anyOf": [{ "$ref": "#/$defs/Layers" }, { "type": "null" }] },
                "fast": { "type": "boolean", "default": false }
            },
            "$defs": { "Layers": { "oneOf": [{ "const": "all", "description": "x" }, { "enum": ["conv", "last"], "type": "string" }] } }
        });
        let layers = "\"all\" | \"conv\" | \"last\"";
        let mut expected = vec![
            parameter("amount", "number", Some("0.2"), "Share, in (0, 1)."),
            parameter("delegate", layers, None, ""),
            parameter("fast", "true | false", Some("false"), ""),
            parameter("head", "integer from 0 to 65535", None, ""),
            parameter("layers", layers, Some("\"all\""), "Which."),
            parameter("seeds", "list of integer from 0", Some("[1, 2]"), ""),
        ];
        let mut found = parameters(&schema);
        // The order is the schema's, which may or may not keep that of the fields.
        expected.sort_by(|a, b| a.name.cmp(&b.name));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found, expected);
    }

    #[test]
    fn parameters_of_each_form_of_a_table_follow_it() {
        let schema = json!({
            "properties": {
                "attack": {
                    "description": "Attack.",
                    "default": { "name": "bp", "steps": 50, "seed": null },
                    "oneOf": [
                        { "type": "object", "properties": { "name": { "const": "bp" }, "steps": { "type": "integer", "default": 50, "description": "Steps." } } },
                        { "type": "object", "properties": { "name": { "const": "cw" } } }
                    ]
                }
            }
        });
        let expected = [
            parameter(
                "attack",
                "{ name = \"bp\", … } | { name = \"cw\", … }",
                Some("{ name = \"bp\", steps = 50 }"),
                "Attack.",
            ),
            parameter("attack.steps", "integer", Some("50"), "With name = \"bp\": Steps."),
        ];
        assert_eq!(parameters(&schema), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({
            "properties": { "inner": { "$ref": "#/$defs/T" } },
            "$defs": { "T": { "type": "object", "properties": { "inner": { "$ref": "#/$defs/T" } } } }
        });
        assert_eq!(parameters(&schema).len(), DEPTH + 1);
    }
}
