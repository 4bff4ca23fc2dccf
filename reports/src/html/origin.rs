//! What a run cost and what it was made of.

use bertillon_measure::{
    Provenance,
    results::{FingerprintResult, Results},
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::said;
use crate::text::{count, figure, plural};

/// Rows of digests listed at most.
const MOST_DIGESTS: usize = 2000;

/// Queries and passes of each fingerprint, and the time of the whole run.
pub(super) fn costs(results: &Results, provenance: Option<&Provenance>) -> Markup {
    if results.fingerprints.is_empty() && provenance.is_none() {
        return html! {};
    }
    html! {
        @if let Some(provenance) = provenance {
            p {
                "The whole run took " strong { (duration(provenance.seconds)) } " on "
                (plural(provenance.threads, "thread", "threads")) " (" (said(&provenance.device))
                "); what was in the cache is not in it."
            }
        }
        @if !results.fingerprints.is_empty() { (enrolments(results)) }
    }
}

fn enrolments(results: &Results) -> Markup {
    let title = "Cost of a fingerprint, mean over owners";
    html! {
        div .scroll role="region" tabindex="0" aria-label=(title) {
            table .sortable {
                caption { span { (title) } }
                thead {
                    tr {
                        @for head in ["Fingerprint", "Method", "The owner uses", "Access", "Notes"] { th scope="col" { (head) } }
                        @for head in ["Queries a suspect", "Forwards to enrol", "Gradients to enrol"] {
                            th scope="col" .n { (head) }
                        }
                    }
                }
                tbody { @for fingerprint in &results.fingerprints { (enrolment(fingerprint)) } }
            }
        }
        p .remark {
            "Forwards and gradients: of one image each, beyond the owner's answers to the pool, at the largest budget."
        }
    }
}

fn enrolment(fingerprint: &FingerprintResult) -> Markup {
    let budgets: Vec<String> = fingerprint.budgets.iter().map(|at| at.budget.to_string()).collect();
    let notes =
        fingerprint.enrolment.notes.iter().map(|note| {
            format!("{} {}", note.name, note.value.map_or_else(|| "–".to_owned(), figure))
        });
    let notes = notes.collect::<Vec<_>>().join("; ");
    html! {
        tr {
            th scope="row" { span .name { (said(&fingerprint.name)) } }
            td { (said(&fingerprint.method)) @if !fingerprint.parameters.is_empty() { " " span .doubt { (said(&fingerprint.parameters)) } } }
            td { (said(&fingerprint.knowledge.join(", "))) }
            td { (said(&fingerprint.access)) }
            td { (said(&notes)) }
            td .n { (budgets.join(", ")) }
            td .n { (count(fingerprint.enrolment.forwards)) }
            td .n { (count(fingerprint.enrolment.gradients)) }
        }
    }
}

/// Where it all comes from.
pub(super) fn provenance(results: &Results, provenance: Option<&Provenance>) -> Markup {
    let Some(provenance) = provenance else {
        return html! {
            p { "Seed " (results.seed) ", format " (results.schema) ". There is no provenance.json beside the results." }
        };
    };
    let command: Vec<String> = provenance.command.iter().map(|word| quoted(word)).collect();
    let finished = i64::try_from(provenance.finished_unix_s).ok().filter(|&seconds| seconds > 0);
    let finished = finished.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let facts = [
        ("seed", results.seed.to_string()),
        ("bertillon", format!("{}, source {}", provenance.bertillon, provenance.source)),
        ("libtorch", provenance.libtorch.clone()),
        (
            "device",
            format!("{}, {}", provenance.device, plural(provenance.threads, "thread", "threads")),
        ),
        ("time", duration(provenance.seconds)),
        ("finished", finished.map_or_else(String::new, |time| time.to_string())),
        ("data", provenance.data.clone()),
    ];
    html! {
        @if !command.is_empty() { p { "Command:" } pre { code { (said(&command.join(" "))) } } }
        dl .facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (said(value)) } }
            }
        }
        (digests("Models", ["Model", "Digest"], &provenance.models))
        (digests("Plugins", ["Plugin", "Parameters", "Digest of its source"], &provenance.plugins))
        (digests("Libraries", ["File", "Built from", "Digest"], &provenance.libraries))
        @if !provenance.suite.is_empty() {
            details { summary { "The suite" } pre { code { (suite(&provenance.suite)) } } }
        }
    }
}

/// A suite's text, line by line.
fn suite(text: &str) -> String {
    text.lines().map(said).collect::<Vec<_>>().join("\n")
}

fn digests<const N: usize>(title: &str, head: [&str; N], rows: &[[String; N]]) -> Markup {
    let mut distinct: Vec<&[String; N]> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    distinct.extend(rows.iter().filter(|row| seen.insert(*row)));
    html! {
        @if !distinct.is_empty() {
            details {
                summary { (title) " (" (count(distinct.len() as f64)) ")" }
                @if distinct.len() > MOST_DIGESTS {
                    p .remark { "The first " (count(MOST_DIGESTS as f64)) "; provenance.json has all." }
                }
                div .scroll role="region" tabindex="0" aria-label=(title) {
                    table .digests {
                        caption .hidden { (title) }
                        thead { tr { @for head in head { th scope="col" { (head) } } } }
                        tbody {
                            @for row in distinct.iter().take(MOST_DIGESTS) {
                                tr { @for text in row.iter() { td { (said(text)) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => "an unknown time".to_owned(),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {:.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
        s => format!("{} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_shells_read_them() {
        let words = ["run", "--set", "data.path=a b", "it's", "", "$HOME"].map(quoted);
        assert_eq!(words, ["run", "--set", "'data.path=a b'", "'it'\\''s'", "''", "'$HOME'"]);
    }

    #[test]
    fn times_are_told_in_fitting_units() {
        let words = [3.68, 672.5, 5000.0, f64::NAN].map(duration);
        assert_eq!(words, ["3.7 s", "11 min 12 s", "1 h 23 min", "an unknown time"]);
    }
}
