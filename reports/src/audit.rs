//! Audits: for a terminal, as JSON, and as SARIF for code hosts.

use std::collections::{BTreeMap, HashMap};

use bertillon_measure::{
    audit::{Audit, Finding, Nearest, Rule, Severity, finished},
    results::Results,
};
use serde_json::{Value, json};

use crate::{
    Colour,
    pairs::Group,
    terminal::{push_heading, push_wrapped},
    text::{plain, plural},
};

/// Most findings of one rule and severity that a terminal shows.
const MOST: usize = 20;

/// What a finished run tells, from its results and the distances behind them; none are there without detection.
pub fn of_run(results: &Results, pairs: Option<&[Group]>) -> Audit {
    let primary = results.evaluation.primary_budget;
    let judging: Vec<&Group> =
        pairs.unwrap_or(&[]).iter().filter(|group| group.budget == primary).collect();
    let nearest: Vec<Nearest> = judging.iter().flat_map(|group| astray(group)).collect();
    let population = &results.population;
    let looked_at = vec![
        format!(
            "{} and {}",
            plural(population.vanillas, "vanilla", "vanillas"),
            plural(population.variants, "variant", "variants")
        ),
        format!("distances by {}", plural(judging.len(), "fingerprint", "fingerprints")),
    ];
    let mut left_out = vec![
        "duplicates, ancestry, labels, images: the suite tells (`bertillon audit SUITE`)"
            .to_owned(),
    ];
    if pairs.is_none() {
        left_out.push("suspects nearer to another family: there is no pairs.parquet".to_owned());
    }
    let findings = finished(results, &nearest, judging.len());
    Audit::new(results.suite.clone(), looked_at, left_out, findings)
}

/// Whether an owner is the suspect's own, and its distances to her, each with its draw.
type ToOwner = (bool, Vec<(u32, f64)>);

/// Suspects to which some other owner is nearer than their own, in every draw of a fingerprint at one budget.
fn astray(group: &Group) -> Vec<Nearest> {
    let mut distances: BTreeMap<&str, BTreeMap<&str, ToOwner>> = BTreeMap::new();
    for row in 0..group.distance.len() {
        let (Some(suspect), Some(owner)) = (group.suspect.get(row), group.owner.get(row)) else {
            continue;
        };
        let of = distances.entry(suspect).or_default().entry(owner).or_default();
        of.0 = group.positive[row];
        of.1.push((group.draw[row], group.distance[row]));
    }
    let mean = |distances: &[(u32, f64)]| {
        distances.iter().map(|(_, distance)| distance).sum::<f64>() / distances.len() as f64
    };
    let mut found = Vec::new();
    for (suspect, owners) in &distances {
        let Some((own, (_, to_own))) = owners.iter().find(|(_, (is_own, _))| *is_own) else {
            continue;
        };
        let others = owners.iter().filter(|(_, (is_own, _))| !is_own);
        let nearest = others.min_by(|a, b| mean(&a.1.1).total_cmp(&mean(&b.1.1)));
        let Some((other, (_, to_other))) = nearest else { continue };
        let to_other_in: HashMap<u32, f64> = to_other.iter().copied().collect();
        let in_every =
            to_own.iter().all(|(draw, own)| to_other_in.get(draw).is_some_and(|other| other < own));
        if in_every {
            found.push(Nearest {
                suspect: (*suspect).to_owned(),
                fingerprint: group.fingerprint.clone(),
                budget: group.budget,
                own: ((*own).to_owned(), mean(to_own)),
                other: ((*other).to_owned(), mean(to_other)),
            });
        }
    }
    found
}

/// An audit for a terminal of `width` columns, as wide as need be when none is given.
pub fn terminal(audit: &Audit, width: Option<u16>, colour: Colour) -> String {
    let mut out = String::new();
    push_heading(&format!("Audit of {}", audit.suite), width, colour, &mut out);
    for looked_at in &audit.looked_at {
        push_wrapped(&format!("  looked at  {}", plain(looked_at)), 13, width, &mut out);
    }
    for left_out in &audit.left_out {
        push_wrapped(&format!("  left out   {}", plain(left_out)), 13, width, &mut out);
    }
    let alike = |a: &Finding, b: &Finding| a.severity == b.severity && a.rule == b.rule;
    for findings in audit.findings.chunk_by(alike) {
        let (severity, rule) = (findings[0].severity, findings[0].rule);
        out.push('\n');
        push_heading(&format!("{} {}", severity.word(), rule.id()), width, colour, &mut out);
        push_wrapped(&format!("  {}", rule.description()), 2, width, &mut out);
        for finding in findings.iter().take(MOST) {
            push_wrapped(&format!("- {}", plain(&finding.message)), 2, width, &mut out);
            for evidence in &finding.evidence {
                let line = format!("    {}: {}", plain(&evidence.name), plain(&evidence.value));
                push_wrapped(&line, 6, width, &mut out);
            }
        }
        if findings.len() > MOST {
            let more = findings.len() - MOST;
            push_wrapped(&format!("- and {more} more (--format json has all)"), 2, width, &mut out);
        }
    }
    let count = |severity, one, many| plural(audit.count(severity), one, many);
    out.push_str(&format!(
        "\n{}, {}, {}\n",
        count(Severity::Error, "error", "errors"),
        count(Severity::Warning, "warning", "warnings"),
        count(Severity::Note, "note", "notes")
    ));
    out
}

/// An audit as indented JSON, ended by a line break.
///
/// # Panics
/// Never: an audit holds nothing that JSON can't.
pub fn json(audit: &Audit) -> String {
    let mut text = serde_json::to_string_pretty(audit).expect("plain structs become JSON");
    text.push('\n');
    text
}

/// An audit as SARIF 2.1.0; findings stand at the first line of `file`, a relative address with `/`.
///
/// # Panics
/// Never: an audit holds nothing that JSON can't.
pub fn sarif(audit: &Audit, file: &str) -> String {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.id(),
            "shortDescription": { "text": rule.description() },
            "fullDescription": { "text": rule.description() },
            "help": { "text": format!("{} docs/AUDIT.md says how it is found and what to do.", rule.description()) },
        })
    };
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "bertillon audit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.iter().map(rule).collect::<Vec<_>>(),
            } },
            "results": audit.findings.iter().map(|finding| result(finding, file)).collect::<Vec<_>>(),
        }],
    });
    let mut text = serde_json::to_string_pretty(&sarif).expect("plain values become JSON");
    text.push('\n');
    text
}

fn result(finding: &Finding, file: &str) -> Value {
    let mut text = finding.message.clone();
    for evidence in &finding.evidence {
        text.push_str(&format!("\n{}: {}", evidence.name, evidence.value));
    }
    // What is found again, with other figures, is the same to a code host.
    let mut fingerprint = blake3::Hasher::new();
    fingerprint.update(finding.rule.id().as_bytes());
    for subject in &finding.subjects {
        fingerprint.update(&[0]).update(subject.as_bytes());
    }
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": finding.severity.word(),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": file },
            "region": { "startLine": 1 },
        } }],
        "partialFingerprints": { "subjects/v1": fingerprint.finalize().to_hex().to_string() },
    })
}

#[cfg(test)]
mod tests;
