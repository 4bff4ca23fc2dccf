//! `bertillon record`.

use std::{fs, path::PathBuf};

use bertillon_datasets::recorded::{self, ManifestRow};
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
    /// Folder for the answers
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let suite = arguments.suite.read()?;
    let options = arguments.suite.options(arguments.out.clone())?;
    // Before anything is computed: a recording is never mixed with what lies there.
    if fs::read_dir(&arguments.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::User(format!(
            "{} is not empty; give --out a folder that is, or that does not exist",
            arguments.out.display()
        )));
    }
    let recording = arguments
        .suite
        .machine()
        .watched(&options, |reporter| bertillon_runner::record(&suite, &options, reporter))?;
    let models = recording.models.iter().map(|model| {
        let row = ManifestRow {
            family: model.family.clone(),
            ancestry: Some(model.ancestry.clone()),
            variation: model.variation.clone(),
        };
        (row, &model.answers)
    });
    recorded::write(&arguments.out, &recording.truth, recording.classes, models)
        .map_err(|error| Failure::User(error.to_string()))?;
    for name in &recording.unchanged {
        arguments.suite.machine().note(&format!("{name}: left out, its generator changed nothing"));
    }
    for failure in &recording.failures {
        output::say(&format!("{}: left out, {}", failure.subject, failure.reason));
    }
    arguments.suite.machine().note(&format!(
        "answers of {} models to {} images in {}",
        recording.models.len(),
        recording.truth.len(),
        arguments.out.display()
    ));
    Ok(if recording.failures.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}
