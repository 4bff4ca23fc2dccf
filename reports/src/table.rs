//! Tables as terminal and Markdown share them: what stands in each cell, and which rate is the best.

use std::collections::BTreeMap;

use bertillon_measure::results::{
    AgainstBest, BudgetResult, FingerprintResult, Rate, Results, VariationResult, kind_name,
};

use crate::text::{count, percent, target};

/// Rates from fewer true pairs than this are flagged.
pub(crate) const FEW: usize = 10;
/// Flag of a rate from few true pairs.
pub(crate) const FEW_MARK: &str = "†";
/// Flag of a rate that can't be told apart from the best.
pub(crate) const TIED_MARK: &str = "≈";
/// Flag of variants that an owner rehearsed.
pub(crate) const REHEARSED_MARK: &str = "‡";
/// Word of the protocol whose false-positive rate is the target by construction.
const POOLED: &str = "pooled";
/// Word of the protocol that takes a false-positive rate as stated.
pub(crate) const NOMINAL: &str = "nominal";
/// What stands where there is no figure.
pub(crate) const NOTHING: &str = "–";

/// How much of a rate is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Mean, standard deviation, interval.
    Full,
    /// Mean and standard deviation.
    Deviation,
    /// The mean alone.
    Mean,
}

/// A rate, its figures formatted in percent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RateCell {
    /// Mean.
    pub(crate) mean: String,
    /// Standard deviation.
    pub(crate) sd: Option<String>,
    /// Interval, in brackets.
    pub(crate) interval: Option<String>,
    /// Flags that follow the figures.
    pub(crate) marks: String,
    /// Whether no other of its column, or of its row, is better.
    pub(crate) best: bool,
    /// Whether it is not the best, and can't be told apart from it.
    pub(crate) tied: bool,
}

impl RateCell {
    fn new(rate: &Rate) -> Self {
        Self {
            mean: percent(rate.mean),
            sd: rate.sd.map(percent),
            interval: rate.ci95.map(|[low, high]| format!("[{}, {}]", percent(low), percent(high))),
            marks: String::new(),
            best: false,
            tied: false,
        }
    }

    /// A rate that was compared with the best of its table.
    fn compared(rate: &Rate, against_best: Option<&AgainstBest>) -> Self {
        Self { tied: against_best.is_some_and(|found| found.tied_with_best), ..Self::new(rate) }
    }

    /// The figures without flags: `94.7 ± 0.6 [93.0, 97.3]`.
    pub(crate) fn figures(&self, detail: Detail) -> String {
        let mut text = self.mean.clone();
        if let Some(sd) = self.sd.as_ref().filter(|_| detail != Detail::Mean) {
            text.push_str(" ± ");
            text.push_str(sd);
        }
        if let Some(interval) = self.interval.as_ref().filter(|_| detail == Detail::Full) {
            text.push(' ');
            text.push_str(interval);
        }
        text
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Words, perhaps from the suite: renderers escape them.
    Text(String),
    /// A figure.
    Figure(String),
    /// A rate.
    Rate(RateCell),
}

impl Cell {
    pub(crate) fn rate(rate: Option<&Rate>) -> Self {
        rate.map_or_else(
            || Self::Figure(NOTHING.to_owned()),
            |rate| Self::Rate(RateCell::new(rate)),
        )
    }

