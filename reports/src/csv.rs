//! Every figure as a row of a tidy CSV file.

use ::csv::{Terminator, WriterBuilder};
use bertillon_measure::results::{
    AgainstBest, BudgetResult, Difference, Fpr, IdentificationResult, PublishedRate, Rate, Results,
    SequentialResult, VariationResult,
};
use serde::{Serialize, Serializer};

use crate::text::spreadsheet_text;

/// The results as CSV (RFC 4180, UTF-8), one row a figure, with a head.
///
/// Rates are shares, not percent; what does not apply is empty. Text that a spreadsheet would take for a formula (it
/// starts with `=`, `+`, `-`, `@`, a tab or a line break, and is no number) gets an apostrophe before it; control
/// characters other than tabs and line breaks, and characters that reorder others, stand as `\u{1b}`. Figures are
/// plain numbers. ROC curves, maps, histograms, single draws and models are in `results.json` alone.
///
/// # Panics
/// Never: rows of strings and numbers become CSV.
pub fn csv(results: &Results) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows(results) {
        writer.serialize(row).expect("rows of strings and numbers become CSV");
    }
    let bytes = writer.into_inner().expect("memory takes what is written");
    String::from_utf8(bytes).expect("made of strings")
}

/// A row; the names of its fields are those of the columns.
#[derive(Debug, Clone, Default, Serialize)]
struct Row<'a> {
    suite: Text<'a>,
    seed: u64,
    task: Text<'a>,
    table: &'static str,
    fingerprint: Text<'a>,
    method: Text<'a>,
    access: Text<'a>,
    /// What is named or detected: `family`, `variation`, `model`.
    names: Text<'a>,
    couples: Text<'a>,
    score: Text<'a>,
    budget: Option<usize>,
    group: Text<'a>,
    kind: Text<'a>,
    detail: Text<'a>,
    parameter: Text<'a>,
    rehearsed: Option<bool>,
    protocol: Text<'a>,
    statistic: Text<'a>,
    mean: Option<f64>,
    sd: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    target: Option<f64>,
    draws: Option<usize>,
    ddof: Option<usize>,
    positives: Option<f64>,
    negatives: Option<f64>,
    best: Text<'a>,
    difference: Option<f64>,
    difference_ci_low: Option<f64>,
    difference_ci_high: Option<f64>,
    p: Option<f64>,
    p_holm: Option<f64>,
    tied_with_best: Option<bool>,
    source: Text<'a>,
}

/// Text that a spreadsheet takes for text.
#[derive(Debug, Clone, Copy, Default)]
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&spreadsheet_text(self.0))
    }
}

fn rows(results: &Results) -> Vec<Row<'_>> {
    let run = Row { suite: Text(&results.suite), seed: results.seed, ..Row::default() };
    let mut rows = Vec::new();
    for fingerprint in &results.fingerprints {
        let whole = Row {
            task: Text("detection"),
            fingerprint: Text(&fingerprint.name),
            method: Text(&fingerprint.method),
            access: Text(&fingerprint.access),
            protocol: Text(&results.evaluation.protocol),
            negatives: Some(fingerprint.negatives as f64),
            ..run.clone()
        };
        let cost = Row { table: "cost", protocol: Text(""), negatives: None, ..whole.clone() };
        let enrolment = &fingerprint.enrolment;
        rows.push(cost.figure("forwards", Some(enrolment.forwards)));
        rows.push(cost.figure("gradients", Some(enrolment.gradients)));
        for note in &enrolment.notes {
            rows.push(Row { statistic: Text(&note.name), mean: note.value, ..cost.clone() });
        }
        for at in &fingerprint.budgets {
            overall(&whole, at, &mut rows);
            at.variations.iter().for_each(|row| by_variation(&whole, at, row, &mut rows));
        }
    }
    results.identification.iter().for_each(|found| identification(&run, found, &mut rows));
    results.sequential.iter().for_each(|found| sequential(&run, found, &mut rows));
    let published = results.published.iter().flat_map(|published| &published.rates);
    rows.extend(published.map(|rate| published_rate(&run, rate)));
    rows
}

