//! Published rates beside those of a run.

use bertillon_measure::results::{PublishedRate, Results};

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
    let variant = match (&rate.kind, &rate.detail) {
        (None, _) => "all".to_owned(),
        (Some(kind), None) => kind.clone(),
        (Some(kind), Some(detail)) => format!("{kind}/{detail}"),
    };
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
