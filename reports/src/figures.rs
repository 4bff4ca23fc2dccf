//! Figures of a run: each defined once, as a frame of data and what its columns stand for, and drawn by two hands.
//!
//! - `draw` makes static SVG with `plotters`: for papers, for print, for readers without JavaScript, and for
//!   `--figure`. Its SVG backend draws the same bytes everywhere and needs no fonts.
//! - `vega` writes a specification for Vega-Lite, which the HTML report holds (`reports/vendor/charts`) and feeds from
//!   the very table that the page shows. Chosen over Plotly and ECharts, which are larger (1 MB and more) and draw on a
//!   canvas; over uPlot, which draws lines only; and over code of our own. A specification is data that a reader may
//!   take and restyle.
//!
//! No PNG or PDF: rasterisers draw text with the fonts of the machine at hand, and servers have none.

mod distances;
mod draw;
pub(crate) mod palette;
mod rates;
pub(crate) mod vega;

use bertillon_measure::results::Results;

/// Which figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureName {
    /// True-positive rate by budget.
    Budget,
    /// True-positive rate by kind of variant and fingerprint.
    Heatmap,
    /// True-positive rate by false-positive rate.
    Roc,
    /// True-positive rate by the parameter of each kind of variant.
    Strength,
    /// Distances of pairs of models by what they have in common.
    Histogram,
    /// Map of models by their distances.
    Tsne,
}

impl FigureName {
    /// All, in the order of a report.
    pub const ALL: [Self; 6] =
        [Self::Budget, Self::Heatmap, Self::Roc, Self::Strength, Self::Histogram, Self::Tsne];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Heatmap => "heatmap",
            Self::Roc => "roc",
            Self::Strength => "strength",
            Self::Histogram => "histogram",
            Self::Tsne => "tsne",
        }
    }

    /// What it takes that results may lack.
    fn needs(self) -> &'static str {
        match self {
            Self::Budget | Self::Heatmap => "the task \"detection\" in the suite's [evaluation]",
            Self::Roc => {
                "the task \"detection\" in the suite's [evaluation], and pooled thresholds"
            }
            Self::Strength => "a kind of variant with two numbers as parameters, or more",
            Self::Histogram => "`histograms` in the suite's [figures]",
            Self::Tsne => "`perplexities` in the suite's [figures]",
        }
    }
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The results don't hold its data.
    #[error(
        "these results hold no data for the figure `{}`, which needs {}; there is {}",
        name.name(),
        name.needs(),
        listed(there)
    )]
    Absent {
        /// Which.
        name: FigureName,
        /// Those that can be drawn.
        there: Vec<FigureName>,
    },
    /// It can't be drawn.
    #[error("the figure `{}` can't be drawn: {problem}", name.name())]
    Drawing {
        /// Which.
        name: FigureName,
        /// Why.
        problem: String,
    },
}

fn listed(names: &[FigureName]) -> String {
    match names {
        [] => "no other figure".to_owned(),
        names => names.iter().map(|name| name.name()).collect::<Vec<_>>().join(", "),
    }
}

/// A figure as SVG, a document of its own in the colours of a light page.
///
/// # Errors
/// When the results don't hold what it shows.
pub fn svg(results: &Results, name: FigureName) -> Result<String, FigureError> {
    let Some(figure) = Figure::new(results, name) else {
        let there = FigureName::ALL.into_iter().filter(|&n| Figure::new(results, n).is_some());
        return Err(FigureError::Absent { name, there: there.collect() });
    };
    figure.svg()
}

/// A figure: data, and what it is to look like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: FigureName,
    /// Its heading; like all text here it may hold words of a suite, so renderers escape it.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) caption: String,
    /// What it shows, for those who can't see it.
    pub(crate) description: String,
    pub(crate) frame: Frame,
    /// Columns of which a view shows one value.
    pub(crate) choices: Vec<Choice>,
    pub(crate) chart: Chart,
}

impl Figure {
    /// The figure of this name; none where the results don't hold its data.
    pub(crate) fn new(results: &Results, name: FigureName) -> Option<Self> {
        let figure = match name {
            FigureName::Budget => rates::budget(results),
            FigureName::Heatmap => rates::heatmap(results),
            FigureName::Roc => rates::roc(results),
            FigureName::Strength => rates::strength(results),
            FigureName::Histogram => distances::histogram(results),
            FigureName::Tsne => distances::tsne(results),
        }?;
        Some(figure).filter(|figure| !figure.frame.rows.is_empty())
    }

    /// Static SVG.
    pub(crate) fn svg(&self) -> Result<String, FigureError> {
        draw::svg(self).map_err(|problem| FigureError::Drawing { name: self.name, problem })
    }

