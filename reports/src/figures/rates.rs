//! Figures of detection: rates by budget, by false-positive rate, by kind of variant and its parameter.

use std::collections::BTreeMap;

use bertillon_measure::results::{BudgetResult, FingerprintResult, Rate, Results, VariationResult};

use super::{Axis, Chart, Choice, Column, Figure, FigureName, Frame, Row, Value};
use crate::text::target;

const FINGERPRINT: Column = Column { key: "fingerprint", title: "Fingerprint", decimals: None };
const BUDGET: Column = Column { key: "budget", title: "L", decimals: Some(0) };
const VARIANT: Column = Column { key: "variant", title: "Variant", decimals: None };
const POSITIVES: Column = Column { key: "positives", title: "Positives", decimals: Some(0) };
const TPR: Column = Column { key: "tpr", title: "TPR, %", decimals: Some(2) };
const LOW: Column = Column { key: "low", title: "from, %", decimals: Some(2) };
const HIGH: Column = Column { key: "high", title: "to, %", decimals: Some(2) };

fn percent_axis(key: &'static str, title: &'static str) -> Axis {
    Axis { key, title, is_log: false, ticks: vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0] }
}

fn budget_choice(results: &Results) -> Choice {
    Choice {
        key: "budget",
        label: "Budget",
        prefix: "L = ",
        initial: Some(results.evaluation.primary_budget.to_string()),
        has_panels: false,
    }
}

/// Every fingerprint at every budget.
fn everywhere(results: &Results) -> impl Iterator<Item = (&FingerprintResult, &BudgetResult)> {
    results.fingerprints.iter().flat_map(|f| f.budgets.iter().map(move |at| (f, at)))
}

/// Mean, and the bounds of its interval, or a deviation to both sides where there is none; in percent.
fn rate(rate: &Rate) -> [Value; 3] {
    let around = rate.sd.map(|sd| [(rate.mean - sd).max(0.0), (rate.mean + sd).min(1.0)]);
    let [low, high] = match rate.ci95.or(around) {
        Some(bounds) => bounds.map(|bound| Some(100.0 * bound)),
        None => [None, None],
    };
    [Value::Number(100.0 * rate.mean), Value::number(low), Value::number(high)]
}

fn what_bounds_are(results: &Results) -> &'static str {
    match everywhere(results).any(|(_, at)| at.tpr_randomised.ci95.is_some()) {
        true => "95 % intervals over families",
        false => "one standard deviation over draws to both sides",
    }
}

