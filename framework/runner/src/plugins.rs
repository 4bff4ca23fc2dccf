//! From a plugin named in a suite to the plugin built, with mistakes told where they stand.

use std::{collections::BTreeMap, path::PathBuf};

use bertillon::{
    Entry, Error, FingerprintMethod, ImageSource, InputSelector, ModelCollection, VariantGenerator,
    registry::{self, Builder, PluginKind},
    suite::{Diagnostic, Located, PluginUse, Suite, suggestion},
};
use serde_json::{Map, Value};

use crate::key::Recipe;

/// What a plugin computes from, as far as it lies with the plugin: part of a cache key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginRecipe {
    /// Registered name.
    pub(crate) plugin: String,
    /// Digest of its source.
    pub(crate) source: String,
    /// Parameters as given, as JSON with sorted keys.
    pub(crate) parameters: String,
}

impl PluginRecipe {
    /// Adds it to the recipe of an object.
    pub(crate) fn add_to(&self, recipe: Recipe) -> Recipe {
        recipe.text(&self.plugin).text(&self.source).text(&self.parameters)
    }
}

/// How the paths of a suite are resolved.
#[derive(Clone, Copy)]
pub(crate) struct Paths<'a>(&'a dyn Fn(&Located<String>) -> PathBuf);

impl<'a> Paths<'a> {
    /// By `resolve`, such as [`Suite::resolve`](bertillon::suite::Suite::resolve).
    pub(crate) fn by(resolve: &'a dyn Fn(&Located<String>) -> PathBuf) -> Self {
        Self(resolve)
    }

    /// The parameters with every path among them, as the schema marks them by `format: path`, resolved.
    fn resolve(self, used: &PluginUse, schema: &Value) -> PluginUse {
        let mut used = used.clone();
        for (key, value) in &mut used.parameters {
            let format = schema["properties"][key.value.as_str()]["format"].as_str();
            if let (Some("path"), Some(path)) = (format, value.value.as_str()) {
                let path = (self.0)(&Located { value: path.to_owned(), at: value.at.clone() });
                value.value = path.to_string_lossy().into_owned().into();
            }
        }
        used
    }
}

type Built<T> = Result<(Box<T>, PluginRecipe), Vec<Diagnostic>>;
type Build<T> = fn(&str) -> bertillon::Result<Box<T>>;

