//! `bertillon run`.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process,
    str::FromStr,
    sync::{Arc, Weak},
    thread,
};

use bertillon::suite::Suite;
use bertillon_reports as reports;
use bertillon_runner::{Interrupt, Options, PlanSummary};
use clap::Args;
use tch::{Cuda, Device};

use crate::{
    failure::{Failure, INTERRUPTED, Outcome},
    output,
    progress::Reporter,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Suite file
    suite: PathBuf,
    /// Folder for the results [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of what was computed before, shared by all suites
    #[arg(long, value_name = "DIR", default_value = ".bertillon/cache")]
    cache: PathBuf,
    /// Overrides a key of the suite: `--set evaluation.draws=2`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Models that answer at a time [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Seed of everything random, the same as `--set seed=N`
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Shows what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// Shows no progress
    #[arg(long)]
    quiet: bool,
}

/// A device as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = |text: &str| text.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => index(text).map(Self::Cuda).ok_or_else(|| "use auto, cpu or cuda:N".to_owned()),
        }
    }
}

impl DeviceChoice {
    fn device(self) -> Result<Device, Failure> {
        match self {
            Self::Auto => Ok(Device::cuda_if_available()),
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !Cuda::is_available() => Err(Failure::User(
                "this libtorch finds no CUDA device; use --device cpu, or see `bertillon doctor`"
                    .to_owned(),
            )),
            Self::Cuda(index) => match Cuda::device_count() {
                count if usize::try_from(count).is_ok_and(|count| index < count) => {
                    Ok(Device::Cuda(index))
                }
                count => Err(Failure::User(format!(
                    "there is no cuda:{index}: this machine has {count} CUDA devices, counted from 0"
                ))),
            },
        }
    }
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let mut overrides = arguments.overrides;
    overrides.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    let suite = Suite::read(&arguments.suite, &overrides)
        .map_err(bertillon_runner::with_plugin_mistakes)?;
    // Each worker computes by itself: libtorch's own threads would only contend with them.
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let options = Options {
        out: arguments.out.unwrap_or_else(|| PathBuf::from("results").join(&suite.name)),
        cache: arguments.cache,
        device: arguments.device.device()?,
        threads: arguments.threads.map_or(processors, NonZeroUsize::get),
        interrupt: Interrupt::default(),
    };
    if arguments.dry_run {
        output::print(&plan_text(&bertillon_runner::plan(&suite, &options)?))?;
        return Ok(Outcome::Done);
    }
    let reporter = Arc::new(if arguments.quiet { Reporter::quiet() } else { Reporter::new() });
    stop_on_interrupt(options.interrupt.clone(), Arc::downgrade(&reporter))?;
    let finished = bertillon_runner::run(&suite, &options, &*reporter);
    drop(reporter);
    let finished = finished?;
    output::print(&reports::terminal(&finished.results, output::width(), output::colour()))?;
    let answers = match finished.computed {
        0 => "all answers came from the cache".to_owned(),
        1 => "1 answer computed".to_owned(),
        n => format!("{n} answers computed"),
    };
    output::say(&format!("results in {} ({answers})", finished.out.display()));
    match finished.results.failures.len() {
        0 => Ok(Outcome::Done),
        n => {
            output::say(&format!("{n} cells failed, named above; their pairs are in no count"));
            Ok(Outcome::SomeFailed)
        }
    }
}

/// The first Ctrl-C stops the run after the cells in flight, the second at once.
fn stop_on_interrupt(interrupt: Interrupt, reporter: Weak<Reporter>) -> Result<(), Failure> {
    let handler = move || {
        if interrupt.is_set() {
            process::exit(i32::from(INTERRUPTED));
        }
        interrupt.set();
        let message = "\nstopping after what is under way (Ctrl-C again: at once); the same command goes on from there";
        match reporter.upgrade() {
            Some(reporter) => reporter.say(message),
            None => output::say(message),
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::Fault(format!("can't listen for Ctrl-C: {error}")))
}

fn plan_text(plan: &PlanSummary) -> String {
    let mut text = format!(
        "Plan of {}\n  {} vanillas, {} variations of each, {} images in the pool\n",
        plan.suite,
        plan.vanillas,
        plan.variations.len(),
        plan.pool
    );
    if !plan.variations.is_empty() {
        text.push_str(&format!("  {}\n", reports::plain(&plan.variations.join(", "))));
    }
    text.push('\n');
    let head = ["Fingerprint", "Method", "Access", "Knowledge"];
    text.push_str(&output::table(head, plan.fingerprints.iter().cloned(), 4));
    text.push('\n');
    let cells = plan.cells.iter().map(|(step, all, cached)| {
        let left = all.saturating_sub(*cached);
        [step.clone(), all.to_string(), cached.to_string(), left.to_string()]
    });
    text.push_str(&output::table(["Step", "Cells", "In the cache", "Left"], cells, 1));
    text.push_str(&format!(
        "\n{} answers needed, about {} on this machine\n",
        plan.answers_needed,
        output::duration(plan.estimate_s)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_libtorch_names_them() {
        let parse = |text: &str| text.parse::<DeviceChoice>().ok();
        assert_eq!(parse("auto"), Some(DeviceChoice::Auto));
        assert_eq!(parse("cpu"), Some(DeviceChoice::Cpu));
        assert_eq!(parse("cuda"), Some(DeviceChoice::Cuda(0)));
        assert_eq!(parse("cuda:3"), Some(DeviceChoice::Cuda(3)));
        assert!(
            ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"].iter().all(|t| parse(t).is_none())
        );
    }

    #[test]
    fn a_plan_shows_counts_fingerprints_steps_and_time() {
        let plan = PlanSummary {
            suite: "demo".to_owned(),
            vanillas: 12,
            variations: vec!["half".to_owned(), "prune/conv/0.2".to_owned()],
            pool: 2000,
            fingerprints: vec![["FBI", "fbi", "top1", "labels"].map(str::to_owned)],
            cells: vec![("derive".to_owned(), 24, 4)],
            answers_needed: 48_000,
            estimate_s: 150.0,
        };
        let text = plan_text(&plan);
        assert!(text.starts_with("Plan of demo\n  12 vanillas, 2 variations of each, 2000 images"));
        let row = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.lines().any(|line| row(line) == ["FBI", "fbi", "top1", "labels"]), "{text}");
        assert!(text.lines().any(|line| row(line) == ["derive", "24", "4", "20"]), "{text}");
        assert!(text.ends_with("48000 answers needed, about 2 min on this machine\n"), "{text}");
    }
}
