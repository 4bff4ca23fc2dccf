//! Tables of the tasks beside detection: identification and sequential tests.

use bertillon_measure::results::{
    IdentificationResult, QueriesToDecision, Rate, Results, SequentialResult,
};

use crate::{
    table::{Cell, Table, mark_best},
    text::{count, percent, target},
};

/// Right names, by fingerprint and budget: a table for each sort of name.
pub(crate) fn identification(results: &Results) -> Vec<Table> {
    let mut groups: Vec<&str> = Vec::new();
    for found in &results.identification {
        if !groups.contains(&found.group.as_str()) {
            groups.push(&found.group);
        }
    }
    groups.into_iter().map(|group| identification_by(results, group)).collect()
}

fn identification_by(results: &Results, group: &str) -> Table {
    let primary = results.evaluation.primary_budget;
    let of_group = || results.identification.iter().filter(|found| found.group == group);
    let mut budgets: Vec<usize> = of_group().map(|found| found.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let mut names: Vec<&str> = Vec::new();
    for found in of_group() {
        if !names.contains(&found.fingerprint.as_str()) {
            names.push(&found.fingerprint);
        }
    }
    let mut head: Vec<String> = vec!["Fingerprint".into()];
    head.extend(budgets.iter().map(|budget| format!("L = {budget}")));
    let at_primary = ["Wrong", "Abstained", "Unknown named", "Nearest is right", "Queries"];
    head.extend(at_primary.iter().map(|head| format!("{head} (L = {primary})")));
    let row = |name: &&str| {
        let at = |budget: usize| {
            of_group().find(|found| found.fingerprint == **name && found.budget == budget)
        };
        let mut row = vec![Cell::Text((*name).to_owned())];
        row.extend(budgets.iter().map(|&l| Cell::rate(at(l).map(|found| &found.rates.correct))));
        row.extend(details(at(primary)));
        row
    };
    let mut rows: Vec<Vec<Cell>> = names.iter().map(row).collect();
    for column in 1..=budgets.len() {
        mark_best(rows.iter_mut().map(|row| &mut row[column]));
    }
    let what = match group {
        "variation" => "the kind of variant, given its vanilla",
        _ => "the vanilla that a suspect comes from",
    };
    Table {
        title: format!(
            "Identification: {what}; right names in % when {} of the unknown suspects are named",
            target(results.evaluation.false_positive_rate)
        ),
        head,
        labels: 1,
        rows,
        remarks: remark(of_group().find(|found| found.budget == primary)),
    }
}

fn details(found: Option<&IdentificationResult>) -> Vec<Cell> {
    let rates = found.map(|found| &found.rates);
    let share = |rate: Option<&Rate>| {
        Cell::Figure(rate.map_or_else(|| "–".to_owned(), |rate| percent(rate.mean)))
    };
    vec![
        share(rates.map(|rates| &rates.wrong)),
        share(rates.map(|rates| &rates.abstained)),
        share(rates.and_then(|rates| rates.unknown_answered.as_ref())),
        share(rates.map(|rates| &rates.closed_set_accuracy)),
        Cell::Figure(rates.map_or_else(|| "–".to_owned(), |rates| count(rates.queries))),
    ]
}

fn remark(found: Option<&IdentificationResult>) -> Vec<String> {
    let Some(found) = found else {
        return Vec::new();
    };
    vec![format!(
        "A draw has {} suspects of known and {} of unknown origin (means). Queries: what a suspect is asked in all, by \
         every owner that is known.",
        count(found.rates.known),
        count(found.rates.unknown)
    )]
}

/// How sequential tests end, and after how many queries.
pub(crate) fn sequential(results: &Results) -> Option<Table> {
    let quantiles = &results.sequential.first()?.queries.quantiles;
    let mut head: Vec<String> =
        ["Question", "Score", "Access", "Cases", "Correct", "Wrong", "Abstained", "Queries"]
            .map(str::to_owned)
            .into();
    head.extend(quantiles.iter().map(|quantile| match quantile.share {
        1.0 => "most".to_owned(),
        share => format!("{} %", percent(share).trim_end_matches(".0")),
    }));
    let row = |found: &SequentialResult| {
        let question = match (found.couples.as_deref(), found.group.as_str()) {
            (Some("positive"), _) => "Is it of this family? (it is)".to_owned(),
            (Some(_), _) => "Is it of this family? (it is not)".to_owned(),
            (None, "model") => "Which model is it?".to_owned(),
            (None, "variation") => "Which vanilla and kind of variant is it?".to_owned(),
            (None, group) => format!("Which {group} is it of?"),
        };
        let mut row = vec![
            Cell::Text(question),
            Cell::Text(found.score.clone()),
            Cell::Text(found.access.clone()),
            Cell::Figure(count(found.cases as f64)),
            Cell::Figure(percent(found.correct)),
            Cell::Figure(percent(found.wrong)),
            Cell::Figure(percent(found.abstained)),
        ];
        row.extend(queries(&found.queries));
        row
    };
    Some(Table {
        title: "Sequential tests: every model is known, images are chosen one by one; shares in %"
            .to_owned(),
        head,
        labels: 3,
        rows: results.sequential.iter().map(row).collect(),
        remarks: vec![
            "Queries: mean until the decision, then the number by which that share of the cases has ended."
                .to_owned(),
        ],
    })
}

fn queries(found: &QueriesToDecision) -> Vec<Cell> {
    let quantiles = found.quantiles.iter().map(|q| Cell::Figure(count(f64::from(q.queries))));
    std::iter::once(Cell::Figure(format!("{:.2}", found.mean))).chain(quantiles).collect()
}
