use std::{fs, path::Path};

use bertillon_measure::tracking::{Baseline, Comparison, Outcome, compare};

use super::*;
use crate::{Colour, ReportError, fixture, json};

/// A run of the fixture whose first fingerprint asks other queries and has these rates by draw.
fn run(seed: u64, rates: &[f64]) -> Baseline {
    let mut results = fixture::results();
    results.seed = seed;
    results.failures.clear();
    let mut baseline = Baseline::of(&results, None);
    let at = &mut baseline.fingerprints[0].budgets[0];
    let draw = at.draws[0].clone();
    at.draws = rates
        .iter()
        .enumerate()
        .map(|(i, &rate)| {
            let mut draw = draw.clone();
            draw.queries = format!("{seed}-{i}");
            draw.rate = rate;
            draw
        })
        .collect();
    baseline
}

fn worse() -> Comparison {
    let rates =
        |mean: f64| -> Vec<f64> { (0..6).map(|i| mean + f64::from(i % 3) / 100.0).collect() };
    compare(&run(1, &rates(0.9)), &run(2, &rates(0.8)), 0.01)
}

#[test]
fn a_loss_stands_first_and_names_its_row() {
    let found = worse();
    assert_eq!(found.gate.outcome, Outcome::Failed);
    let text = terminal(&found, None, Colour::Never);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "demo|<b> (seed 2, 10 draws) against demo|<b> (seed 1, 10 draws)");
    assert_eq!(lines[1], "  The gate fails.");
    // 6 draws against 6: one arrangement of 924, the only test of its list.
    let loss =
        "  loss: FBI 30/70 at L = 100, 91.0 % to 81.0 % (-10.0 points; p = 0.001, 0.001 adjusted)";
    assert_eq!(lines[2], loss);
    let row = lines.iter().find(|line| line.contains("LOSS")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..6], ["FBI", "30/70", "100", "478", "91.0", "81.0"], "{row}");
    assert!(text.contains("- seed: 1 → 2"), "{text}");
}

#[test]
fn markdown_shows_what_suites_hold_as_it_is() {
    let text = markdown(&worse());
    assert!(text.starts_with("## demo\\|&lt;b&gt; (seed 2"), "{text}");
    assert!(text.contains("❌ **The gate fails.**"));
    assert!(text.contains("| **FBI 30/70** | **100** |"), "{text}");
    assert!(!text.contains("<b>") && !text.contains('\u{1b}'));
    // Every row of a table has as many cells as its head.
    for table in text.split("\n\n").filter(|part| part.starts_with("| ")) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let counts: Vec<usize> = table.lines().map(cells).collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{table}");
    }
}

#[test]
fn no_colour_comes_unasked_nor_from_a_suite() {
    let found = worse();
    assert!(!terminal(&found, Some(80), Colour::Never).contains('\u{1b}'));
    assert!(terminal(&found, Some(200), Colour::Always).contains("\u{1b}["));
    for line in terminal(&found, Some(120), Colour::Never).lines().filter(|l| l.contains('│')) {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn too_few_draws_say_how_many_are_needed() {
    let found = compare(&run(1, &[0.9, 0.91, 0.92]), &run(2, &[0.7, 0.71, 0.72]), 0.01);
    let text = terminal(&found, None, Colour::Never);
    assert_eq!(found.gate.outcome, Outcome::Undecided);
    assert!(text.contains("The gate decides nothing: a loss is seen"), "{text}");
    assert!(text.contains("both runs need 4"), "{text}");
    assert!(text.contains("no loss could be found of: FBI 30/70"), "{text}");
}

#[test]
fn a_baseline_is_read_as_it_was_written_and_has_short_lines() {
    let baseline = run(1, &[0.25; 40]);
    let text = baseline_text(&baseline);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.json");
    fs::write(&path, &text).unwrap();
    assert_eq!(read(&path).unwrap(), baseline);
    assert!(text.lines().all(|line| line.chars().count() < 300), "{text}");
    assert!(text.lines().count() > 40);
}

#[test]
fn folders_and_files_are_read_and_bad_ones_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let whole = json(&fixture::results());
    let results = file("results.json", &whole);
    assert_eq!(read(folder.path()).unwrap().inputs, None, "results alone");
    assert_eq!(read(&results).unwrap(), read(folder.path()).unwrap());
    file("provenance.json", r#"{"bertillon": "0.1.0", "libtorch": "2.11.0"}"#);
    assert_eq!(read(folder.path()).unwrap().inputs.unwrap().libtorch, "2.11.0");
    file("provenance.json", r#"{"bertillon": "0.1"#);
    assert!(matches!(read(folder.path()), Err(ReportError::Provenance { .. })));

    let message = |name: &str, text: &str| read(&file(name, text)).unwrap_err().to_string();
    assert!(message("newer.json", r#"{"baseline_schema": 7}"#).contains("a baseline of format 7"));
    let text = baseline_text(&run(1, &[0.5]));
    assert!(message("cut.json", &text[..text.len() / 2]).contains("is cut off at line"));
    assert!(message("form.json", r#"{"baseline_schema": 1}"#).contains("missing field"));
    assert!(message("other.json", "{}").contains("no `schema`"));
    assert!(message("later.json", r#"{"schema": 9}"#).contains("has format 9"));
    let missing = read(Path::new("no/such/run")).unwrap_err().to_string();
    assert!(missing.starts_with("no results at no/such/run"), "{missing}");
}