macro_rules! build {
    ($(#[$doc:meta])* $function:ident, $kind:ident, $trait:ident, $ingredients:expr) => {
        $(#[$doc])*
        pub(crate) fn $function(used: &PluginUse, paths: Paths<'_>) -> Built<dyn $trait> {
            let entry = find(used, PluginKind::$kind)?;
            let Builder::$kind(build) = entry.builder else {
                return Err(vec![at_name(used, "a plugin of another kind".to_owned())]);
            };
            let used = paths.resolve(used, entry.schema().as_value());
            let (plugin, mut recipe) = built(entry, build, &used)?;
            for ingredient in $ingredients(&*plugin) {
                recipe.source.push_str(&format!(", {ingredient}"));
            }
            Ok((plugin, recipe))
        }
    };
}

build!(
    /// The variant generator that a suite names.
    variant, Variant, VariantGenerator, VariantGenerator::ingredients
);
build!(
    /// The input selector that a suite names.
    selector, Selector, InputSelector, InputSelector::ingredients
);
build!(
    /// The method that a suite names.
    method, Method, FingerprintMethod, FingerprintMethod::ingredients
);
build!(
    /// The source of images that a suite names.
    images, Images, ImageSource, |_: &dyn ImageSource| Vec::<String>::new()
);
build!(
    /// The collection of models that a suite names.
    models, Models, ModelCollection, ModelCollection::ingredients
);

/// `[models]`, with what it leaves out taken from `[data]`: everything where both have the same source, else the
/// parameters that the collection's schema marks by `inherits: data`.
pub(crate) fn models_use(suite: &Suite) -> PluginUse {
    let mut models = suite.models.clone();
    let same = models.plugin.value == suite.data.plugin.value;
    let entry = find(&models, PluginKind::Models).ok();
    let schema = entry.map(Entry::schema);
    let inherits = |key: &str| {
        let property = schema.as_ref().and_then(|s| s.as_value()["properties"].get(key));
        property.is_some_and(|property| property["inherits"] == "data")
    };
    for (key, value) in &suite.data.parameters {
        let wanted = same || inherits(&key.value);
        if wanted && models.parameters.iter().all(|(own, _)| own.value != key.value) {
            models.parameters.push((key.clone(), value.clone()));
        }
    }
    models
}

fn find(used: &PluginUse, kind: PluginKind) -> Result<&'static Entry, Vec<Diagnostic>> {
    let unusable = |error: Error| vec![at_name(used, error.to_string())];
    let name = used.plugin.value.as_str();
    if let Some(entry) = registry::find(kind, name).map_err(unusable)? {
        return Ok(entry);
    }
    let entries = registry::entries().map_err(unusable)?;
    let help = match entries.iter().find(|entry| entry.name == name) {
        Some(other) => Some(format!("`{name}` is registered as {}", other.kind())),
        None => {
            let of_kind = entries.iter().filter(|entry| entry.kind() == kind);
            suggestion(name, &of_kind.map(|entry| entry.name).collect::<Vec<_>>())
        }
    };
    Err(vec![Diagnostic {
        message: format!("unknown {kind} `{}`", name.escape_debug()),
        at: used.plugin.at.clone(),
        label: format!("no {kind} of this name"),
        help: help.or_else(|| Some(format!("no {kind} is compiled in"))),
    }])
}

fn built<T: ?Sized>(entry: &Entry, build: Build<T>, used: &PluginUse) -> Built<T> {
    let schema = entry.schema();
    let known = known_parameters(schema.as_value());
    let mut mistakes = Vec::new();
    let mut accepted: Vec<usize> = Vec::new();
    for (index, (key, _)) in used.parameters.iter().enumerate() {
        match &known {
            Some(known) if !known.contains_key(key.value.as_str()) => mistakes.push(Diagnostic {
                message: format!("unknown parameter `{}`", key.value.escape_debug()),
                at: key.at.clone(),
                label: format!("not a parameter of `{}`", entry.name),
                help: suggestion(&key.value, &known.keys().copied().collect::<Vec<_>>())
                    .or_else(|| Some(format!("`{}` has no parameters", entry.name))),
            }),
            _ => accepted.push(index),
        }
    }
    let parameters = json(used, &accepted);
    match build(&parameters) {
        Ok(plugin) if mistakes.is_empty() => {
            let recipe =
                PluginRecipe { plugin: entry.name.to_owned(), source: entry.recipe(), parameters };
            return Ok((plugin, recipe));
        }
        Ok(_) => {}
        Err(error) => {
            let documented = |key: &str| known.as_ref().and_then(|known| known.get(key).copied());
            mistakes.extend(attribute(error, build, used, &accepted, documented));
        }
    }
    mistakes.sort_by_key(|mistake| mistake.at.start);
    Err(mistakes)
}

/// Parameters by name with the first line of their documentation; none when the schema lists no fixed names.
fn known_parameters(schema: &Value) -> Option<BTreeMap<&str, &str>> {
    let open = ["oneOf", "anyOf", "allOf", "patternProperties", "$ref"];
    if open.iter().any(|key| schema.get(key).is_some()) {
        return None;
    }
    let closed = schema.get("additionalProperties").and_then(Value::as_bool) == Some(false);
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => Some(
            properties
                .iter()
                .map(|(name, property)| {
                    let text = property.get("description").and_then(Value::as_str).unwrap_or("");
                    (name.as_str(), text.lines().next().unwrap_or(""))
                })
                .collect(),
        ),
        None => closed.then(BTreeMap::new),
    }
}