    /// The panels of the static figure, each with its heading and its rows: one for each value of the choices that
    /// have panels, at the initial value of the others.
    pub(crate) fn panels(&self) -> Vec<(String, Vec<&Row>)> {
        let (of_panels, fixed): (Vec<&Choice>, Vec<&Choice>) =
            self.choices.iter().partition(|choice| choice.has_panels);
        let mut panels: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in &self.frame.rows {
            let shown = |choice: &&Choice| {
                choice.initial.as_ref().is_none_or(|v| *v == self.frame.shown(row, choice.key))
            };
            if !fixed.iter().all(shown) {
                continue;
            }
            let value = |choice: &&Choice| choice.heading(&self.frame.shown(row, choice.key));
            let heading = of_panels.iter().map(value).collect::<Vec<_>>().join(", ");
            match panels.iter_mut().find(|(other, _)| *other == heading) {
                Some((_, rows)) => rows.push(row),
                None => panels.push((heading, vec![row])),
            }
        }
        panels
    }
}

/// A column of which a view shows one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// The column.
    pub(crate) key: &'static str,
    /// What is chosen, `Budget`.
    pub(crate) label: &'static str,
    /// What comes before a value in a heading, `L = `.
    pub(crate) prefix: &'static str,
    /// The value shown first; none shows all.
    pub(crate) initial: Option<String>,
    /// Whether the static figure has a panel for each value.
    pub(crate) has_panels: bool,
}

impl Choice {
    fn heading(&self, value: &str) -> String {
        format!("{}{value}", self.prefix)
    }
}

/// Rows under named columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// As many values as there are columns.
pub(crate) type Row = Vec<Value>;

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// What charts call it: a word without spaces.
    pub(crate) key: &'static str,
    /// Its head in a table.
    pub(crate) title: &'static str,
    /// Decimals of its numbers; none where it holds words.
    pub(crate) decimals: Option<usize>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Words, perhaps from the suite.
    Words(String),
    /// A number.
    Number(f64),
    /// What was not measured.
    Nothing,
}

impl Value {
    pub(crate) fn words(text: &str) -> Self {
        Self::Words(crate::plain(text))
    }

    pub(crate) fn number(value: Option<f64>) -> Self {
        value.map_or(Self::Nothing, Self::Number)
    }

    fn text(&self, column: &Column) -> String {
        match (self, column.decimals) {
            (Self::Words(words), _) => words.clone(),
            (Self::Number(value), Some(decimals)) => decimal(*value, decimals),
            (Self::Number(value), None) => value.to_string(),
            (Self::Nothing, _) => String::new(),
        }
    }
}

/// At most so many decimals.
fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl Frame {
    fn column(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.key == key)
    }

    /// The value of a row as tables show it.
    pub(crate) fn shown(&self, row: &Row, key: &str) -> String {
        self.column(key).map_or_else(String::new, |at| row[at].text(&self.columns[at]))
    }

    /// Every value of a row as tables show it.
    pub(crate) fn texts<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = String> + 'a {
        row.iter().zip(&self.columns).map(|(value, column)| value.text(column))
    }

    /// The number in a column of a row.
    pub(crate) fn number(&self, row: &Row, key: &str) -> Option<f64> {
        match row[self.column(key)?] {
            Value::Number(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }

    /// The values of a column as shown, each once, in the order of their first.
    pub(crate) fn distinct(&self, key: &str) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let shown = self.rows.iter().map(|row| self.shown(row, key));
        shown.filter(|value| seen.insert(value.clone())).collect()
    }
}

/// What the columns of a frame stand for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Chart {
    /// A line for each value of `series`; heights in percent.
    Lines {
        x: Axis,
        y: Axis,
        series: &'static str,
        /// Columns of the lower and upper bound of a band around it.
        band: Option<[&'static str; 2]>,
        /// Where a vertical line stands.
        mark: Option<f64>,
    },
    /// A cell for each `across` and `down`, coloured by a percentage.
    Heat { across: &'static str, down: &'static str, value: &'static str },
    /// Bars of height `y` from column `from` to column `to`, one colour a `series`.
    Bars {
        from: &'static str,
        to: &'static str,
        x_title: &'static str,
        y: Axis,
        series: &'static str,
    },
    /// Points, coloured by `family`.
    Points { x: &'static str, y: &'static str, family: &'static str, said: &'static [&'static str] },
}

/// What runs along an edge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Its column.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// Whether equal steps are equal ratios.
    pub(crate) is_log: bool,
    /// Where it is labelled; empty leaves that to the one who draws.
    pub(crate) ticks: Vec<f64>,
}

#[cfg(test)]
mod tests;
