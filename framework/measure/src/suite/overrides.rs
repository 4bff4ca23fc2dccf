//! `--set KEY=VALUE`: changes to a suite's text before it is read, so that all places refer to what is run.

use std::ops::Range;

use toml_edit::{Document, DocumentMut, Item, Key, Table, Value};

use super::section::Mistakes;

/// The text with every override applied, and where the values stand in it that were given; as it is when it is no TOML,
/// which reading it will tell.
pub(super) fn apply(
    text: &str,
    overrides: &[String],
    mistakes: &mut Mistakes,
) -> (String, Vec<Range<usize>>) {
    let unchanged = || (text.to_owned(), Vec::new());
    if overrides.is_empty() {
        return unchanged();
    }
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        return unchanged();
    };
    for text in overrides {
        if let Err(problem) = apply_one(document.as_item_mut(), text) {
            mistakes.add(
                0..0,
                format!("`--set {}`: {problem}", text.escape_debug()),
                "",
                Some("write `--set KEY=VALUE`, such as `--set evaluation.draws=2`".to_owned()),
            );
        }
    }
    let text = document.to_string();
    let Ok(document) = Document::parse(text.as_str()) else {
        return (text, Vec::new());
    };
    let places = overrides.iter().filter_map(|given| place(document.as_item(), given)).collect();
    (text, places)
}

/// Where the value of an override stands.
fn place(root: &Item, given: &str) -> Option<Range<usize>> {
    let path = Key::parse(given.split_once('=')?.0.trim()).ok()?;
    let mut item = root;
    for key in &path {
        item = match key.get().parse::<usize>() {
            Ok(index) if is_list(item) => item.get(index)?,
            _ => item.get(key.get())?,
        };
    }
    item.span()
}

fn apply_one(root: &mut Item, text: &str) -> Result<(), String> {
    let (path, value) = text.split_once('=').ok_or("no `=` between key and value")?;
    let path = Key::parse(path.trim()).map_err(|_| format!("`{}` is not a key", path.trim()))?;
    let value = parse_value(value.trim())?;
    let (last, parents) = path.split_last().ok_or("no key")?;
    let mut place = root;
    let mut walked = String::new();
    for key in parents {
        place = descend(place, key.get(), &walked)?;
        walked = if walked.is_empty() { key.get().into() } else { format!("{walked}.{key}") };
    }
    assign(place, last.get(), value, &walked)
}

/// A TOML value, or a bare word as a string.
fn parse_value(text: &str) -> Result<Value, String> {
    if let Ok(mut value) = text.parse::<Value>() {
        value.decor_mut().clear();
        return Ok(value);
    }
    let bare = !text.is_empty()
        && !text.starts_with(['"', '\'', '[', '{'])
        && !text.contains(char::is_control);
    if bare { Ok(text.into()) } else { Err("the value is neither TOML nor a bare word".to_owned()) }
}

fn descend<'a>(place: &'a mut Item, key: &str, walked: &str) -> Result<&'a mut Item, String> {
    if is_list(place) {
        let index = index_within(place, key, walked)?;
        return place.get_mut(index).ok_or_else(|| format!("`{walked}` has no item {index}"));
    }
    let inline = place.is_inline_table();
    let table = place.as_table_like_mut().ok_or_else(|| not_a_table(walked))?;
    if !table.contains_key(key) {
        let empty = if inline {
            Item::Value(Value::InlineTable(Default::default()))
        } else {
            Item::Table(Table::new())
        };
        table.insert(key, empty);
    }
    table.get_mut(key).ok_or_else(|| not_a_table(walked))
}

fn assign(place: &mut Item, key: &str, mut value: Value, walked: &str) -> Result<(), String> {
    if is_list(place) {
        let index = index_within(place, key, walked)?;
        if let Some(tables) = place.as_array_of_tables_mut() {
            let table = value.as_inline_table().ok_or_else(|| {
                format!("`{walked}.{index}` is a table and can't become something else")
            })?;
            tables.replace(index, table.clone().into_table());
        } else if let Some(array) = place.as_array_mut() {
            array.replace(index, value);
        }
        return Ok(());
    }
    let table = place.as_table_like_mut().ok_or_else(|| not_a_table(walked))?;
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.remove(key);
            table.insert(key, Item::Value(value));
        }
    }
    Ok(())
}

fn is_list(place: &Item) -> bool {
    place.is_array() || place.is_array_of_tables()
}

fn index_within(place: &Item, key: &str, walked: &str) -> Result<usize, String> {
    let count = place
        .as_array_of_tables()
        .map(toml_edit::ArrayOfTables::len)
        .or(place.as_array().map(toml_edit::Array::len))
        .unwrap_or(0);
    let index: usize = key.parse().map_err(|_| {
        format!("`{walked}` is a list: `{key}` must be the number of an item, 0 for the first")
    })?;
    match index < count {
        true => Ok(index),
        false => Err(format!("`{walked}` has {count} items, the first is 0: there is no {index}")),
    }
}

fn not_a_table(walked: &str) -> String {
    format!("`{walked}` is not a table")
}