/// Finds the parameters to blame for a refusal.
fn attribute<'a, T: ?Sized>(
    error: Error,
    build: Build<T>,
    used: &PluginUse,
    accepted: &[usize],
    documented: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Diagnostic> {
    let refused = |index: usize, error: &Error| {
        let (key, value) = &used.parameters[index];
        let documentation = documented(&key.value).filter(|text| !text.is_empty());
        Diagnostic {
            message: match error {
                Error::Parameter { .. } => error.to_string(),
                _ => format!("`{}` of `{}`: {error}", key.value, used.plugin.value),
            },
            at: value.at.clone(),
            label: "refused".to_owned(),
            help: documentation.map(|text| format!("`{}`: {text}", key.value)),
        }
    };
    // A value that is wrong whatever the others are is wrong by itself; what fails without it is not its fault.
    let whole = error.to_string();
    let without = build("{}").err().map(|error| error.to_string());
    let alone: Vec<(usize, Error)> = accepted
        .iter()
        .filter_map(|&index| Some((index, build(&json(used, &[index])).err()?)))
        .filter(|(index, error)| match error {
            Error::Parameter { name, .. } => *name == used.parameters[*index].0.value,
            // A file may be unreadable for want of the other parameters only.
            Error::File { .. } => error.to_string() == whole,
            _ => Some(error.to_string()) != without,
        })
        .collect();
    if !alone.is_empty() {
        return alone.iter().map(|(index, error)| refused(*index, error)).collect();
    }
    if let Error::Parameter { name, .. } = &error
        && let Some(&index) =
            accepted.iter().find(|&&index| used.parameters[index].0.value == *name)
    {
        return vec![refused(index, &error)];
    }
    vec![at_name(used, error.to_string())]
}

fn at_name(used: &PluginUse, message: String) -> Diagnostic {
    Diagnostic {
        message: format!("`{}`: {message}", used.plugin.value.escape_debug()),
        at: used.plugin.at.clone(),
        label: "refused".to_owned(),
        help: None,
    }
}

