//! The engine of one machine: so many processes at a time.

use std::{
    ffi::OsString,
    fs::File,
    num::NonZeroUsize,
    process::{Child, Command, Stdio},
    thread,
};

use bertillon_runner::Phase;

use super::Job;
use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Does all phases, one after the other, and merges.
pub(super) fn submit(job: &Job<'_>) -> Result<Outcome, Failure> {
    for (phase, shards) in &job.phases {
        let processes = output::counted(shards.len(), "process", "processes");
        output::print(&format!("{}: {processes}\n", phase.word()))?;
        let started = shards.iter().map(|shard| start(job, *phase, *shard));
        let mut children: Vec<(u64, Child)> = Vec::new();
        let mut refused = None;
        for (child, shard) in started.zip(shards) {
            match child {
                Ok(child) => children.push((*shard, child)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let mut broken = Vec::new();
        for (shard, mut child) in children {
            match child.wait() {
                Ok(status) if status.success() => {}
                _ => broken.push(shard.to_string()),
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        if !broken.is_empty() {
            return Err(Failure::User(format!(
                "{}: shards {} did not end well, see {}; submitting again goes on from there",
                phase.word(),
                broken.join(", "),
                job.folder.display()
            )));
        }
    }
    let status = Command::new(&job.program)
        .arg("merge")
        .arg(&job.plan)
        .args(&job.options)
        .status()
        .map_err(|error| failed(job, &error))?;
    match status.code() {
        Some(0) => Ok(Outcome::Done),
        Some(3) => Ok(Outcome::SomeFailed),
        _ => Err(Failure::User("the merge did not end well, as it said above".into())),
    }
}

fn start(job: &Job<'_>, phase: Phase, shard: u64) -> Result<Child, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let processes = job.phases.iter().find(|(each, _)| *each == phase).map_or(1, |(_, s)| s.len());
    let log = job.folder.join(format!("{}.{shard}.log", phase.word()));
    let log =
        File::options().create(true).append(true).open(&log).map_err(|error| {
            Failure::User(format!("{} can't be written: {error}", log.display()))
        })?;
    let copy = log.try_clone().map_err(|error| failed(job, &error))?;
    Command::new(&job.program)
        .arg("work")
        .arg(&job.plan)
        .args(words(job, phase, shard, (cores / processes).max(1)))
        .args(&job.options)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .spawn()
        .map_err(|error| failed(job, &error))
}

fn words(job: &Job<'_>, phase: Phase, shard: u64, threads: usize) -> [OsString; 6] {
    [
        "--phase".into(),
        phase.word().into(),
        "--shard".into(),
        format!("{shard}/{}", job.shards).into(),
        "--threads".into(),
        threads.to_string().into(),
    ]
}

fn failed(job: &Job<'_>, error: &std::io::Error) -> Failure {
    Failure::User(format!("{} can't be started: {error}", job.program.display()))
}