fn overall<'a>(whole: &Row<'a>, at: &'a BudgetResult, rows: &mut Vec<Row<'a>>) {
    // Every true pair is of exactly one kind.
    let kinds = at.variations.iter().filter(|row| row.parameter.is_none());
    let positives: usize = kinds.map(|row| row.positives).sum();
    let row = Row {
        table: "overall",
        budget: Some(at.budget),
        draws: Some(at.draws),
        ddof: Some(at.ddof),
        positives: Some(positives as f64),
        ..whole.clone()
    };
    let target = Some(at.fpr.target);
    let rates = |row: &Row<'a>, tpr, tpr_randomised, fpr: &Fpr| {
        let fpr = Rate { mean: fpr.mean, sd: None, ci95: fpr.ci95 };
        let of = |name, rate| Row { target, ..row.rate(name, rate) };
        [of("tpr", tpr), of("tpr_randomised", tpr_randomised), of("fpr", &fpr)]
    };
    let [tpr, tpr_randomised, fpr] = rates(&row, &at.tpr, &at.tpr_randomised, &at.fpr);
    rows.extend([tpr, tpr_randomised.against(at.against_best.as_ref()), fpr]);
    rows.extend(at.tpr_without_vanillas.as_ref().map(|rate| Row {
        target,
        positives: None,
        ..row.rate("tpr_without_vanillas", rate)
    }));
    for found in &at.groups {
        let row = Row {
            table: "group",
            group: Text(&found.group),
            rehearsed: Some(found.rehearsed),
            positives: Some(found.positives as f64),
            target,
            ..row.clone()
        };
        rows.extend([
            row.rate("tpr", &found.tpr),
            row.rate("tpr_randomised", &found.tpr_randomised),
        ]);
        rows.extend(found.against.iter().map(|difference| row.difference(difference)));
    }
    rows.extend(at.against.iter().map(|difference| row.difference(difference)));
    rows.push(row.figure("threshold", at.threshold.mean));
    rows.push(row.figure("auc", at.auc));
    rows.push(row.figure("overlap", at.overlap));
    if let Some(beside) = &at.companion {
        let row = Row { protocol: Text(&beside.protocol), ..row };
        rows.extend(rates(&row, &beside.tpr, &beside.tpr_randomised, &beside.fpr));
    }
}

fn by_variation<'a>(
    whole: &Row<'a>,
    at: &'a BudgetResult,
    found: &'a VariationResult,
    rows: &mut Vec<Row<'a>>,
) {
    let row = Row {
        table: "variation",
        budget: Some(at.budget),
        group: Text(&found.group),
        kind: Text(&found.kind),
        detail: Text(found.detail.as_deref().unwrap_or_default()),
        parameter: Text(found.parameter.as_deref().unwrap_or_default()),
        rehearsed: Some(found.rehearsed),
        target: Some(at.fpr.target),
        draws: Some(at.draws),
        ddof: Some(at.ddof),
        positives: Some(found.positives as f64),
        ..whole.clone()
    };
    rows.push(row.rate("tpr", &found.tpr));
    let exactly = row.rate("tpr_randomised", &found.tpr_randomised);
    rows.push(exactly.against(found.against_best.as_ref()));
}

