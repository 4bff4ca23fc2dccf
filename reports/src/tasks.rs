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

#[cfg(test)]
mod tests {
    use bertillon_measure::results::{IdentificationRates, Quantile, Threshold};

    use super::*;
    use crate::fixture;

    fn rate(mean: f64) -> Rate {
        Rate { mean, sd: Some(0.01), ci95: Some([mean - 0.02, mean + 0.02]) }
    }

    fn identified(
        fingerprint: &str,
        group: &str,
        budget: usize,
        correct: f64,
    ) -> IdentificationResult {
        IdentificationResult {
            fingerprint: fingerprint.to_owned(),
            group: group.to_owned(),
            budget,
            draws: 3,
            ddof: 1,
            rates: IdentificationRates {
                known: 120.0,
                unknown: 22.5,
                queries: budget as f64,
                correct: rate(correct),
                wrong: rate(0.02),
                abstained: rate(0.98 - correct),
                correct_without_vanillas: None,
                target: 0.05,
                unknown_answered: (group == "family").then(|| rate(0.04)),
                threshold: Threshold { mean: Some(0.7) },
                closed_set_accuracy: rate(0.97),
                auroc: None,
                variations: Vec::new(),
            },
        }
    }

    fn tested(group: &str, couples: Option<&str>, mean: f64) -> SequentialResult {
        SequentialResult {
            goal: if couples.is_some() { "detection" } else { "identification" }.to_owned(),
            group: group.to_owned(),
            couples: couples.map(str::to_owned),
            score: "mean".to_owned(),
            access: "top1".to_owned(),
            cases: 162,
            correct: 0.889,
            wrong: 0.0,
            abstained: 0.111,
            queries: QueriesToDecision {
                mean,
                quantiles: [(0.5, 1), (0.99, 3), (1.0, 4)]
                    .map(|(share, queries)| Quantile { share, queries })
                    .to_vec(),
            },
        }
    }

    #[test]
    fn reports_of_all_tasks_read_as_their_snapshot() {
        let mut results = fixture::results();
        let budget = results.evaluation.primary_budget;
        results.fingerprints.clear();
        results.identification = vec![
            identified("FBI | top-1", "family", budget, 0.91),
            identified("FBI top-3", "family", budget, 0.953),
            identified("FBI top-3", "variation", budget, 0.4),
        ];
        results.sequential = vec![
            tested("family", Some("positive"), 1.29),
            tested("family", Some("negative"), 1.0),
            tested("family", None, 2.08),
            tested("variation", None, 3.81),
            tested("model", None, 4.35),
        ];
        insta::assert_snapshot!("tasks", crate::markdown(&results));
    }
}
