//! `bertillon audit`.

use std::path::{Path, PathBuf};

use bertillon::audit::{Audit, Severity};
use bertillon_reports::{self as reports, audit as rendered};
use clap::{Args, ValueEnum, ValueHint};

use super::suite::WorkArguments;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Suite file: its models are asked (the cache keeps their answers). Or the folder of a finished run: what its results
    /// tell
    #[arg(value_name = "SUITE|DIR", value_hint = ValueHint::AnyPath)]
    subject: PathBuf,
    /// How to render it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Writes to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    work: WorkArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Terminal,
    /// Every finding with its evidence
    Json,
    /// SARIF 2.1.0, which code hosts show beside a pull request
    Sarif,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let subject = &arguments.subject;
    let (audit, file) = match subject.is_dir() {
        true => (of_run(subject)?, subject.join(reports::FILE_NAME)),
        false => (of_suite(arguments)?, subject.clone()),
    };
    let text = match (arguments.format, &arguments.output) {
        (Format::Json, _) => rendered::json(&audit),
        (Format::Sarif, _) => rendered::sarif(&audit, &address(&file)),
        (Format::Terminal, None) => rendered::terminal(&audit, output::width(), output::colour()),
        (Format::Terminal, Some(_)) => rendered::terminal(&audit, None, reports::Colour::Never),
    };
    output::write(arguments.output.as_ref(), &text)?;
    Ok(match audit.count(Severity::Error) {
        0 => Outcome::Done,
        _ => Outcome::GateFailed,
    })
}

fn of_suite(arguments: &Arguments) -> Result<Audit, Failure> {
    let work = &arguments.work;
    work.machine().load_plugins()?;
    let suite = work.read(&arguments.subject)?;
    let options = work.options(PathBuf::new())?;
    work.machine().watched(&options, |reporter| bertillon_runner::audit(&suite, &options, reporter))
}

fn of_run(folder: &Path) -> Result<Audit, Failure> {
    if !folder.join(reports::FILE_NAME).is_file() {
        return Err(Failure::User(format!(
            "{} holds no {}: give the folder of a finished run, or a suite; recorded answers are audited through a suite \
             (`bertillon init SUITE --recorded {}`)",
            folder.display(),
            reports::FILE_NAME,
            folder.display()
        )));
    }
    let results = reports::read(folder).map_err(|error| Failure::user(&error))?;
    let pairs = match reports::pairs::read(folder, &results) {
        Ok(pairs) => Some(pairs),
        Err(reports::ReportError::Missing { .. }) => None,
        Err(error) => return Err(Failure::user(&error)),
    };
    Ok(rendered::of_run(&results, pairs.as_deref()))
}

/// A path as an address in SARIF: relative to the working folder where it lies in it.
fn address(file: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| file.strip_prefix(here).ok().map(Path::to_path_buf));
    let path = relative.unwrap_or_else(|| file.to_path_buf());
    let text = path.to_string_lossy().replace('\\', "/");
    let mut address = String::new();
    for byte in text.strip_prefix("./").unwrap_or(&text).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'~' | b'-' => {
                address.push(char::from(byte));
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_relative_and_escaped() {
        assert_eq!(address(Path::new("./suites/my suite.toml")), "suites/my%20suite.toml");
        let here = std::env::current_dir().unwrap();
        assert_eq!(address(&here.join("a/results.json")), "a/results.json");
        assert_eq!(address(Path::new("/elsewhere/é.toml")), "/elsewhere/%C3%A9.toml");
    }
}