    /// The rate at exactly the target, compared with the best.
    fn exactly(at: Option<&BudgetResult>) -> Self {
        at.map_or_else(
            || Self::rate(None),
            |at| Self::Rate(RateCell::compared(&at.tpr_randomised, at.against_best.as_ref())),
        )
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Heading above it.
    pub(crate) title: String,
    /// Heads of the columns.
    pub(crate) head: Vec<String>,
    /// Leading columns that tell rows apart: repeated where a table is split.
    pub(crate) labels: usize,
    /// Rows of as many cells as there are heads.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Remarks below it.
    pub(crate) remarks: Vec<String>,
}

/// Rates over all variants: a row a fingerprint, a column a budget.
pub(crate) fn overall(results: &Results) -> Table {
    let budgets = budgets(results);
    let mut head: Vec<String> =
        ["Fingerprint", "Knowledge", "Forwards", "Gradients"].map(str::to_owned).into();
    head.extend(budgets.iter().map(|budget| format!("L = {budget}")));
    let row = |fingerprint: &FingerprintResult| {
        let mut row = vec![
            Cell::Text(fingerprint.name.clone()),
            Cell::Text(match fingerprint.knowledge.is_empty() {
                true => NOTHING.to_owned(),
                false => fingerprint.knowledge.join(", "),
            }),
            Cell::Figure(count(fingerprint.enrolment.forwards)),
            Cell::Figure(count(fingerprint.enrolment.gradients)),
        ];
        row.extend(budgets.iter().map(|&budget| Cell::exactly(at(fingerprint, budget))));
        row
    };
    let mut rows: Vec<Vec<Cell>> = results.fingerprints.iter().map(row).collect();
    for column in 4..head.len() {
        mark_best(rows.iter_mut().map(|row| &mut row[column]));
    }
    Table {
        title: format!(
            "True-positive rate in % at a {}false-positive rate of {}, by budget L",
            if results.evaluation.protocol == NOMINAL { "stated " } else { "" },
            target(results.evaluation.false_positive_rate)
        ),
        head,
        labels: 1,
        rows,
        remarks: interval_remark(results),
    }
}

/// Rates by the suite's protocol and by its companion, and the false-positive rate that the one of the two whose
/// thresholds are not pooled lets pass, at the primary budget; none where no fingerprint has a companion.
pub(crate) fn both_protocols(results: &Results) -> Option<Table> {
    let primary = results.evaluation.primary_budget;
    let own = &results.evaluation.protocol;
    let mut beside = results.fingerprints.iter().filter_map(|f| at(f, primary)?.companion.as_ref());
    let other = &beside.next()?.protocol;
    let apart = if own == POOLED { other } else { own };
    let row = |fingerprint: &FingerprintResult| {
        let at = at(fingerprint, primary);
        let companion = at.and_then(|at| at.companion.as_ref());
        let reached = match apart == own {
            true => at.map(|at| at.fpr),
            false => companion.map(|companion| companion.fpr),
        };
        // A figure, so that its interval stays where those of rates have to go.
        let reached = reached.map(|fpr| {
            RateCell::new(&Rate { mean: fpr.mean, sd: None, ci95: fpr.ci95 }).figures(Detail::Full)
        });
        vec![
            Cell::Text(fingerprint.name.clone()),
            Cell::exactly(at),
            Cell::rate(companion.map(|companion| &companion.tpr_randomised)),
            Cell::Figure(reached.unwrap_or_else(|| NOTHING.to_owned())),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = results.fingerprints.iter().map(row).collect();
    for column in 1..3 {
        mark_best(rows.iter_mut().map(|row| &mut row[column]));
    }
    Some(Table {
        title: format!("Protocols beside each other, at L = {primary}: {own} and {other}, in %"),
        head: vec![
            "Fingerprint".to_owned(),
            format!("TPR, {}", in_words(own)),
            format!("TPR, {}", in_words(other)),
            format!("FPR, {}", in_words(apart)),
        ],
        labels: 1,
        rows,
        remarks: Vec::new(),
    })
}

/// A protocol in words that can be wrapped.
fn in_words(protocol: &str) -> &str {
    match protocol {
        "leave-one-family-out" => "families left out",
        other => other,
    }
}

/// Strict rates and the false-positive rate reached, at the primary budget.
pub(crate) fn strict(results: &Results) -> Table {
    let primary = results.evaluation.primary_budget;
    let head = ["Fingerprint", "Access", "Strict", "Without vanillas", "FPR reached", "AUC"];
    let row = |fingerprint: &FingerprintResult| {
        let at = at(fingerprint, primary);
        let figure =
            |value: Option<String>| Cell::Figure(value.unwrap_or_else(|| NOTHING.to_owned()));
        vec![
            Cell::Text(fingerprint.name.clone()),
            Cell::Text(fingerprint.access.clone()),
            Cell::rate(at.map(|at| &at.tpr)),
            Cell::rate(at.and_then(|at| at.tpr_without_vanillas.as_ref())),
            figure(at.map(|at| format!("{:.2}", 100.0 * at.fpr.mean))),
            figure(at.and_then(|at| at.auc).map(|auc| format!("{auc:.3}"))),
        ]
    };
    Table {
        title: format!("Strict test at L = {primary}"),
        head: head.map(str::to_owned).into(),
        labels: 1,
        rows: results.fingerprints.iter().map(row).collect(),
        remarks: Vec::new(),
    }
}

/// Rates by kind of variant at the primary budget: a row a kind, a column a fingerprint.
pub(crate) fn by_variation(results: &Results) -> Table {
    let primary = results.evaluation.primary_budget;
    let mut head = vec!["Variant".to_owned(), "Positives".to_owned()];
    head.extend(results.fingerprints.iter().map(|fingerprint| fingerprint.name.clone()));
    let columns: Vec<_> =
        results.fingerprints.iter().map(|f| at(f, primary).map_or_else(Vec::new, pooled)).collect();
    // Vanillas first, for they are no variants, then by name as the paper's Table I.
    let mut kinds: BTreeMap<(bool, &str, Option<&str>), usize> = BTreeMap::new();
    for row in columns.iter().flatten() {
        let key = (row.kind != "vanilla", row.kind.as_str(), row.detail.as_deref());
        let positives = kinds.entry(key).or_default();
        *positives = row.positives.max(*positives);
    }
    let row = |(&(_, kind, detail), &positives): (&(bool, &str, Option<&str>), &usize)| {
        let found: Vec<Option<&VariationResult>> = columns
            .iter()
            .map(|rows| {
                rows.iter().copied().find(|r| r.kind == kind && r.detail.as_deref() == detail)
            })
            .collect();
        let rehearsed = found.iter().flatten().filter(|row| row.rehearsed).count();
        let by_all = rehearsed > 0 && rehearsed == found.iter().flatten().count();
        let mut label = kind_name(kind, detail);
        if by_all {
            label.push_str(REHEARSED_MARK);
        }
        let mut cells: Vec<Cell> =
            found.into_iter().map(|row| variation_cell(row, positives, by_all)).collect();
        mark_best(cells.iter_mut());
        let mut row = vec![Cell::Text(label), Cell::Figure(count(positives as f64))];
        row.append(&mut cells);
        row
    };
    Table {
        title: format!("True-positive rate in % by kind of variant, at L = {primary}"),
        rows: kinds.iter().map(row).collect(),
        head,
        labels: 2,
        remarks: Vec::new(),
    }
}

fn variation_cell(row: Option<&VariationResult>, positives: usize, by_all: bool) -> Cell {
    let Some(row) = row.filter(|row| row.positives > 0) else {
        return Cell::rate(None);
    };
    let mut cell = RateCell::compared(&row.tpr_randomised, row.against_best.as_ref());
    if row.positives != positives {
        cell.marks.push_str(&format!(" (of {})", row.positives));
    }
    if row.positives < FEW {
        cell.marks.push_str(FEW_MARK);
    }
    if row.rehearsed && !by_all {
        cell.marks.push_str(REHEARSED_MARK);
    }
    Cell::Rate(cell)
}

/// Rows that pool the parameters of a kind.
fn pooled(at: &BudgetResult) -> Vec<&VariationResult> {
    at.variations.iter().filter(|row| row.parameter.is_none()).collect()
}

fn budgets(results: &Results) -> Vec<usize> {
    let all = results.fingerprints.iter().flat_map(|f| &f.budgets).map(|at| at.budget);
    let mut budgets: Vec<usize> = all.collect();
    budgets.sort_unstable();
    budgets.dedup();
    budgets
}

pub(crate) fn at(fingerprint: &FingerprintResult, budget: usize) -> Option<&BudgetResult> {
    fingerprint.budgets.iter().find(|at| at.budget == budget)
}

fn interval_remark(results: &Results) -> Vec<String> {
    let mut rates = results.fingerprints.iter().flat_map(|f| &f.budgets);
    match rates.any(|at| at.tpr_randomised.ci95.is_some()) {
        true => Vec::new(),
        false if results.fingerprints.len() < 2 => {
            vec!["No intervals: they need at least six families.".to_owned()]
        }
        false => vec![
            "No intervals, and none but the best is marked: both need at least six families."
                .to_owned(),
        ],
    }
}

/// Marks the largest rates as shown, unless all are equal; then nothing is marked.
pub(crate) fn mark_best<'a>(cells: impl Iterator<Item = &'a mut Cell>) {
    let rates: Vec<&mut RateCell> = cells
        .filter_map(|cell| match cell {
            Cell::Rate(rate) => Some(rate),
            Cell::Text(_) | Cell::Figure(_) => None,
        })
        .collect();
    let shown = |rate: &RateCell| rate.mean.parse().unwrap_or(f64::NEG_INFINITY);
    let highest = rates.iter().map(|rate| shown(rate)).fold(f64::NEG_INFINITY, f64::max);
    let lowest = rates.iter().map(|rate| shown(rate)).fold(f64::INFINITY, f64::min);
    for rate in rates {
        rate.best = lowest < highest && shown(rate) >= highest;
        rate.tied &= lowest < highest && !rate.best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn rate(mean: f64) -> Cell {
        Cell::rate(Some(&Rate { mean, sd: None, ci95: None }))
    }

    fn best(cells: &[Cell]) -> Vec<bool> {
        cells.iter().map(|cell| matches!(cell, Cell::Rate(rate) if rate.best)).collect()
    }

    #[test]
    fn rates_that_look_equal_are_best_together() {
        let mut cells = [rate(0.911), rate(0.9112), rate(0.5), Cell::rate(None)];
        mark_best(cells.iter_mut());
        assert_eq!(best(&cells), [true, true, false, false]);
    }

    #[test]
    fn nothing_is_best_where_all_are_equal_or_alone() {
        for mut cells in [vec![rate(1.0), rate(1.0)], vec![rate(0.3)], vec![]] {
            mark_best(cells.iter_mut());
            assert!(best(&cells).iter().all(|best| !best));
        }
    }

    #[test]
    fn every_row_has_a_cell_under_each_head() {
        let results = fixture::results();
        let both = both_protocols(&results).unwrap();
        for table in [overall(&results), both, strict(&results), by_variation(&results)] {
            assert!(table.rows.iter().all(|row| row.len() == table.head.len()), "{}", table.title);
        }
    }

    #[test]
    fn the_rate_realised_is_that_of_the_protocol_that_is_not_pooled() {
        let figures = |results: &Results| {
            let table = both_protocols(results).unwrap();
            let cell = |column: usize| match &table.rows[0][column] {
                Cell::Rate(rate) => rate.figures(Detail::Full),
                Cell::Figure(figure) => figure.clone(),
                other @ Cell::Text(_) => panic!("{other:?}"),
            };
            (table.head[3].clone(), cell(1), cell(2), cell(3))
        };
        let mut results = fixture::results();
        let first = "78.3 ± 0.6 [76.6, 80.9]".to_owned();
        let second = "77.8 ± 0.6 [76.1, 80.4]".to_owned();
        let reached = "5.5 [4.1, 7.0]".to_owned();
        let head = "FPR, families left out".to_owned();
        assert_eq!(figures(&results), (head, first.clone(), second.clone(), reached));
        results.evaluation.protocol = "nominal".to_owned();
        for at in results.fingerprints.iter_mut().flat_map(|f| &mut f.budgets) {
            at.fpr.ci95 = Some([0.031, 0.068]);
            at.companion.as_mut().unwrap().protocol = "pooled".to_owned();
        }
        let found = ("FPR, nominal".to_owned(), first, second, "5.0 [3.1, 6.8]".to_owned());
        assert_eq!(figures(&results), found);
        assert!(overall(&results).title.contains("a stated false-positive rate"));
    }

    #[test]
    fn without_companions_there_is_no_table_of_both() {
        let mut results = fixture::results();
        results.fingerprints.iter_mut().flat_map(|f| &mut f.budgets).for_each(|at| {
            at.companion = None;
        });
        assert_eq!(both_protocols(&results), None);
    }

    #[test]
    fn kinds_stand_as_in_the_paper_after_the_vanillas() {
        let table = by_variation(&fixture::results());
        let label = |row: &Vec<Cell>| match &row[0] {
            Cell::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        let labels: Vec<String> = table.rows.iter().map(label).collect();
        assert_eq!(labels, ["vanilla", "finetune/all‡", "half", "jpeg", "prune/conv"]);
    }
}