fn identification<'a>(run: &Row<'a>, found: &'a IdentificationResult, rows: &mut Vec<Row<'a>>) {
    let rates = &found.rates;
    let row = Row {
        task: Text("identification"),
        table: "identification",
        fingerprint: Text(&found.fingerprint),
        names: Text(&found.group),
        budget: Some(found.budget),
        draws: Some(found.draws),
        ddof: Some(found.ddof),
        target: Some(rates.target),
        positives: Some(rates.known),
        negatives: Some(rates.unknown),
        ..run.clone()
    };
    let shares = [
        ("correct", Some(&rates.correct)),
        ("wrong", Some(&rates.wrong)),
        ("abstained", Some(&rates.abstained)),
        ("correct_without_vanillas", rates.correct_without_vanillas.as_ref()),
        ("unknown_answered", rates.unknown_answered.as_ref()),
        ("closed_set_accuracy", Some(&rates.closed_set_accuracy)),
        ("auroc", rates.auroc.as_ref()),
    ];
    rows.extend(shares.into_iter().filter_map(|(name, rate)| Some(row.rate(name, rate?))));
    rows.push(row.figure("threshold", rates.threshold.mean));
    rows.push(row.figure("queries", Some(rates.queries)));
    for kind in &rates.variations {
        let row = Row {
            table: "identification-variation",
            group: Text(&kind.group),
            kind: Text(&kind.kind),
            detail: Text(kind.detail.as_deref().unwrap_or_default()),
            parameter: Text(kind.parameter.as_deref().unwrap_or_default()),
            rehearsed: Some(kind.rehearsed),
            positives: Some(kind.known),
            ..row.clone()
        };
        let shares =
            [("correct", &kind.correct), ("wrong", &kind.wrong), ("abstained", &kind.abstained)];
        rows.extend(shares.map(|(name, rate)| row.rate(name, rate)));
    }
}

fn sequential<'a>(run: &Row<'a>, found: &'a SequentialResult, rows: &mut Vec<Row<'a>>) {
    let row = Row {
        task: Text("sequential"),
        table: "sequential",
        access: Text(&found.access),
        names: Text(&found.group),
        couples: Text(found.couples.as_deref().unwrap_or_default()),
        score: Text(&found.score),
        positives: Some(found.cases as f64),
        ..run.clone()
    };
    let figures = [
        ("correct", found.correct),
        ("wrong", found.wrong),
        ("abstained", found.abstained),
        ("queries", found.queries.mean),
    ];
    rows.extend(figures.map(|(name, figure)| row.figure(name, Some(figure))));
    // The share of cases that have ended by so many queries.
    rows.extend(found.queries.quantiles.iter().map(|quantile| Row {
        target: Some(quantile.share),
        ..row.figure("queries_quantile", Some(f64::from(quantile.queries)))
    }));
}

fn published_rate<'a>(run: &Row<'a>, rate: &'a PublishedRate) -> Row<'a> {
    Row {
        task: Text("detection"),
        table: "published",
        fingerprint: Text(&rate.fingerprint),
        budget: Some(rate.budget),
        kind: Text(rate.kind.as_deref().unwrap_or_default()),
        detail: Text(rate.detail.as_deref().unwrap_or_default()),
        statistic: Text("tpr"),
        mean: Some(rate.published),
        sd: rate.published_sd,
        source: Text(&rate.table),
        ..run.clone()
    }
}

impl<'a> Row<'a> {
    fn figure(&self, statistic: &'static str, mean: Option<f64>) -> Self {
        Self { statistic: Text(statistic), mean, ..self.clone() }
    }

    fn rate(&self, statistic: &'static str, rate: &Rate) -> Self {
        let [ci_low, ci_high] = rate.ci95.map_or([None; 2], |bounds| bounds.map(Some));
        Self { sd: rate.sd, ci_low, ci_high, ..self.figure(statistic, Some(rate.mean)) }
    }

    /// A difference to a baseline of the suite.
    fn difference(&self, found: &'a Difference) -> Self {
        let [low, high] = found.ci95.map_or([None; 2], |bounds| bounds.map(Some));
        Self {
            best: Text(&found.baseline),
            difference: Some(found.difference),
            difference_ci_low: low,
            difference_ci_high: high,
            ..self.figure("difference_to_baseline", None)
        }
    }

    fn against(self, best: Option<&'a AgainstBest>) -> Self {
        let Some(found) = best else {
            return self;
        };
        let [low, high] = found.ci95.map_or([None; 2], |bounds| bounds.map(Some));
        Self {
            best: Text(&found.best),
            difference: Some(found.difference),
            difference_ci_low: low,
            difference_ci_high: high,
            p: found.p,
            p_holm: found.p_holm,
            tied_with_best: Some(found.tied_with_best),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