/// Budgets of all fingerprints, ascending.
fn budgets(results: &Results) -> Vec<f64> {
    let mut budgets: Vec<usize> = everywhere(results).map(|(_, at)| at.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    budgets.into_iter().map(|budget| budget as f64).collect()
}

/// True-positive rate by budget, with bands.
pub(super) fn budget(results: &Results) -> Option<Figure> {
    let row = |(fingerprint, at): (&FingerprintResult, &BudgetResult)| {
        let [mean, low, high] = rate(&at.tpr_randomised);
        vec![Value::words(&fingerprint.name), Value::Number(at.budget as f64), mean, low, high]
    };
    let fpr = target(results.evaluation.false_positive_rate);
    let bounds = what_bounds_are(results);
    let ticks = budgets(results);
    let (first, last) = (*ticks.first()?, *ticks.last()?);
    Some(Figure {
        name: FigureName::Budget,
        title: "True-positive rate by budget".to_owned(),
        caption: format!("At a false-positive rate of {fpr}. Bands: {bounds}."),
        description: format!(
            "Lines, one a fingerprint: true-positive rate in percent over the number of queries, from {first} to {last}."
        ),
        frame: Frame {
            columns: vec![FINGERPRINT, BUDGET, TPR, LOW, HIGH],
            rows: everywhere(results).map(row).collect(),
        },
        choices: Vec::new(),
        chart: Chart::Lines {
            x: Axis { key: "budget", title: "queries, L", is_log: true, ticks },
            y: percent_axis("tpr", "true-positive rate, %"),
            series: "fingerprint",
            band: Some(["low", "high"]),
            mark: None,
        },
    })
}

/// True-positive rate by false-positive rate.
pub(super) fn roc(results: &Results) -> Option<Figure> {
    let alpha = 100.0 * results.evaluation.false_positive_rate;
    let rows = everywhere(results).flat_map(|(fingerprint, at)| {
        at.roc.iter().map(|&[fpr, tpr]| {
            vec![
                Value::words(&fingerprint.name),
                Value::Number(at.budget as f64),
                Value::Number(100.0 * fpr),
                Value::Number(100.0 * tpr),
            ]
        })
    });
    Some(Figure {
        name: FigureName::Roc,
        title: "True-positive rate by false-positive rate (ROC)".to_owned(),
        caption: format!(
            "Strict test, mean over draws. The false-positive rate is on a logarithmic axis, since small ones matter; \
             the dashed line marks {}. At exactly 0 % see the table.",
            target(results.evaluation.false_positive_rate)
        ),
        description: "Lines, one a fingerprint: true-positive rate in percent over false-positive rate in percent."
            .to_owned(),
        frame: Frame {
            columns: vec![
                FINGERPRINT,
                BUDGET,
                Column { key: "fpr", title: "FPR, %", decimals: Some(4) },
                TPR,
            ],
            rows: rows.collect(),
        },
        choices: vec![budget_choice(results)],
        chart: Chart::Lines {
            x: Axis {
                key: "fpr",
                title: "false-positive rate, %",
                is_log: true,
                ticks: vec![0.1, 1.0, 10.0, 100.0],
            },
            y: percent_axis("tpr", "true-positive rate, %"),
            series: "fingerprint",
            band: None,
            mark: Some(alpha).filter(|&alpha| alpha > 0.0),
        },
    })
}

fn label(row: &VariationResult) -> String {
    match &row.detail {
        Some(detail) => format!("{}/{detail}", row.kind),
        None => row.kind.clone(),
    }
}

/// Rows of all fingerprints and budgets that `take` takes, by kind of variant, vanillas first.
fn by_variant(
    results: &Results,
    take: impl Fn(&VariationResult) -> Option<Vec<Value>>,
) -> Vec<Vec<Row>> {
    let mut kinds: BTreeMap<(bool, String), Vec<Row>> = BTreeMap::new();
    for (fingerprint, at) in everywhere(results) {
        for variation in at.variations.iter().filter(|row| row.positives > 0) {
            let Some(parameter) = take(variation) else { continue };
            let label = label(variation);
            let mut row = vec![Value::words(&label)];
            row.extend(parameter);
            row.push(Value::words(&fingerprint.name));
            row.push(Value::Number(at.budget as f64));
            row.push(Value::Number(variation.positives as f64));
            row.extend(rate(&variation.tpr_randomised));
            kinds.entry((variation.kind != "vanilla", label)).or_default().push(row);
        }
    }
    kinds.into_values().collect()
}

/// True-positive rate by kind of variant and fingerprint.
pub(super) fn heatmap(results: &Results) -> Option<Figure> {
    let rows = by_variant(results, |row| row.parameter.is_none().then(Vec::new));
    let rows = rows.into_iter().flatten().collect();
    let fpr = target(results.evaluation.false_positive_rate);
    Some(Figure {
        name: FigureName::Heatmap,
        title: "True-positive rate by kind of variant".to_owned(),
        caption: format!(
            "In %, at a false-positive rate of {fpr} over all kinds together: one threshold, whatever the variant."
        ),
        description: "A cell for each kind of variant and fingerprint, the darker the higher the true-positive rate; \
                      the rates stand in the cells."
            .to_owned(),
        frame: Frame {
            columns: vec![VARIANT, FINGERPRINT, BUDGET, POSITIVES, TPR, LOW, HIGH],
            rows,
        },
        choices: vec![budget_choice(results)],
        chart: Chart::Heat { across: "fingerprint", down: "variant", value: "tpr" },
    })
}

/// True-positive rate by the parameter of each kind of variant that has several numbers for one.
pub(super) fn strength(results: &Results) -> Option<Figure> {
    let number = |row: &VariationResult| {
        row.parameter.as_ref()?.parse::<f64>().ok().filter(|value| value.is_finite())
    };
    let mut parameters: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (_, at) in everywhere(results) {
        for row in &at.variations {
            let Some(value) = number(row) else { continue };
            let values = parameters.entry(label(row)).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let mut kinds = by_variant(results, |row| {
        let value = number(row)?;
        (parameters.get(&label(row))?.len() > 1).then(|| vec![Value::Number(value)])
    });
    // As lines run; the sort is stable, so that fingerprints keep their order.
    let parameter = |row: &Row| match row[1] {
        Value::Number(value) => value,
        Value::Words(_) | Value::Nothing => f64::INFINITY,
    };
    for rows in &mut kinds {
        rows.sort_by(|a, b| parameter(a).total_cmp(&parameter(b)));
    }
    let initial = match kinds.first()?.first()?.first()? {
        Value::Words(variant) => variant.clone(),
        Value::Number(_) | Value::Nothing => return None,
    };
    let fpr = target(results.evaluation.false_positive_rate);
    Some(Figure {
        name: FigureName::Strength,
        title: "True-positive rate by strength of the variant".to_owned(),
        caption: format!(
            "Over the parameter of each kind of variant that has several, at a false-positive rate of {fpr}. What a \
             parameter means, and whether more of it changes a model more, `bertillon describe` tells."
        ),
        description: "Lines, one a fingerprint: true-positive rate in percent over the parameter of a kind of variant; \
                      a panel for each kind."
            .to_owned(),
        frame: Frame {
            columns: vec![
                VARIANT,
                Column { key: "parameter", title: "Parameter", decimals: Some(6) },
                FINGERPRINT,
                BUDGET,
                POSITIVES,
                TPR,
                LOW,
                HIGH,
            ],
            rows: kinds.into_iter().flatten().collect(),
        },
        choices: vec![
            Choice {
                key: "variant",
                label: "Variant",
                prefix: "",
                initial: Some(initial),
                has_panels: true,
            },
            budget_choice(results),
        ],
        chart: Chart::Lines {
            x: Axis { key: "parameter", title: "parameter", is_log: false, ticks: Vec::new() },
            y: percent_axis("tpr", "TPR, %"),
            series: "fingerprint",
            band: None,
            mark: None,
        },
    })
}
