//! What is said of two runs, before it has a form.

use bertillon_measure::tracking::{
    Change, Comparison, InputChange, List, Outcome, Permutation, Row, Unit, Verdict,
};

use crate::text::{percent, plural, target};

/// Differences of inputs that are said before the rest is counted.
const INPUTS: usize = 20;

/// Characters of a setting that are shown.
const SETTING: usize = 60;

/// A comparison in words.
pub(super) struct Document {
    pub(super) title: String,
    /// The verdict, first of all.
    pub(super) verdict: Vec<String>,
    pub(super) tables: Vec<Sheet>,
    /// Titled lists.
    pub(super) lists: Vec<(&'static str, Vec<String>)>,
    pub(super) legend: Vec<String>,
}

/// A table of words.
pub(super) struct Sheet {
    pub(super) title: String,
    pub(super) head: Vec<&'static str>,
    /// Columns of words; the others are figures, which stand to the right.
    pub(super) words: usize,
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that are a loss.
    pub(super) alarms: Vec<bool>,
}

impl Document {
    pub(super) fn new(found: &Comparison) -> Self {
        let (base, new) = (&found.base, &found.new);
        Self {
            title: format!(
                "{} (seed {}, {}) against {} (seed {}, {})",
                new.suite,
                new.seed,
                plural(new.draws, "draw", "draws"),
                base.suite,
                base.seed,
                plural(base.draws, "draw", "draws")
            ),
            verdict: verdict(found),
            tables: tables(found),
            lists: lists(found),
            legend: legend(found),
        }
    }
}

/// The decision in a sentence, and its reasons.
fn verdict(found: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match found.gate.outcome {
        Outcome::Passed => "No loss beyond noise: the gate passes.".to_owned(),
        Outcome::Failed => "The gate fails.".to_owned(),
        Outcome::Undecided if found.obstacles.is_empty() => {
            "The gate decides nothing: a loss is seen, and these runs could not have shown one."
                .to_owned()
        }
        Outcome::Undecided => "The gate decides nothing: the runs can't be compared.".to_owned(),
    });
    lines.extend(found.obstacles.iter().map(|obstacle| format!("not comparable: {obstacle}")));
    lines.extend(found.missing.iter().map(|what| format!("missing in NEW: {what}")));
    if !found.failures.is_empty() {
        let count = plural(found.failures.len(), "cell", "cells");
        lines.push(format!("{count} failed in NEW, named below"));
    }
    let of = |verdict: Verdict| found.rows.iter().filter(move |row| row.verdict == Some(verdict));
    lines.extend(of(Verdict::Loss).map(|row| format!("loss: {}", told(row))));
    let undecided = of(Verdict::Undecided).filter(|row| row.list == Some(List::Primary));
    lines.extend(undecided.map(|row| format!("undecided: {}", told(row))));
    lines.extend(power(found));
    lines
}

/// `FBI at L = 100, prune/conv: 91.2 % to 83.1 %, …`.
fn told(row: &Row) -> String {
    let why = match (&row.change, row.adjusted) {
        (Change::Same, _) => "the same queries and hits".to_owned(),
        (Change::Certain { .. }, _) => "the same queries are answered otherwise".to_owned(),
        (Change::Untested { reason }, _) => format!("not tested: {reason}"),
        (Change::Tested(test), Some(adjusted)) => {
            format!("p = {}, {} adjusted", chance(test.loss), chance(adjusted))
        }
        (Change::Tested(test), None) => format!("p = {}", chance(test.loss)),
    };
    format!(
        "{}, {} % to {} % ({} points; {why})",
        name(row),
        percent(row.base),
        percent(row.new),
        points(row.difference)
    )
}

fn name(row: &Row) -> String {
    let kind = row.kind.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
    format!("{} at L = {}{kind}", row.fingerprint, row.budget)
}

