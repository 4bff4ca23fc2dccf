//! `bertillon verify`.

mod answers;
mod export;
mod module;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use bertillon::Images;
use bertillon_command as command;
use bertillon_reports::plain;
use bertillon_runner::{Answering, Enrolled, MethodSource, Suspect, Verdict};
use clap::{ArgGroup, Args, ValueHint};

use self::module::ModuleArguments;
use super::{
    enroll::{distance, line, own, strangers, warnings},
    suite::{WorkArguments, seconds},
};
use crate::{
    failure::{Failure, Outcome, chain},
    output,
};

/// What stands under every verdict.
const EVIDENCE: &str = "A verdict is evidence, no proof: the rates are those of the models named above, and of \
                        families that are not among them nothing is known.";

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("who").args(["suspect", "model", "command", "export"]).required(true)),
    override_usage = "bertillon verify [OPTIONS] <FILE> <SUSPECT>\n       \
        bertillon verify [OPTIONS] <FILE> --suite <SUITE> --model <NAME>\n       \
        bertillon verify [OPTIONS] <FILE> --command <PROGRAM> [ARGUMENT]...\n       \
        bertillon verify [OPTIONS] <FILE> --export <DIR>",
    after_help = "The exit code tells whether there is a verdict, not which; with --exit-code it is 1 where the suspect is rejected."
)]
pub(crate) struct Arguments {
    /// What `bertillon enroll` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// A TorchScript module (.pt), or answers that were recorded: to the queries in their order, or to the whole pool (.npy:
    /// labels, the best first, or scores; .csv: columns `query` and `label`, as --export writes them)
    #[arg(value_hint = ValueHint::FilePath)]
    suspect: Option<PathBuf>,
    /// A model of a suite: a vanilla, or a variant as `prune/conv/0.2 of lenet-a`
    #[arg(long, value_name = "NAME", requires = "suite")]
    model: Option<String>,
    /// The suite of --model
    #[arg(long, value_name = "SUITE", value_hint = ValueHint::FilePath, requires = "model")]
    suite: Option<PathBuf>,
    /// A program that answers images, with its arguments: all that follows on the line (docs/VERIFY.md). It runs with your
    /// rights
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 1..,
        allow_hyphen_values = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    command: Option<Vec<OsString>>,
    /// Judges nobody, and writes the queries into a folder: as PNG, as .npy, and a table for the answers
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    export: Option<PathBuf>,
    /// Longest that --command may take to answer
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    time_limit: Duration,
    /// Judges though the method's code is not what the fingerprint was enrolled by
    #[arg(long)]
    force: bool,
    /// Writes the verdict as JSON
    #[arg(long)]
    json: bool,
    /// Ends with exit code 1 where the suspect is rejected
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    module: ModuleArguments,
    #[command(flatten, next_help_heading = "Options of the work")]
    work: WorkArguments,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let enrolled = Enrolled::read(&arguments.file)?;
    if let Some(folder) = &arguments.export {
        let written = export::write(&enrolled, folder)?;
        arguments.work.machine().note(&written);
        return Ok(Outcome::Done);
    }
    arguments.work.machine().load_plugins()?;
    let suspect = suspect(&arguments, &enrolled)?;
    let source = match arguments.force {
        true => MethodSource::Any,
        false => MethodSource::AsEnrolled,
    };
    let verdict = bertillon_runner::verify(&enrolled, suspect, source)?;
    output::print(&match arguments.json {
        true => serde_json::to_string_pretty(&verdict).expect("plain data serialises") + "\n",
        false => text(&enrolled, &verdict),
    })?;
    Ok(match arguments.exit_code && !verdict.accepted {
        true => Outcome::GateFailed,
        false => Outcome::Done,
    })
}

fn suspect(arguments: &Arguments, enrolled: &Enrolled) -> Result<Suspect<'static>, Failure> {
    let options = arguments.work.options(PathBuf::new())?;
    let file = arguments.suspect.as_deref();
    let kind = file.map(|file| file.extension().and_then(|kind| kind.to_str()).unwrap_or_default());
    if !matches!(kind, Some("pt" | "pth")) {
        arguments.module.refuse_any()?;
    }
    if let (Some(name), Some(suite)) = (&arguments.model, &arguments.suite) {
        let suite = arguments.work.read(suite)?;
        return arguments.work.machine().watched(&options, |reporter| {
            bertillon_runner::suspect_of_suite(enrolled, &suite, &options, name, reporter)
        });
    }
    if let Some(words) = &arguments.command {
        return program(words, arguments.time_limit, enrolled);
    }
    let file = file.expect("one of the group is given");
    let name = file.display().to_string();
    let answering = match kind {
        Some("pt" | "pth") => arguments.module.load(file, enrolled, options.device)?,
        Some("npy") => Answering::Given(answers::from_npy(file, enrolled)?),
        Some("csv") => Answering::Given(answers::from_csv(file, enrolled)?),
        _ => {
            return Err(Failure::User(format!(
                "{name}: a suspect is a TorchScript module (.pt), or recorded answers (.npy, .csv); see also --model and \
                 --command"
            )));
        }
    };
    Ok(Suspect { name, answering })
}

fn program(
    words: &[OsString],
    time_limit: Duration,
    enrolled: &Enrolled,
) -> Result<Suspect<'static>, Failure> {
    enrolled.image_shape()?;
    let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let name = shown.join(" ");
    let program = command::Suspect::new(words, time_limit);
    let program = program.map_err(|error| Failure::User(chain(&error)))?;
    let (classes, ranks) = (enrolled.card.classes, enrolled.card.ranks);
    let ask = move |images: &Images| program.answer(images, classes, ranks);
    Ok(Suspect { name, answering: Answering::Asked(Box::new(ask)) })
}

fn text(enrolled: &Enrolled, verdict: &Verdict) -> String {
    let card = &enrolled.card;
    let judged = match verdict.accepted {
        true => format!("accepted as {} or a variant of it", verdict.owner),
        false => format!("rejected: not shown to be {} or a variant of it", verdict.owner),
    };
    let known = |value: Option<f64>| value.map_or("none".to_owned(), distance);
    let found = match verdict.distance {
        Some(found) => distance(found),
        None => "none: these answers tell nothing".to_owned(),
    };
    let threshold = match verdict.threshold {
        Some(threshold) => format!("accepted below {}", distance(threshold)),
        None => "accepted if it can be told".to_owned(),
    };
    let near = format!(
        "{} of these {} models, or nearer; the nearest: {}",
        verdict.strangers.as_near,
        verdict.strangers.models,
        known(verdict.strangers.nearest)
    );
    let spent = output::counted(verdict.queries_spent, "query", "queries");
    let mut text = plain(&format!("{}: {judged}", verdict.suspect)) + "\n";
    for (name, value) in [
        ("method", verdict.fingerprint.clone()),
        ("distance", format!("{found}; {threshold}")),
        ("strangers", strangers(card)),
        ("as near", near),
        ("own", own(card)),
        ("spent", format!("{spent} of {} allowed", verdict.budget)),
    ] {
        text.push_str(&line(name, &value));
    }
    text + EVIDENCE + "\n" + &warnings(&verdict.warnings)
}
