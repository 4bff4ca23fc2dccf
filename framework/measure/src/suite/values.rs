//! Single values of a suite: their types and ranges.

use serde_json::{Map, Number, Value};
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::{
    Located,
    section::{Item, Mistakes},
    suggestion,
};

/// Most numbers of a list that someone is to read as a table.
pub const MOST_COUNTS: usize = 1_000;

/// A table.
pub fn table<'a>(
    item: &'a Item<'a>,
    key: &str,
    mistakes: &mut Mistakes,
) -> Option<&'a DeTable<'a>> {
    let found = item.get_ref().as_table();
    found.or_else(|| wrong_type(item, key, "a table", mistakes))
}

/// A list.
pub fn list<'a>(item: &'a Item<'a>, key: &str, mistakes: &mut Mistakes) -> Option<&'a DeArray<'a>> {
    let found = item.get_ref().as_array();
    found.or_else(|| wrong_type(item, key, "a list", mistakes))
}

/// A string.
pub fn text(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Located<String>> {
    let Some(value) = item.get_ref().as_str() else {
        return wrong_type(item, key, "a string", mistakes);
    };
    Some(Located { value: value.to_owned(), at: item.span() })
}

/// A string that people read: neither blank nor able to confuse a terminal.
pub fn label(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Located<String>> {
    let found = text(item, key, mistakes)?;
    let problem = if found.value.trim().is_empty() {
        "it is empty"
    } else if found.value.contains(char::is_control) {
        "it has control characters"
    } else if found.value.contains(is_hidden) {
        "it has characters that hide or reorder others"
    } else {
        return Some(found);
    };
    mistakes.add(found.at, format!("`{key}` can't be used: {problem}"), problem, None);
    None
}

/// Whether a character shows nothing itself and changes how others are shown: what is read is then not what is there.
/// Letters of any script are welcome, with the joiners that some need.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{61C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
    )
}

/// A list of strings that people read.
pub fn labels(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Vec<Located<String>> {
    let items = list(item, key, mistakes);
    let read = |item| label(item, key, mistakes);
    items.into_iter().flat_map(|items| items.iter()).filter_map(read).collect()
}

/// One of a few words.
pub fn word<T: Copy>(
    item: &Item<'_>,
    key: &str,
    words: &[(&str, T)],
    mistakes: &mut Mistakes,
) -> Option<T> {
    let found = text(item, key, mistakes)?;
    let chosen = words.iter().find(|(word, _)| *word == found.value);
    if chosen.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        mistakes.add(
            found.at,
            format!("`{key}` can't be `{}`", found.value.escape_debug()),
            format!("not a value of `{key}`"),
            suggestion(&found.value, &names),
        );
    }
    chosen.map(|&(_, value)| value)
}

/// A whole number of at least one.
pub fn count(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Located<usize>> {
    let Some(integer) = item.get_ref().as_integer() else {
        return wrong_type(item, key, "a whole number", mistakes);
    };
    let value = parse_integer(integer, usize::from_str_radix).filter(|&value| value > 0);
    if value.is_none() {
        mistakes.add(
            item.span(),
            format!("`{key}` can't be {integer}"),
            "must be a whole number of at least 1",
            None,
        );
    }
    value.map(|value| Located { value, at: item.span() })
}

/// A whole number from 1 to `most`.
pub fn count_up_to(
    item: &Item<'_>,
    key: &str,
    most: usize,
    mistakes: &mut Mistakes,
) -> Option<Located<usize>> {
    let found = count(item, key, mistakes)?;
    if found.value <= most {
        return Some(found);
    }
    let message = format!("`{key}` can't be {}", found.value);
    mistakes.add(found.at, message, format!("at most {most}"), None);
    None
}

/// A list of different whole numbers of at least one, not more than [`MOST_COUNTS`].
pub fn counts(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Vec<Located<usize>> {
    let Some(items) = list(item, key, mistakes) else {
        return Vec::new();
    };
    if items.len() > MOST_COUNTS {
        let message = format!("`{key}` has {} numbers", items.len());
        mistakes.add(item.span(), message, format!("at most {MOST_COUNTS}"), None);
        return Vec::new();
    }
    let mut counts: Vec<Located<usize>> = Vec::new();
    for item in items {
        let Some(found) = count(item, key, mistakes) else {
            continue;
        };
        if counts.iter().any(|earlier| earlier.value == found.value) {
            let message = format!("{} stands twice in `{key}`", found.value);
            mistakes.add(found.at.clone(), message, "again", None);
        }
        counts.push(found);
    }
    counts
}

/// An unsigned 64-bit integer.
pub fn seed(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<u64> {
    let Some(integer) = item.get_ref().as_integer() else {
        return wrong_type(item, key, "a whole number", mistakes);
    };
    let value = parse_integer(integer, u64::from_str_radix);
    if value.is_none() {
        mistakes.add(
            item.span(),
            format!("`{key}` can't be {integer}"),
            format!("must lie between 0 and {}", u64::MAX),
            None,
        );
    }
    value
}

/// A number that `allowed` accepts; `range` says which those are.
pub fn number(
    item: &Item<'_>,
    key: &str,
    range: &str,
    allowed: impl Fn(f64) -> bool,
    mistakes: &mut Mistakes,
) -> Option<f64> {
    let (value, shown) = match item.get_ref() {
        DeValue::Float(float) => (float.as_str().parse::<f64>().ok(), float.to_string()),
        DeValue::Integer(integer) => {
            let exact = parse_integer(integer, i64::from_str_radix);
            (exact.map(|whole| whole as f64), integer.to_string())
        }
        _ => return wrong_type(item, key, "a number", mistakes),
    };
    let value = value.filter(|&value| value.is_finite() && allowed(value));
    if value.is_none() {
        mistakes.add(
            item.span(),
            format!("`{key}` can't be {shown}"),
            format!("must lie in {range}"),
            None,
        );
    }
    value
}

/// Any value that a plugin's parameter may have.
pub fn json(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<Value> {
    let mut refuse = |message: &str, label: &str| {
        mistakes.add(item.span(), message, label, None);
        None
    };
    match item.get_ref() {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Integer(integer) => {
            let number = parse_integer(integer, i64::from_str_radix)
                .map(Number::from)
                .or_else(|| parse_integer(integer, u64::from_str_radix).map(Number::from));
            number.map(Value::Number).or_else(|| refuse("too large a number", "beyond 64 bits"))
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            let refused = || refuse("parameters must be finite numbers", "not finite");
            number.map(Value::Number).or_else(refused)
        }
        DeValue::Datetime(_) => {
            refuse("dates can't be parameters", "a date; put it in quotes if it is a name")
        }
        DeValue::Array(items) => {
            // Not `collect` into an option: every item is to be looked at.
            let values: Vec<_> = items.iter().map(|item| json(item, mistakes)).collect();
            values.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let entries: Vec<_> = table
                .iter()
                .map(|(key, item)| Some((key.get_ref().to_string(), json(item, mistakes)?)))
                .collect();
            entries.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}

/// Notes a value of the wrong type.
pub fn wrong_type<T>(
    item: &Item<'_>,
    key: &str,
    expected: &str,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let actual = match item.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let key = if key.starts_with('[') { key.to_owned() } else { format!("`{key}`") };
    mistakes.add(
        item.span(),
        format!("{key} is {actual}, must be {expected}"),
        format!("must be {expected}"),
        None,
    );
    None
}

fn parse_integer<T, E>(
    integer: &DeInteger<'_>,
    parse: impl Fn(&str, u32) -> Result<T, E>,
) -> Option<T> {
    parse(integer.as_str(), integer.radix()).ok()
}
