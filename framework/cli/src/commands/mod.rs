//! The commands, a file each.

mod audit;
mod baseline;
mod cache;
mod compare;
mod completions;
mod describe;
mod doctor;
mod enroll;
mod folders;
mod history;
mod init;
mod libraries;
mod list;
mod merge;
mod new;
mod parameters;
mod plan;
mod record;
mod report;
mod reproduce;
mod run;
mod schema;
mod status;
mod submit;
mod suite;
mod verify;
mod work;
mod zoo;

use clap::{Parser, Subcommand};

use crate::failure::{ErrorFormat, Failure, Outcome};

/// Which fingerprinting method recognises a stolen classifier, and on which variants does it fail?
#[derive(Debug, Parser)]
#[command(name = "bertillon", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// How errors are written to standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) error_format: ErrorFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a suite, shows its tables and writes its results
    Run(run::Arguments),
    /// Freezes a suite into a plan that many processes work on
    Plan(plan::Arguments),
    /// Works on a share of a plan
    Work(work::Arguments),
    /// Writes the results of a plan all of whose cells are there
    Merge(merge::Arguments),
    /// Has a plan worked on by a cluster, or by processes of this machine, and merged
    Submit(submit::Arguments),
    /// Shows how far a plan is
    Status(status::Arguments),
    /// Computes a share of a finished run again and compares
    Reproduce(reproduce::Arguments),
    /// Looks after the cache: what it holds, whether it is whole, what may go
    Cache(cache::Arguments),
    /// Looks for faults of a suite's models and data; exit code 1 when a finding is an error
    Audit(audit::Arguments),
    /// Writes the answers of a suite's models, to be scored elsewhere without the models
    Record(record::Arguments),
    /// Enrols a model by one fingerprint of a suite, for use without the suite
    Enroll(enroll::Arguments),
    /// Puts an enrolled fingerprint to one suspect
    Verify(Box<verify::Arguments>),
    /// Writes a suite to start from, with every key explained
    Init(init::Arguments),
    /// Lists plugins, or suites
    List(list::Arguments),
    /// Describes a plugin: what it does, what it needs, its parameters
    Describe(describe::Arguments),
    /// Writes the crate of a new plugin, ready to build, test and run
    New(new::Arguments),
    /// Shows a finished run again
    Report(report::Arguments),
    /// Compares two runs; with --gate, fails on a loss beyond noise
    Compare(compare::Arguments),
    /// Writes what comparisons need of a run, small enough for a repository
    Baseline(baseline::Arguments),
    /// Keeps detection rates of many runs, and shows how they moved
    History(history::Arguments),
    /// Writes the JSON schema of suites, for editors
    Schema(schema::Arguments),
    /// Checks that this machine is ready
    Doctor(doctor::Arguments),
    /// The networks that come with bertillon
    Zoo(zoo::Arguments),
    /// Writes completions for a shell
    Completions(completions::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Run(arguments) => run::run(arguments),
            Self::Plan(arguments) => plan::run(&arguments),
            Self::Work(arguments) => work::run(&arguments),
            Self::Merge(arguments) => merge::run(arguments),
            Self::Submit(arguments) => submit::run(&arguments),
            Self::Status(arguments) => status::run(&arguments),
            Self::Reproduce(arguments) => reproduce::run(&arguments),
            Self::Cache(arguments) => cache::run(&arguments),
            Self::Audit(arguments) => audit::run(&arguments),
            Self::Record(arguments) => record::run(arguments),
            Self::Enroll(arguments) => enroll::run(arguments),
            Self::Verify(arguments) => verify::run(*arguments),
            Self::Init(arguments) => init::run(&arguments),
            Self::List(arguments) => list::run(&arguments),
            Self::Describe(arguments) => describe::run(&arguments),
            Self::New(arguments) => new::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Compare(arguments) => compare::run(&arguments),
            Self::Baseline(arguments) => baseline::run(&arguments),
            Self::History(arguments) => history::run(&arguments),
            Self::Schema(arguments) => schema::run(&arguments),
            Self::Doctor(arguments) => doctor::run(&arguments),
            Self::Zoo(arguments) => zoo::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments),
        }
    }
}