/// What the gate could have found.
fn power(found: &Comparison) -> Vec<String> {
    if !found.obstacles.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let of_list: Vec<&Row> =
        found.rows.iter().filter(|row| row.list == Some(List::Primary)).collect();
    let worst = of_list
        .iter()
        .filter_map(|row| Some((row.smallest_loss?, row)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((loss, row)) = worst {
        lines.push(format!(
            "power: a loss of {} points or more of any fingerprint at its primary budget is found 9 times in 10 \
             (the least sure: {})",
            tenths_up(loss),
            row.fingerprint
        ));
    }
    let blind: Vec<&str> = of_list
        .iter()
        .filter(|row| row.smallest_loss.is_none())
        .map(|row| row.fingerprint.as_str())
        .collect();
    if !blind.is_empty() {
        lines.push(format!("no loss could be found of: {}", blind.join(", ")));
    }
    let draws = found.base.draws.min(found.new.draws);
    let lists = ["fingerprints", "kinds of variant"];
    for (needed, list) in found.gate.draws_needed.iter().zip(lists) {
        if let Some(needed) = needed {
            lines.push(format!(
                "with {} no loss of {list} can be shown to be more than luck: both runs need {needed} \
                 (evaluation.draws)",
                plural(draws, "draw", "draws")
            ));
        }
    }
    lines
}

fn tables(found: &Comparison) -> Vec<Sheet> {
    let overall: Vec<&Row> = found.rows.iter().filter(|row| row.kind.is_none()).collect();
    let kinds: Vec<&Row> = found.rows.iter().filter(|row| row.list == Some(List::Kinds)).collect();
    let mut tables = vec![sheet("All variants", &overall, false)];
    if !kinds.is_empty() {
        tables.push(sheet("Kinds of variant, at the primary budget", &kinds, true));
    }
    tables
}

fn sheet(title: &str, rows: &[&Row], kinds: bool) -> Sheet {
    let mut head = vec!["Fingerprint"];
    head.push(if kinds { "Kind" } else { "L" });
    head.extend([
        "Pairs",
        "BASE %",
        "NEW %",
        "Points",
        "Changed here?",
        "p",
        "New families: points",
    ]);
    if !kinds {
        head.push("Found 9 in 10");
    }
    let cells = |row: &&Row| {
        let second = match &row.kind {
            Some(kind) => kind.clone(),
            None => row.budget.to_string(),
        };
        let mut cells = vec![
            row.fingerprint.clone(),
            second,
            row.positives.to_string(),
            percent(row.base),
            percent(row.new),
            points(row.difference),
            changed(row),
            row.change.permutation().map_or_else(dash, |test| chance(test.two_sided())),
            row.families
                .and_then(|spread| spread.ci95)
                .map_or_else(dash, |[low, high]| format!("[{}, {}]", points(low), points(high))),
        ];
        if !kinds {
            cells.push(row.smallest_loss.map_or_else(dash, tenths_up));
        }
        cells
    };
    Sheet {
        title: title.to_owned(),
        head,
        words: if kinds { 2 } else { 1 },
        rows: rows.iter().map(cells).collect(),
        alarms: rows.iter().map(|row| row.verdict == Some(Verdict::Loss)).collect(),
    }
}

fn changed(row: &Row) -> String {
    match (row.verdict, &row.change) {
        (Some(Verdict::Loss), _) => "LOSS",
        (Some(Verdict::Gain), _) => "gain",
        (Some(Verdict::Tolerated), _) => "tolerated",
        (Some(Verdict::Undecided), _) => "undecided",
        (Some(Verdict::WithinNoise), _) => "noise",
        (Some(Verdict::Same), _) | (None, Change::Same) => "same",
        (None, Change::Certain { .. }) => "yes",
        (Some(Verdict::Untested) | None, Change::Untested { .. }) => "not tested",
        (Some(Verdict::Untested) | None, _) => "see p",
    }
    .to_owned()
}

fn lists(found: &Comparison) -> Vec<(&'static str, Vec<String>)> {
    let mut inputs: Vec<String> = found.inputs.iter().take(INPUTS).map(input).collect();
    if found.inputs.len() > INPUTS {
        inputs.push(format!("and {} more", found.inputs.len() - INPUTS));
    }
    let lists = [
        ("What else differs", inputs),
        ("New, and not compared", found.added.clone()),
        ("Failed in NEW", found.failures.clone()),
    ];
    lists.into_iter().filter(|(_, items)| !items.is_empty()).collect()
}

fn input(change: &InputChange) -> String {
    let shown = |text: &str| match text.chars().count() {
        0 => "none".to_owned(),
        count if count > SETTING => text.chars().take(SETTING).chain(['…']).collect(),
        _ => text.to_owned(),
    };
    format!("{}: {} → {}", change.what, shown(&change.base), shown(&change.new))
}

fn legend(found: &Comparison) -> Vec<String> {
    let gate = &found.gate;
    let mut lines = vec![
        "Rates at exactly the target false-positive rate. \"Changed here?\" asks whether these models are recognised \
         otherwise, or whether luck with the queries explains the difference; \"New families\" is what the difference \
         might be with other families, and decides nothing."
            .to_owned(),
        format!(
            "The gate tests {} and {} by Holm's procedure at {} each, and lets losses up to {} points pass; single \
             parameters and other budgets never fail it.",
            plural(gate.tests[0], "fingerprint", "fingerprints"),
            plural(gate.tests[1], "kind", "kinds"),
            target(gate.level),
            points(gate.tolerance).trim_start_matches('+'),
        ),
    ];
    let tests: Vec<Permutation> =
        found.rows.iter().filter_map(|row| row.change.permutation()).collect();
    for (unit, words) in [
        (Unit::Draws, "draws dealt out anew between the runs"),
        (
            Unit::Owners,
            "the queries of single owners swapped between the runs, for all draws share what an owner made once",
        ),
    ] {
        if let Some(test) = tests.iter().find(|test| test.unit == unit) {
            let how = if test.exact { "all" } else { "a sample of" };
            lines.push(format!("p: {how} {} arrangements, {words}.", test.arrangements));
        }
    }
    lines
}

fn dash() -> String {
    "–".to_owned()
}

/// A difference in points with its sign: `-8.1`.
fn points(share: f64) -> String {
    let points = (1000.0 * share).round() / 10.0;
    if points == 0.0 { "0.0".to_owned() } else { format!("{points:+.1}") }
}

/// Points, rounded to the side of caution.
fn tenths_up(share: f64) -> String {
    format!("{:.1}", (1000.0 * share - 1e-6).ceil() / 10.0)
}

/// A chance with two digits that count.
fn chance(p: f64) -> String {
    match p {
        p if p >= 0.1 => format!("{p:.2}"),
        p if p >= 0.001 => format!("{p:.3}"),
        p => format!("{p:.0e}"),
    }
}
