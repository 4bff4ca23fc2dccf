//! `bertillon init`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};

use super::{libraries::LibraryArguments, schema};
use crate::{
    failure::{Failure, Outcome},
    output,
};

/// Where a suite finds its schema, from its own folder.
const SCHEMA: &str = ".bertillon/suite.schema.json";

const HEAD: &str = include_str!("../../templates/init/head.toml.txt");
const ZOO: &str = include_str!("../../templates/init/zoo.toml.txt");
const RECORDED: &str = include_str!("../../templates/init/recorded.toml.txt");
const EVALUATION: &str = include_str!("../../templates/init/evaluation.toml.txt");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File of the suite
    #[arg(default_value = "suite.toml", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// On the networks that come with bertillon (what it does without --recorded)
    #[arg(long)]
    zoo: bool,
    /// On a folder of recorded answers
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "zoo")]
    recorded: Option<PathBuf>,
    /// Overwrites a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    libraries: LibraryArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    // So that editors know their plugins too.
    arguments.libraries.load()?;
    let file = &arguments.file;
    let text = match &arguments.recorded {
        Some(folder) => recorded(file, folder)?,
        None => suite(file, ZOO),
    };
    write(file, &text, arguments.force)?;
    let schema_file = folder_of(file).join(SCHEMA);
    let unwritten = |error: io::Error| {
        Failure::User(format!("can't write to {}: {error}", schema_file.display()))
    };
    fs::create_dir_all(folder_of(&schema_file)).map_err(unwritten)?;
    fs::write(&schema_file, schema::text()?).map_err(unwritten)?;
    let shown = bertillon_reports::plain(&file.display().to_string());
    output::print(&format!(
        "{shown} is a suite, with every key explained, and runs as it stands:\n  bertillon run {shown} --dry-run   # what it \
         would do, and how long that takes\n  bertillon run {shown}\n"
    ))?;
    Ok(Outcome::Done)
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    let written =
        options.open(file).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "is there already; name another file, or overwrite it with --force".to_owned()
            }
            _ => format!("can't be written: {error}"),
        };
        Failure::User(format!("{} {what}", file.display()))
    })
}

/// A suite of this middle part.
fn suite(file: &Path, middle: &str) -> String {
    let name = name(file);
    let file = bertillon_reports::plain(&file.display().to_string());
    let head = HEAD.replace("{name}", &name).replace("{file}", &file);
    format!("{head}{middle}{EVALUATION}")
}

/// A suite on the answers in `folder`.
fn recorded(file: &Path, folder: &Path) -> Result<String, Failure> {
    let refused = |problem: &str| Failure::User(format!("{}: {problem}", folder.display()));
    if !folder.is_dir() {
        return Err(refused("is no folder; name the one with the recorded answers"));
    }
    // A suite's paths are relative to it, those of the command line to where one is.
    let path = match folder.is_relative() && folder_of(file) != Path::new(".") {
        true => folder.canonicalize().map_err(|error| refused(&error.to_string()))?,
        false => folder.to_owned(),
    };
    let path = path.to_str().ok_or_else(|| refused("its name is not UTF-8, as a suite must be"))?;
    let path = toml::Value::from(path).to_string();
    let has_manifest = ["manifest.toml", "manifest.csv"].iter().any(|m| folder.join(m).is_file());
    let layout = match has_manifest {
        true => {
            "# How files are named, `layout = \"fbi\"`; here the manifest in the folder says which is which."
        }
        false => {
            "layout = \"fbi\" # files are named KIND-MODEL-PARAMETERS.npy; leave it out where there is a manifest"
        }
    };
    let middle = RECORDED.replace("{layout}", layout).replace("{path}", &path);
    Ok(suite(file, &middle))
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A suite's name from that of its file.
fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = stem.chars().map(|c| if allowed(c) { c } else { '-' }).take(100).collect();
    match name.trim_start_matches('.') {
        "" => "suite".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bertillon::suite::Suite;

    use super::*;

    /// What a suite says, without where it says it.
    fn said(text: &str) -> String {
        let suite = Suite::parse(Path::new("suite.toml"), text, &[]).unwrap();
        let parts = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            suite.name,
            suite.seed,
            suite.plugins,
            suite.variants,
            suite.fingerprints,
            suite.evaluation,
            suite.figures,
            suite.published
        );
        let mut pieces = parts.split(", at: ");
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |all, piece| all + piece.split_once(' ').map_or("", |(_, rest)| rest))
    }

    /// The suite with every key that is commented out put in force.
    fn in_force(text: &str) -> (String, usize) {
        let mut count = 0;
        let is_key = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let lines = text.lines().map(|line| {
            let key =
                line.strip_prefix("# ").and_then(|line| Some((line, line.split_once(" = ")?.0)));
            match key.filter(|(_, key)| is_key(key)) {
                Some((line, _)) => {
                    count += 1;
                    line.to_owned()
                }
                None => line.to_owned(),
            }
        });
        let lines: Vec<String> = lines.collect();
        (lines.join("\n"), count)
    }

    fn texts() -> [String; 2] {
        let folder = tempfile::tempdir().unwrap();
        [suite(Path::new("my.toml"), ZOO), recorded(Path::new("my.toml"), folder.path()).unwrap()]
    }

    #[test]
    fn keys_that_are_commented_out_stand_with_their_defaults() {
        for text in texts() {
            let (explicit, count) = in_force(&text);
            assert!(count >= 11, "{count} in\n{explicit}");
            assert_eq!(said(&explicit), said(&text));
        }
    }

    #[test]
    fn every_key_of_a_suite_is_explained() {
        let known = "name seed plugins published data models variants fingerprints evaluation figures task budgets \
                     primary_budget false_positive_rate max_accuracy_drop draws peers negatives protocol rehearsals \
                     identification sequential by unknown goals scores top_k perplexities histograms";
        for text in texts() {
            for key in known.split_whitespace() {
                let marks = [
                    format!("{key} ="),
                    format!("`{key} "),
                    format!("[{key}]"),
                    format!(".{key}]"),
                ];
                assert!(marks.iter().any(|mark| text.contains(mark)), "{key} in\n{text}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
            assert!(!text.contains('{') || !text.contains("{name}") && !text.contains("{path}"));
        }
    }

    #[test]
    fn a_name_that_no_suite_may_have_is_made_one() {
        let names = ["my suite.toml", "a/b/ümlaut.toml", ".hidden", "..", "x.y.toml"];
        let made = names.map(|file| name(Path::new(file)));
        assert_eq!(made, ["my-suite", "-mlaut", "hidden", "suite", "x.y"]);
    }

    #[test]
    fn paths_of_any_name_are_written_as_toml() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a \"b\" \\ c\u{7f}");
        fs::create_dir(&odd).unwrap();
        let text = recorded(Path::new("my.toml"), &odd).unwrap();
        let suite = Suite::parse(Path::new("my.toml"), &text, &[]).unwrap();
        let (key, path) = &suite.data.parameters[0];
        assert_eq!((key.value.as_str(), path.value.as_str()), ("path", odd.to_str()));
    }
}
