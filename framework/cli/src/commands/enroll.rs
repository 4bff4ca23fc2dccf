//! `bertillon enroll`.

use std::path::PathBuf;

use bertillon_reports::plain;
use bertillon_runner::{Card, Enrolment, NewlyEnrolled};
use clap::{Args, ValueHint};

use super::suite::SuiteArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// A vanilla of the suite
    model: String,
    /// A fingerprint of the suite, or a method that only one of them uses
    #[arg(long, value_name = "NAME")]
    method: String,
    /// Most queries to a suspect [default: the suite's primary budget]
    #[arg(long, value_name = "QUERIES")]
    budget: Option<usize>,
    /// Which draw of the queries, as `pairs.parquet` counts them
    #[arg(long, value_name = "N", default_value_t = 0)]
    draw: usize,
    /// Largest share of strangers that may be accepted, above 0 and below 1 [default: the suite's]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    false_positive_rate: Option<f64>,
    /// File for the fingerprint
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

/// A share that is neither none nor all.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (f64::MIN_POSITIVE..1.0).contains(share));
    share.ok_or_else(|| "use a number above 0 and below 1".to_owned())
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let suite = arguments.suite.read()?;
    // Before anything is computed: where the file can't go, the work would be lost.
    let folder = arguments.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) || arguments.output.is_dir() {
        return Err(Failure::User(format!(
            "{} can't be written: its folder does not exist, or it is a folder itself",
            arguments.output.display()
        )));
    }
    let options = arguments.suite.options(PathBuf::new())?;
    let enrolment = Enrolment {
        model: arguments.model,
        fingerprint: arguments.method,
        budget: arguments.budget,
        draw: arguments.draw,
        false_positive_rate: arguments.false_positive_rate,
    };
    let NewlyEnrolled { enrolled, failures, computed, abandoned } =
        arguments.suite.machine().watched(&options, |reporter| {
            bertillon_runner::enroll(&suite, &options, &enrolment, reporter)
        })?;
    enrolled.write(&arguments.output)?;
    output::print(&text(&enrolled.card, enrolled.len()))?;
    for failure in &failures {
        output::say(&plain(&format!("{}: in no count, {}", failure.subject, failure.reason)));
    }
    let answers = match computed {
        0 => "no answer had to be computed".to_owned(),
        n => format!("{n} answers computed"),
    };
    arguments
        .suite
        .machine()
        .note(&format!("fingerprint in {} ({answers})", arguments.output.display()));
    Ok(match (failures.len(), abandoned) {
        (0, _) => Outcome::Done,
        (_, 0) => Outcome::SomeFailed,
        _ => Outcome::SomeAbandoned,
    })
}

fn text(card: &Card, queries: usize) -> String {
    let mut text = plain(&format!(
        "{} is enrolled by {}: {} of suite {}, draw {}",
        card.owner.name,
        card.fingerprint,
        output::counted(queries, "query", "queries"),
        card.suite,
        card.draw
    ));
    text.push('\n');
    text.push_str(&line("threshold", &threshold(card)));
    text.push_str(&line("strangers", &strangers(card)));
    text.push_str(&line("own", &own(card)));
    text + &warnings(&card.threshold.warnings)
}

/// One row of what is known. Names in it come from files.
pub(super) fn line(name: &str, value: &str) -> String {
    format!("  {name:<10} {}\n", plain(value))
}

/// What to know before trusting it, a line each.
pub(super) fn warnings(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {}\n", plain(warning))).collect()
}

/// A distance or threshold as it is shown; infinity is none.
pub(super) fn distance(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "none".to_owned() }
}

fn threshold(card: &Card) -> String {
    match card.threshold.distance {
        infinite if infinite.is_infinite() => "any distance that can be told".to_owned(),
        below => format!("distances below {}", distance(below)),
    }
}

/// What stands behind the threshold, in words.
pub(super) fn strangers(card: &Card) -> String {
    let threshold = &card.threshold;
    let families = output::counted(threshold.families.len(), "strange family", "strange families");
    let mut text = format!(
        "accepts {} of {} models of {families}: {:.1} %; asked {:.1} %",
        threshold.accepted,
        threshold.strangers.len(),
        100.0 * threshold.rate(),
        100.0 * threshold.false_positive_rate
    );
    if let Some(left_out) = threshold.accepted_left_out {
        let share = 100.0 * left_out as f64 / threshold.strangers.len() as f64;
        text.push_str(&format!("; {left_out} ({share:.1} %) where their own family is left out"));
    }
    if threshold.nominal {
        text.push_str("; stated for p-values, not found among them");
    }
    text
}

/// How the owner's own variants fare, in words.
pub(super) fn own(card: &Card) -> String {
    if card.own.is_empty() {
        return format!("the suite derives no variant of {} to try it on", card.owner.name);
    }
    let missed: Vec<&str> = card
        .own
        .iter()
        .filter(|model| !card.threshold.accepts(model.distance))
        .map(|model| model.name.as_str())
        .collect();
    let variants = output::counted(card.own.len(), "variant", "variants");
    let of = format!("accepts {} of {variants} of {}", card.own_accepted(), card.owner.name);
    match missed.len() {
        0 => of,
        n => {
            format!("{of}; not {}{}", missed[..n.min(5)].join(", "), if n > 5 { ", …" } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_neither_none_nor_all() {
        assert_eq!(share("0.05"), Ok(0.05));
        assert!(["0", "1", "-0.1", "5%", "NaN", "inf", ""].iter().all(|text| share(text).is_err()));
    }
}
