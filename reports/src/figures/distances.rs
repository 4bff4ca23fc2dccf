//! Figures of the distances between models: the paper's Figures 1 (map) and 2 (histograms).

use bertillon_measure::results::{HistogramFigure, MapFigure, Results};

use super::{Axis, Chart, Choice, Column, Figure, FigureName, Frame, Row, Value};
use crate::text::count;

/// Models that a map shows at most, so that a page stays small.
pub(super) const MOST_POINTS: usize = 2000;
/// What stands for an infinite distance.
pub(crate) const INFINITE: &str = "∞";

/// Distances of pairs of models, by what they have in common.
pub(super) fn histogram(results: &Results) -> Option<Figure> {
    let found = &results.figures.as_ref()?.histograms;
    let mut budgets: Vec<usize> = found.iter().map(|histogram| histogram.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let primary = results.evaluation.primary_budget;
    let initial = if budgets.contains(&primary) { primary } else { *budgets.first()? };
    // Panels run budget by budget, so that selections stand beside each other.
    let by_budget = budgets
        .iter()
        .flat_map(|&budget| found.iter().filter(move |histogram| histogram.budget == budget));
    let number = |key, title, decimals| Column { key, title, decimals: Some(decimals) };
    let words = |key, title| Column { key, title, decimals: None };
    Some(Figure {
        name: FigureName::Histogram,
        title: "Distances between models".to_owned(),
        caption: format!(
            "Share of the pairs of kept models in each bin of their distance, by what the two have in common. \
             {INFINITE}: pairs whose answers tell nothing. The farther the last colour lies from the others, the easier \
             a variant is told from a stranger."
        ),
        description: "Bars: share of pairs by distance, for pairs of the same variation, of the same vanilla and of \
                      different vanillas; a panel for each number and choice of images."
            .to_owned(),
        frame: Frame {
            columns: vec![
                words("selection", "Images"),
                number("budget", "L", 0),
                words("class", "Pairs of"),
                number("from", "from", 2),
                number("to", "to", 2),
                number("pairs", "Pairs", 0),
                number("share", "Share, %", 3),
            ],
            rows: by_budget.flat_map(bins).collect(),
        },
        choices: vec![
            Choice {
                key: "budget",
                label: "Budget",
                prefix: "L = ",
                initial: Some(initial.to_string()),
                has_panels: true,
            },
            Choice {
                key: "selection",
                label: "Images chosen",
                prefix: "",
                initial: found.first().map(|histogram| crate::plain(&histogram.selection)),
                has_panels: true,
            },
        ],
        chart: Chart::Bars {
            from: "from",
            to: "to",
            x_title: "distance",
            y: Axis { key: "share", title: "share, %", is_log: false, ticks: Vec::new() },
            series: "class",
        },
    })
}

fn bins(histogram: &HistogramFigure) -> Vec<Row> {
    let mut rows = Vec::new();
    for class in &histogram.classes {
        let mut row = |[from, to]: [Value; 2], pairs: u64, share: f64| {
            rows.push(vec![
                Value::words(&histogram.selection),
                Value::Number(histogram.budget as f64),
                Value::words(&class.class),
                from,
                to,
                Value::Number(pairs as f64),
                Value::Number(100.0 * share),
            ]);
        };
        let edge = |bin: usize| Value::Number(bin as f64 / class.counts.len() as f64);
        for (bin, (&pairs, &share)) in class.counts.iter().zip(&class.shares).enumerate() {
            row([edge(bin), edge(bin + 1)], pairs, share);
        }
        let infinite = || Value::Words(INFINITE.to_owned());
        let share = class.infinite as f64 / class.pairs.max(1) as f64;
        row([infinite(), infinite()], class.infinite, share);
    }
    rows
}

/// Map of all kept models.
pub(super) fn tsne(results: &Results) -> Option<Figure> {
    let kept: Vec<_> = results.population.models.iter().filter(|model| model.kept).collect();
    let maps = &results.figures.as_ref()?.maps;
    let maps: Vec<&MapFigure> = maps.iter().filter(|map| map.points.len() == kept.len()).collect();
    let step = kept.len().div_ceil(MOST_POINTS).max(1);
    let rows = maps.iter().flat_map(|map| {
        kept.iter().zip(&map.points).step_by(step).map(|(model, &[x, y])| {
            let kind = match &model.detail {
                Some(detail) => format!("{}/{detail}", model.kind),
                None => model.kind.clone(),
            };
            vec![
                Value::Number(map.perplexity),
                Value::words(&model.name),
                Value::words(&model.family),
                Value::words(&kind),
                Value::Number(x),
                Value::Number(y),
            ]
        })
    });
    let initial = maps.get(maps.len() / 2)?;
    let mut caption = format!(
        "Each point is a model, near those that answer as it does (t-SNE of the distances on {}), coloured by its \
         vanilla, whose name stands amid its variants.",
        match initial.images {
            1 => format!("1 image, {}", initial.selection),
            images => format!("{} images, {}", count(images as f64), initial.selection),
        }
    );
    if let Some(purity) = initial.purity {
        caption.push_str(&format!(
            " Of a model's five nearest, {:.1} % are of its family (on the distances themselves, not on the map).",
            100.0 * purity
        ));
    }
    if step > 1 {
        caption.push_str(&format!(
            " Every {step}th of {} models is drawn; results.json has all.",
            count(kept.len() as f64)
        ));
    }
    let number = |key, title, decimals| Column { key, title, decimals: Some(decimals) };
    let words = |key, title| Column { key, title, decimals: None };
    let choice =
        |key, label, initial| Choice { key, label, prefix: "", initial, has_panels: false };
    Some(Figure {
        name: FigureName::Tsne,
        title: "Map of models".to_owned(),
        caption,
        description:
            "Points, one a model, coloured by family; models that answer alike lie near each other."
                .to_owned(),
        frame: Frame {
            columns: vec![
                number("perplexity", "Perplexity", 2),
                words("model", "Model"),
                words("family", "Family"),
                words("kind", "Kind"),
                number("x", "x", 2),
                number("y", "y", 2),
            ],
            rows: rows.collect(),
        },
        choices: vec![
            choice("perplexity", "Perplexity", Some(super::decimal(initial.perplexity, 2))),
            choice("family", "Family", None),
            choice("kind", "Kind", None),
        ],
        chart: Chart::Points {
            x: "x",
            y: "y",
            family: "family",
            said: &["model", "family", "kind"],
        },
    })
}
