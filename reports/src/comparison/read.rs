//! Runs and baselines from files.

use std::path::Path;

use bertillon_measure::{
    tracking::{BASELINE_SCHEMA, Baseline},
    untrusted,
};
use serde_json::Value;

use crate::read::{LARGEST, ReportError, parse_as, read as read_results, read_provenance};

/// Reads what is compared of a run: from its folder, its `results.json` or a baseline.
///
/// # Errors
/// When there is none, or it is cut off, of another form or of a later version.
pub fn read(place: &Path) -> Result<Baseline, ReportError> {
    if let Some(baseline) = read_baseline(place)? {
        return Ok(baseline);
    }
    let results = read_results(place)?;
    // Results alone can be compared; what they were made of is then unknown, and said to be.
    Ok(Baseline::of(&results, read_provenance(place)?.as_ref()))
}

/// The baseline in a file; none when it is something else, or no file.
fn read_baseline(place: &Path) -> Result<Option<Baseline>, ReportError> {
    if !place.is_file() {
        return Ok(None);
    }
    let file = |source| ReportError::File { path: place.to_owned(), source };
    let text = untrusted::read_text(place, LARGEST).map_err(file)?;
    // The format comes first: a later one may have any other form.
    let value: Value = parse_as(&text, place)?;
    match value.get("baseline_schema").and_then(Value::as_u64) {
        None => Ok(None),
        Some(found) if found > u64::from(BASELINE_SCHEMA) => {
            Err(ReportError::NewerBaseline { path: place.to_owned(), found })
        }
        Some(_) => parse_as(&text, place).map(Some),
    }
}

/// A baseline as JSON: a line for each model, draw and kind, so that a repository shows what has changed.
///
/// # Panics
/// Never: baselines hold nothing that JSON can't.
pub fn baseline_text(baseline: &Baseline) -> String {
    let value = serde_json::to_value(baseline).expect("plain data serialises");
    let mut out = String::new();
    push_value(&value, 0, &mut out);
    out.push('\n');
    out
}

/// Objects and lists in lines of their own until they fit in one.
fn push_value(value: &Value, depth: usize, out: &mut String) {
    const LINE: usize = 160;
    let compact = value.to_string();
    let indent = |depth: usize, out: &mut String| {
        out.push('\n');
        out.push_str(&" ".repeat(depth));
    };
    match value {
        Value::Object(map) if compact.len() > LINE => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                indent(depth + 1, out);
                out.push_str(&format!("{}: ", Value::from(key.as_str())));
                push_value(value, depth + 1, out);
            }
            indent(depth, out);
            out.push('}');
        }
        Value::Array(items)
            if compact.len() > LINE && items.iter().any(|item| !item.is_number()) =>
        {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                indent(depth + 1, out);
                push_value(item, depth + 1, out);
            }
            indent(depth, out);
            out.push(']');
        }
        _ => out.push_str(&compact),
    }
}
