//! `results.json` itself.

use bertillon_measure::results::Results;

/// The results as indented JSON, ended by a line break.
///
/// # Panics
/// Never: results hold nothing that JSON can't.
pub fn json(results: &Results) -> String {
    let mut text = serde_json::to_string_pretty(results).expect("plain structs become JSON");
    text.push('\n');
    text
}
