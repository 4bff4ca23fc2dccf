//! All rates as CSV.

use bertillon_reports::spreadsheet_text;

use crate::Entry;

/// A row a rate, under one line of names; text can't become a formula in a spreadsheet.
///
/// # Errors
/// When memory can't be written to.
pub fn csv(entries: &[Entry]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "date",
        "commit",
        "suite",
        "seed",
        "bertillon",
        "draws",
        "false_positive_rate",
        "fingerprint",
        "budget",
        "primary",
        "kind",
        "positives",
        "tpr_randomised",
        "sd",
        "low",
        "high",
    ])?;
    let figure = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for entry in entries {
        writer.write_record([
            spreadsheet_text(&entry.date),
            spreadsheet_text(entry.commit.as_deref().unwrap_or_default()),
            spreadsheet_text(&entry.suite),
            spreadsheet_text(&entry.seed),
            spreadsheet_text(entry.bertillon.as_deref().unwrap_or_default()),
            entry.draws.to_string(),
            entry.alpha.to_string(),
            spreadsheet_text(&entry.fingerprint),
            entry.budget.to_string(),
            entry.primary.to_string(),
            spreadsheet_text(&entry.kind),
            entry.positives.to_string(),
            entry.rate.to_string(),
            figure(entry.sd),
            figure(entry.ci95.map(|[low, _]| low)),
            figure(entry.ci95.map(|[_, high]| high)),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
