//! The engine of clusters: Slurm.
//!
//! Slurm starts tasks of a lost node again, but none that was killed or ended badly: that is what submitting again is for. A
//! phase follows the one before whatever became of it (`afterany`): what it misses is computed on the way, where `afterok`
//! would wait for ever.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::Path,
    process::Command,
};

use bertillon_runner::Phase;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Job;
use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Jobs that were submitted for a plan, in `jobs.json` beside their scripts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Jobs {
    jobs: Vec<Submitted>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Submitted {
    /// A phase, or `merge`.
    name: String,
    /// Slurm's number.
    job: u64,
    /// Elements of its array.
    tasks: usize,
}

/// So many shards as one array of this cluster can have.
pub(super) fn capped(shards: u64) -> Result<u64, Failure> {
    let config = ask("scontrol", ["show", "config"])?;
    let most = max_array_size(&config).map_or(shards, |size| size.saturating_sub(1).max(1));
    if most < shards {
        output::say(&format!("{most} shards: an array of this cluster can't have more"));
    }
    Ok(shards.min(most))
}

/// `MaxArraySize` of `scontrol show config`: one more than the largest number in an array.
fn max_array_size(config: &str) -> Option<u64> {
    let line = config.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"))?;
    line.trim_start().strip_prefix('=')?.trim().parse().ok()
}

/// Submits an array a phase, and the merge.
pub(super) fn submit(job: &Job<'_>) -> Result<Outcome, Failure> {
    let mut jobs = Jobs::read(&job.folder);
    let mut before = None;
    for (phase, shards) in &job.phases {
        let script = job.folder.join(format!("{}.sh", phase.word()));
        write(&script, &work_script(job, *phase))?;
        let array = format!("--array={}", ranges(shards));
        let log = format!("{}.%a.log", phase.word());
        let name = phase.word();
        let number = sbatch(job, name, &script, &log, before, Some(&array))?;
        let tasks = output::counted(shards.len(), "task", "tasks");
        output::print(&format!("{name}: job {number}, {tasks}\n"))?;
        jobs.jobs.push(Submitted { name: name.to_owned(), job: number, tasks: shards.len() });
        jobs.write(&job.folder)?;
        before = Some(number);
    }
    let script = job.folder.join("merge.sh");
    write(&script, &merge_script(job))?;
    let number = sbatch(job, "merge", &script, "merge.log", before, None)?;
    output::print(&format!(
        "merge: job {number}; its log is {}/merge.log\n",
        job.folder.display()
    ))?;
    jobs.jobs.push(Submitted { name: "merge".to_owned(), job: number, tasks: 1 });
    jobs.write(&job.folder)?;
    Ok(Outcome::Done)
}

fn sbatch(
    job: &Job<'_>,
    name: &str,
    script: &Path,
    log: &str,
    after: Option<u64>,
    array: Option<&str>,
) -> Result<u64, Failure> {
    let mut words: Vec<OsString> = vec![
        "--parsable".into(),
        format!("--job-name=bertillon-{name}").into(),
        "--requeue".into(),
        "--open-mode=append".into(),
    ];
    let mut output = OsString::from("--output=");
    output.push(job.folder.join(log));
    words.push(output);
    words.extend(array.map(OsString::from));
    words.extend(after.map(|number| format!("--dependency=afterany:{number}").into()));
    if array.is_some() {
        words.extend(job.arguments.gpus.map(|gpus| format!("--gpus={gpus}").into()));
    }
    words.extend(job.arguments.sbatch.iter().cloned());
    words.push(script.into());
    let answer = ask("sbatch", &words)?;
    // `123`, or `123;cluster`.
    let number = answer.trim().split(';').next().and_then(|number| number.parse().ok());
    number
        .ok_or_else(|| Failure::User(format!("sbatch gave no job number but `{}`", answer.trim())))
}

fn ask<W: AsRef<OsStr>>(
    program: &str,
    words: impl IntoIterator<Item = W>,
) -> Result<String, Failure> {
    let output = Command::new(program).args(words).output().map_err(|error| {
        Failure::User(format!(
            "`{program}` can't be started ({error}): is Slurm here? --engine local uses this machine alone"
        ))
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::User(format!(
            "`{program}` refused: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

fn work_script(job: &Job<'_>, phase: Phase) -> String {
    let words = [
        quoted(job.program.as_os_str()),
        "work".to_owned(),
        quoted(job.plan.as_os_str()),
        format!("--phase {}", phase.word()),
        format!("--shard \"$SLURM_ARRAY_TASK_ID/{}\"", job.shards),
        "--threads \"${SLURM_CPUS_PER_TASK:-1}\"".to_owned(),
    ];
    script(words, &job.options)
}

fn merge_script(job: &Job<'_>) -> String {
    let words = [
        quoted(job.program.as_os_str()),
        "merge".to_owned(),
        quoted(job.plan.as_os_str()),
        "--threads \"${SLURM_CPUS_PER_TASK:-1}\"".to_owned(),
    ];
    script(words, &job.options)
}

fn script(words: impl IntoIterator<Item = String>, options: &[OsString]) -> String {
    let options = options.iter().map(|word| quoted(word));
    let words: Vec<String> = words.into_iter().chain(options).collect();
    format!("#!/bin/sh\nexec {}\n", words.join(" "))
}

/// A word as a shell takes it back.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

/// `1-3,7` of ascending numbers.
fn ranges(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::User(format!("{} can't be written: {error}", path.display())))
}

impl Jobs {
    /// Those of a folder; none where there is none, or it can't be read.
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join("jobs.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).expect("plain data serialises");
        write(&folder.join("jobs.json"), &(text + "\n"))
    }

    /// What Slurm says of them: name, state, tasks in that state; those that it has forgotten are over.
    ///
    /// # Errors
    /// Why it can't be asked.
    pub(crate) fn states(&self) -> Result<Vec<(String, String, usize)>, String> {
        if self.jobs.is_empty() {
            return Ok(Vec::new());
        }
        let output = Command::new("squeue").arg("--json").output();
        let output = output.map_err(|error| format!("squeue can't be started: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let queue: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let queued = queue["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut states: Vec<(String, String, usize)> = Vec::new();
        for entry in queued {
            let number = [&entry["array_job_id"], &entry["job_id"]];
            let number = number.into_iter().filter_map(number_of).find(|&number| number > 0);
            let ours = self.jobs.iter().find(|job| Some(job.job) == number);
            let Some(ours) = ours else { continue };
            let state = state_of(&entry["job_state"]);
            let tasks = tasks_of(&entry["array_task_string"]);
            match states.iter_mut().find(|(name, known, _)| *name == ours.name && *known == state) {
                Some((_, _, count)) => *count += tasks,
                None => states.push((ours.name.clone(), state, tasks)),
            }
        }
        Ok(states)
    }
}

/// A number, plain or as later versions have it: `{"set": true, "number": 7}`.
fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value["number"].as_u64())
}

/// `RUNNING`, plain or in a list.
fn state_of(value: &Value) -> String {
    let text = value.as_str().or_else(|| value[0].as_str());
    text.unwrap_or("unknown").to_lowercase()
}

/// Tasks of an array that are still pending together, `3-5,9`; 1 for anything else.
fn tasks_of(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    let text = text.split('%').next().unwrap_or_default();
    let count = |part: &str| match part.split_once('-') {
        Some((from, to)) => {
            let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
            Some(to.checked_sub(from)? + 1)
        }
        None => part.parse::<usize>().ok().map(|_| 1),
    };
    let counts: Option<Vec<usize>> = text.split(',').map(count).collect();
    counts.map_or(1, |counts| counts.iter().sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_slurm_says_is_understood_in_its_older_and_newer_forms() {
        let config = "Configuration data\nMaxArraySize            = 1001\nMaxJobCount = 10000\n";
        assert_eq!(max_array_size(config), Some(1001));
        assert_eq!(max_array_size("nothing"), None);
        assert_eq!(number_of(&json!(7)), Some(7));
        assert_eq!(number_of(&json!({ "set": true, "infinite": false, "number": 7 })), Some(7));
        assert_eq!(state_of(&json!("RUNNING")), "running");
        assert_eq!(state_of(&json!(["PENDING"])), "pending");
        assert_eq!(tasks_of(&json!("3-5,9%2")), 4);
        assert_eq!(tasks_of(&json!("")), 1);
    }

    #[test]
    fn arrays_name_runs_of_shards() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3,7,9-10");
        assert_eq!(ranges(&[4]), "4");
    }

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        let word = "it's $HOME \"and\" `more` \\";
        let output = Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted(OsStr::new(word)))])
            .output();
        assert_eq!(String::from_utf8_lossy(&output.expect("a shell").stdout), word);
    }
}