/// The parameters at these positions as JSON text, keys sorted at every depth.
fn json(used: &PluginUse, positions: &[usize]) -> String {
    let chosen = positions.iter().map(|&position| &used.parameters[position]);
    sorted(&Value::Object(chosen.map(|(k, v)| (k.value.clone(), v.value.clone())).collect()))
        .to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            // Sorted before it is collected: serde_json may be built to keep the order of insertion.
            let entries: BTreeMap<_, _> = entries.iter().collect();
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use bertillon::{Configure, Group, Model, Result, Variation, Workbench};
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// Parameters of the plugin under test.
    #[derive(Debug, Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Params {
        /// Share, in [0, 1].
        share: f64,
        steps: u32,
        low: f64,
        high: f64,
    }

    impl Default for Params {
        fn default() -> Self {
            Self { share: 0.5, steps: 1, low: 0.0, high: 1.0 }
        }
    }

    #[derive(Debug)]
    struct Probe;

    impl Configure for Probe {
        type Parameters = Params;

        fn configure(parameters: Params) -> Result<Self> {
            if !(0.0..=1.0).contains(&parameters.share) {
                return Err(Error::parameter("share", parameters.share, "must lie in [0, 1]"));
            }
            if parameters.low == 8.0 {
                return Err(Error::parameter("low", parameters.low, "never eight"));
            }
            if parameters.high == 7.0 {
                return Err(Error::file("seven", "missing"));
            }
            if parameters.low > parameters.high {
                return Err(Error::Refused("`low` exceeds `high`".to_owned()));
            }
            if parameters.steps > 1 && parameters.share == 0.25 {
                return Err(Error::parameter("steps", parameters.steps, "only 1 at a quarter"));
            }
            Ok(Self)
        }
    }

    impl VariantGenerator for Probe {
        fn variation(&self) -> Variation {
            Variation {
                kind: "probe".to_owned(),
                detail: None,
                parameter: None,
                group: Group::Output,
            }
        }

        fn derive(&self, _: Box<dyn Model>, _: &mut Workbench) -> Result<bertillon::Derived> {
            Err(Error::Refused("only configured".to_owned()))
        }
    }

    bertillon::inventory::submit! {
        Entry::variant::<Probe>(
            "plugins-test-probe",
            module_path!(),
            &[("tests", "digest of the source", "documentation")],
        )
    }

    const NAME: &str = "plugins-test-probe";

    fn nowhere() -> Paths<'static> {
        Paths::by(&|path| PathBuf::from("suites").join(&path.value))
    }

    #[test]
    fn only_what_the_schema_calls_a_path_is_resolved() {
        let schema = json!({ "properties": { "path": { "format": "path" }, "name": {} } });
        let parameters = [("path", json!("data")), ("name", json!("data"))];
        let resolved = nowhere().resolve(&used(NAME, &parameters), &schema);
        let values: Vec<Value> = resolved.parameters.into_iter().map(|(_, v)| v.value).collect();
        assert_eq!(values, [json!("suites/data"), json!("data")]);
    }

    /// A use with each key at 100, 200, … and its value ten bytes further.
    fn used(plugin: &str, parameters: &[(&str, Value)]) -> PluginUse {
        let place = |value: &str, start: usize| Located {
            value: value.to_owned(),
            at: start..start + value.len(),
        };
        PluginUse {
            plugin: place(plugin, 0),
            parameters: parameters
                .iter()
                .enumerate()
                .map(|(index, (key, value))| {
                    let start = 100 * (index + 1);
                    let value = Located { value: value.clone(), at: start + 10..start + 11 };
                    (place(key, start), value)
                })
                .collect(),
        }
    }

    fn mistakes(plugin: &str, parameters: &[(&str, Value)]) -> Vec<(usize, String, String)> {
        let found = variant(&used(plugin, parameters), nowhere()).err().expect("a mistake");
        found.into_iter().map(|m| (m.at.start, m.message, m.help.unwrap_or_default())).collect()
    }

    #[test]
    fn a_recipe_holds_the_source_and_the_parameters_as_given_in_sorted_keys() {
        let parameters = [("steps", json!(3)), ("high", json!(2)), ("low", json!(0.1))];
        let (_, recipe) = variant(&used(NAME, &parameters), nowhere()).ok().unwrap();
        assert_eq!(recipe.plugin, NAME);
        assert_eq!(recipe.source, "digest of the source");
        assert_eq!(recipe.parameters, r#"{"high":2,"low":0.1,"steps":3}"#);
        let nested = sorted(&json!({ "b": { "d": 1, "c": [{ "z": 1, "a": 2 }] }, "a": 0 }));
        assert_eq!(nested.to_string(), r#"{"a":0,"b":{"c":[{"a":2,"z":1}],"d":1}}"#);
    }

    #[test]
    fn an_unknown_plugin_is_marked_with_the_nearest_name() {
        let found = mistakes("plugins-test-prob", &[]);
        assert_eq!(found[0].0, 0);
        assert_eq!(found[0].1, "unknown variant generator `plugins-test-prob`");
        assert_eq!(found[0].2, format!("did you mean `{NAME}`?"));
        let found = selector(&used(NAME, &[]), nowhere()).err().unwrap();
        let help = format!("`{NAME}` is registered as variant generator");
        assert_eq!(found[0].help.as_deref(), Some(help.as_str()));
    }

    #[test]
    fn unknown_parameters_and_wrong_values_are_told_together_each_at_its_place() {
        let parameters = [("shar", json!(0.1)), ("share", json!(2.0)), ("steps", json!("three"))];
        let found = mistakes(NAME, &parameters);
        let places: Vec<usize> = found.iter().map(|(at, _, _)| *at).collect();
        assert_eq!(places, [100, 210, 310]);
        assert_eq!(found[0].1, "unknown parameter `shar`");
        assert_eq!(found[0].2, "did you mean `share`?");
        assert_eq!(found[1].1, "`share` = 2: must lie in [0, 1]");
        assert_eq!(found[1].2, "`share`: Share, in [0, 1].");
        assert!(found[2].1.contains("invalid type: string \"three\""), "{}", found[2].1);
    }

    #[test]
    fn a_file_is_blamed_on_its_parameter_only_where_it_is_the_mistake() {
        // Alone, `high` names a file that is missing; with `low` it is `low` that is refused.
        let found = mistakes(NAME, &[("high", json!(7.0))]);
        assert_eq!((found.len(), found[0].0), (1, 110));
        assert!(found[0].1.contains("missing"), "{}", found[0].1);
        let found = mistakes(NAME, &[("high", json!(7.0)), ("low", json!(8.0))]);
        assert_eq!((found.len(), found[0].0), (1, 210));
    }

    #[test]
    fn a_refused_combination_is_marked_at_the_key_it_names_or_at_the_plugin() {
        let found = mistakes(NAME, &[("share", json!(0.25)), ("steps", json!(2))]);
        assert_eq!((found.len(), found[0].0), (1, 210));
        let found = mistakes(NAME, &[("low", json!(0.75)), ("high", json!(0.5))]);
        assert_eq!((found.len(), found[0].0), (1, 0));
        assert!(found[0].1.contains("`low` exceeds `high`"));
    }
}
