//! `results.json`: what was read can be shown in every way, compared and kept.

use std::path::PathBuf;

use bertillon_history::Run;
use bertillon_measure::tracking::{self, Baseline};
use bertillon_reports::{self as reports, Colour, FigureName, comparison};

/// Reads the text; whether it is a run's results.
///
/// # Panics
/// When a report does, or JSON that was written is not read.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(results) = reports::parse(text, PathBuf::from("results.json")) else { return false };
    let written = reports::json(&results);
    reports::parse(&written, PathBuf::new()).expect("what was written is read");
    reports::terminal(&results, None, Colour::Never);
    reports::terminal(&results, Some(80), Colour::Always);
    reports::markdown(&results);
    reports::csv(&results);
    reports::latex(&results);
    reports::html(&results, None);
    for name in FigureName::ALL {
        // One that can't be drawn says so.
        let _ = reports::svg(&results, name);
    }
    let baseline = Baseline::of(&results, None);
    let compared = tracking::compare(&baseline, &baseline, 0.01);
    comparison::terminal(&compared, Some(80), Colour::Always);
    comparison::markdown(&compared);
    comparison::baseline_text(&baseline);
    let _ = Run::new(&results, None, None, None).has_date();
    true
}
