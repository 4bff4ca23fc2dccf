//! `bertillon history`.

use std::{fs, path::PathBuf, time::Duration};

use bertillon_history::{Added, Entry, Run, Series, Store, Wanted, csv, page, series, sparkline};
use bertillon_reports as reports;
use clap::{Args, Subcommand};

use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Runs that a sparkline shows.
const BARS: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The history's file
    #[arg(long, global = true, value_name = "FILE", default_value = ".bertillon/history.sqlite")]
    db: PathBuf,
    /// Seconds to wait for other programs that write to it
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Adds a run; the same results of the same commit are added once
    Add(Add),
    /// Shows how rates moved
    Show(Chosen),
    /// Writes a page of charts
    Html {
        #[command(flatten)]
        chosen: Chosen,
        /// Writes to a file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Writes every rate of every run as CSV
    Export {
        /// Writes to a file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Folder that `bertillon run` wrote
    #[arg(value_name = "DIR")]
    run: PathBuf,
    /// Commit of the code under test
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// When it was run, 2026-11-24 or 2026-11-24T12:30:00Z [default: as the run itself says]
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
}

#[derive(Debug, Args)]
struct Chosen {
    /// Of this suite only
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Of this fingerprint only, run by run
    #[arg(long, value_name = "NAME")]
    fingerprint: Option<String>,
    /// At this budget [default: each suite's primary budget]
    #[arg(long, value_name = "L")]
    budget: Option<i64>,
    /// Of this kind of variant, such as prune/conv [default: over all]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

impl Chosen {
    fn of(&self, entries: &[Entry]) -> Result<Vec<Series>, Failure> {
        let wanted = Wanted {
            suite: self.suite.clone(),
            fingerprint: self.fingerprint.clone(),
            budget: self.budget,
            kind: self.kind.clone(),
        };
        let found = series(entries, &wanted);
        if found.is_empty() && !entries.is_empty() {
            let mut names: Vec<&str> = entries.iter().map(|e| e.fingerprint.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            return Err(Failure::User(format!(
                "no run of the history has such rates; its fingerprints are: {}",
                reports::plain(&names.join(", "))
            )));
        }
        Ok(found)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let wait = Duration::from_secs(arguments.wait);
    let entries = || {
        let store = Store::open(&arguments.db, wait)?;
        store.entries()
    };
    let entries = || entries().map_err(|error| Failure::user(&error));
    match &arguments.command {
        Command::Add(add) => add_run(arguments, add, wait)?,
        Command::Show(chosen) => {
            output::print(&shown(&chosen.of(&entries()?)?, chosen.fingerprint.is_some()))?;
        }
        Command::Html { chosen, output } => {
            output::write(output.as_ref(), &page(&chosen.of(&entries()?)?))?;
        }
        Command::Export { output } => {
            let text = csv(&entries()?).map_err(|error| Failure::Fault(error.to_string()))?;
            output::write(output.as_ref(), &text)?;
        }
    }
    Ok(Outcome::Done)
}

fn add_run(arguments: &Arguments, add: &Add, wait: Duration) -> Result<(), Failure> {
    let results = reports::read(&add.run).map_err(|error| Failure::user(&error))?;
    let provenance = reports::read_provenance(&add.run).map_err(|error| Failure::user(&error))?;
    let run = Run::new(&results, provenance.as_ref(), add.commit.clone(), add.date.clone());
    if !run.has_date() {
        return Err(Failure::User(
            "no provenance.json says when this was run: give --date 2026-11-24".to_owned(),
        ));
    }
    if results.fingerprints.is_empty() {
        return Err(Failure::User("a run without detection has no rates to keep".to_owned()));
    }
    if let Some(folder) = arguments.db.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::User(format!("can't make {}: {error}", folder.display())))?;
    }
    let added = Store::create(&arguments.db, wait).and_then(|mut store| store.add(&run));
    match added.map_err(|error| Failure::user(&error))? {
        Added::New => output::say(&format!("added to {}", arguments.db.display())),
        Added::Known => output::say(&format!(
            "{} has these results of this commit already: nothing was added",
            arguments.db.display()
        )),
    }
    Ok(())
}

/// A line a series; with `each`, a line a run as well.
fn shown(all: &[Series], each: bool) -> String {
    if all.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let percent = |rate: f64| format!("{:.1}", 100.0 * rate);
    let head =
        ["Suite", "Fingerprint", "Kind", "L", "Runs", "Rate %", "Rates, oldest first", "Last"];
    let rows = all.iter().map(|series| {
        let rates: Vec<f64> = series.points.iter().map(|point| point.rate).collect();
        let last = series.points.last();
        [
            series.suite.clone(),
            series.fingerprint.clone(),
            if series.kind.is_empty() { "all".to_owned() } else { series.kind.clone() },
            series.budget.to_string(),
            rates.len().to_string(),
            last.map(|point| percent(point.rate)).unwrap_or_default(),
            sparkline(&rates, BARS),
            last.map(bertillon_history::Point::label).unwrap_or_default(),
        ]
    });
    let mut text = output::table(head, rows, 8);
    for series in all.iter().filter(|_| each) {
        let title = format!("{} of {}, L = {}", series.fingerprint, series.suite, series.budget);
        text.push_str(&format!("\n{}\n", reports::plain(&title)));
        let rows = series.points.iter().rev().map(|point| {
            let interval =
                point.ci95.map(|[low, high]| format!("[{}, {}]", percent(low), percent(high)));
            [
                point.date.clone(),
                point.commit.clone().unwrap_or_default(),
                percent(point.rate),
                interval.unwrap_or_default(),
            ]
        });
        text.push_str(&output::table(["Date", "Commit", "Rate %", "95 % interval"], rows, 2));
    }
    text
}
