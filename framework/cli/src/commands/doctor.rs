//! `bertillon doctor`.

mod checks;
mod libtorch;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of results
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "results")]
    out: PathBuf,
    /// Folder of the cache
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".bertillon/cache")]
    cache: PathBuf,
    /// Writes what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What was looked at, and what was found.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: String,
    state: State,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Whether it will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Something that not everybody needs is not there.
    Note,
    /// A run would fail, or could not be trusted.
    Failed,
}

impl Finding {
    fn ok(check: &str, found: impl Into<String>) -> Self {
        Self { check: check.to_owned(), state: State::Ok, found: found.into(), remedy: None }
    }

    fn note(check: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Note, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    fn failed(check: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Failed, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut findings = vec![libtorch::version()];
    findings.extend(libtorch::cuda());
    findings.push(checks::threads());
    findings.extend(checks::data_and_models()?);
    findings.push(checks::folder("results", "--out", &arguments.out));
    findings.push(checks::folder("cache", "--cache", &arguments.cache));
    findings.extend(checks::libraries());
    findings.push(checks::compiler());
    findings.push(checks::python());
    findings.push(checks::terminal());
    output::print(&match arguments.json {
        true => json(&findings)?,
        false => text(&findings),
    })?;
    Ok(match findings.iter().any(|finding| finding.state == State::Failed) {
        true => Outcome::NotReady,
        false => Outcome::Done,
    })
}

fn json(findings: &[Finding]) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(findings);
    Ok(json.map_err(|error| Failure::Fault(error.to_string()))? + "\n")
}

/// A line each, with what to do below it.
fn text(findings: &[Finding]) -> String {
    let longest = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { check, state, found, remedy } in findings {
        let mark = match state {
            State::Ok => "ok",
            State::Note => "--",
            State::Failed => "NO",
        };
        let line = format!("{mark}  {check:longest$}  {found}");
        text.push_str(&format!("{}\n", bertillon_reports::plain(&line)));
        if let Some(remedy) = remedy {
            let line = format!("{:indent$}{remedy}", "", indent = longest + 6);
            text.push_str(&format!("{}\n", bertillon_reports::plain(&line)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let findings = [
            Finding::ok("libtorch", "2.11.0"),
            Finding::failed("cache", "can't write", "use another folder"),
            Finding::note("python3", "not found", "install it"),
        ];
        let expected = "ok  libtorch  2.11.0\nNO  cache     can't write\n              use another folder\n\
                        --  python3   not found\n              install it\n";
        assert_eq!(text(&findings), expected);
        let json: serde_json::Value = serde_json::from_str(&json(&findings).unwrap()).unwrap();
        assert_eq!(json[1]["state"], "failed");
        assert_eq!(json[1]["remedy"], "use another folder");
        assert!(json[0].get("remedy").is_none());
    }
}
