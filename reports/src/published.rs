//! Published rates beside those of a run.

use bertillon_measure::results::{PublishedRate, Results, kind_name};

use crate::{
    table::{Cell, Table},
    text::percent,
};

/// A table for each table published.
pub(crate) fn published(results: &Results) -> Vec<Table> {
    let Some(published) = &results.published else {
        return Vec::new();
    };
    let mut tables: Vec<&str> = Vec::new();
    for rate in &published.rates {
        if !tables.contains(&rate.table.as_str()) {
            tables.push(&rate.table);
        }
    }
    let last = tables.len().saturating_sub(1);
    let table = |(position, name): (usize, &&str)| {
        let rows = published.rates.iter().filter(|rate| rate.table == **name).map(row).collect();
        let mut remarks = Vec::new();
        if position == last {
            remarks.push(format!("Published: {} ({}).", published.source, published.population));
            remarks.extend(published.notes.clone());
        }
        Table {
            title: format!("Table {name} as published, and here: strict true-positive rate in %"),
            head: ["Fingerprint", "Variant", "L", "Published", "Here", "Difference"]
                .map(str::to_owned)
                .into(),
            labels: 3,
            rows,
            remarks,
        }
    };
    tables.iter().enumerate().map(table).collect()
}

fn row(rate: &PublishedRate) -> Vec<Cell> {
    let named = |kind: &String| kind_name(kind, rate.detail.as_deref());
    let variant = rate.kind.as_ref().map_or_else(|| "all".to_owned(), named);
    let published = match rate.published_sd {
        Some(sd) => format!("{} ± {}", percent(rate.published), percent(sd)),
        None => percent(rate.published),
    };
    let difference = rate.tpr.map_or_else(
        || "–".to_owned(),
        |here| {
            let points = |value: f64| {
                let points = 100.0 * (value - rate.published);
                // No "-0.0".
                format!("{:+.1}", if points.abs() < 0.05 { 0.0 } else { points })
            };
            match here.ci95 {
                Some([low, high]) => {
                    format!("{} [{}, {}]", points(here.mean), points(low), points(high))
                }
                None => points(here.mean),
            }
        },
    );
    let here = rate.tpr.map_or_else(
        || "–".to_owned(),
        |here| match here.sd {
            Some(sd) => format!("{} ± {}", percent(here.mean), percent(sd)),
            None => percent(here.mean),
        },
    );
    vec![
        Cell::Text(rate.fingerprint.clone()),
        Cell::Text(variant),
        Cell::Figure(rate.budget.to_string()),
        Cell::Figure(published),
        Cell::Figure(here),
        Cell::Figure(difference),
    ]
}

#[cfg(test)]
mod tests {
    use bertillon_measure::results::{PublishedRates, Rate};

    use super::*;
    use crate::fixture;

    fn rate(kind: Option<&str>, published: f64, tpr: Option<Rate>) -> PublishedRate {
        PublishedRate {
            table: if kind.is_some() { "I" } else { "II" }.to_owned(),
            fingerprint: "FBI".to_owned(),
            budget: 100,
            kind: kind.map(str::to_owned),
            detail: kind.map(|_| "conv".to_owned()),
            published,
            published_sd: kind.is_none().then_some(0.021),
            tpr,
        }
    }

    #[test]
    fn each_table_shows_what_was_published_what_was_found_and_how_far_they_are_apart() {
        let mut results = fixture::results();
        let found = Rate { mean: 0.836, sd: Some(0.029), ci95: Some([0.799, 0.879]) };
        let alone = Rate { mean: 0.9999, sd: None, ci95: None };
        results.published = Some(PublishedRates {
            source: "somebody".to_owned(),
            population: "35 vanillas".to_owned(),
            notes: vec!["a note".to_owned()],
            rates: vec![
                rate(None, 0.794, Some(found)),
                rate(Some("prune"), 1.0, Some(alone)),
                rate(Some("prune"), 0.5, None),
            ],
        });
        let tables = published(&results);
        let cells = |table: &Table, row: usize| -> Vec<String> {
            let text = |cell: &Cell| match cell {
                Cell::Text(text) | Cell::Figure(text) => text.clone(),
                Cell::Rate(_) => String::new(),
            };
            table.rows[row].iter().map(text).collect()
        };
        assert_eq!(tables.len(), 2);
        assert_eq!(
            cells(&tables[0], 0),
            ["FBI", "all", "100", "79.4 ± 2.1", "83.6 ± 2.9", "+4.2 [+0.5, +8.5]"]
        );
        assert_eq!(cells(&tables[1], 0), ["FBI", "prune/conv", "100", "100.0", "100.0", "+0.0"]);
        assert_eq!(cells(&tables[1], 1)[4..], ["–", "–"]);
        assert!(tables[0].remarks.is_empty());
        assert_eq!(tables[1].remarks, ["Published: somebody (35 vanillas).", "a note"]);
    }
}
