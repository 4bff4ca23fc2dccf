//! Writes recorded answers, for others to read.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bertillon::{
    Access, Answers, Error, Result, Variation,
    manifest::{Manifest, Row},
    npy::{self, MAX_CLASSES},
};

use super::{
    TRUTH,
    listing::MANIFESTS,
    population::{Member, Population, known_group},
};

/// Longest part of a file's name that tells the model, in bytes.
const NAME: usize = 100;

/// What a model is whose answers are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Name of the vanilla that it is or derives from.
    pub family: String,
    /// How it was derived; none for the vanilla itself.
    pub variation: Option<Variation>,
    /// Ancestry of a vanilla, where it is not its name.
    pub ancestry: Option<String>,
}

/// Records the answers of models to the images whose true labels are `truth`.
///
/// The folder gets `ground_truth.npy`, one `.npy` file a model (u16, `[images]` or `[images, ranks]`) and a
/// `manifest.toml` with the digest of each. It appears as a whole, or not at all.
///
/// # Errors
/// When the folder is not empty or can't be written; when models differ in images or ranks, a label is no class, a
/// model comes twice or a variant without its vanilla, or a name can't be written down.
pub fn write<'a>(
    folder: &Path,
    truth: &[u16],
    classes: usize,
    models: impl Iterator<Item = (ManifestRow, &'a Answers)>,
) -> Result<()> {
    if !(1..=MAX_CLASSES).contains(&classes) || truth.is_empty() {
        let problem = format!("{classes} classes and {} images are no recording", truth.len());
        return Err(Error::Refused(problem));
    }
    let draft = Draft::start(folder)?;
    check_labels("the ground truth", truth, classes)?;
    draft.file(TRUTH, &npy::to_bytes(truth, 1))?;
    let mut ranks = None;
    let mut rows = Vec::new();
    for (number, (row, answers)) in (1..).zip(models) {
        let name = match &row.variation {
            None => row.family.clone(),
            Some(variation) => format!("{}/{variation}", row.family),
        };
        let expected = *ranks.get_or_insert(answers.ranks());
        if answers.len() != truth.len() || answers.ranks() != expected {
            return Err(Error::Refused(format!(
                "`{name}` has top-{} answers to {} images, expected top-{expected} to {}",
                answers.ranks(),
                answers.len(),
                truth.len()
            )));
        }
        check_labels(&name, answers.as_slice(), classes)?;
        let file = file_name(number, &name);
        draft.file(&file, &npy::to_bytes(answers.as_slice(), answers.ranks()))?;
        let digest = answers.digest();
        rows.push(manifest_row(file, row, digest));
    }
    let manifest = Manifest {
        truth: Some(TRUTH.to_owned()),
        classes: Some(classes),
        access: ranks.map(|ranks| if ranks == 1 { Access::Top1 } else { Access::TopK(ranks) }),
        rows,
    };
    let text = readable(folder, &manifest, classes)?;
    draft.file(MANIFESTS[0], text.as_bytes())?;
    draft.publish()
}

fn manifest_row(file: String, row: ManifestRow, digest: blake3::Hash) -> Row {
    let ManifestRow { family, variation, ancestry } = row;
    let ancestry = ancestry.filter(|ancestry| *ancestry != family);
    let digest = Some(digest.to_hex().to_string());
    let vanilla = Row { file, family, ancestry, digest, ..Row::default() };
    match variation {
        None => vanilla,
        Some(Variation { kind, detail, parameter, group }) => {
            let is_known = known_group(&kind) == Ok(group);
            let group = (!is_known).then(|| group.to_string());
            Row { kind: Some(kind), detail, parameter, group, ancestry: None, ..vanilla }
        }
    }
}

/// The manifest's text, if it reads back as what it was.
fn readable(folder: &Path, manifest: &Manifest, classes: usize) -> Result<String> {
    let text = format!(
        "# Recorded answers; bertillon reads them with source = \"recorded\".\n{}",
        manifest.to_toml()
    );
    let refused = |problem: String| Error::file(folder, format!("can't be recorded: {problem}"));
    let read = Manifest::from_toml(&text).map_err(|error| refused(error.to_string()))?;
    if let Some((row, _)) = manifest.rows.iter().zip(&read.rows).find(|(a, b)| a != b) {
        let problem = format!("the names of {row:?} mean something else in a manifest; rename it");
        return Err(refused(problem));
    }
    let members = read.rows.into_iter().map(|row| Member::from_row(row).map_err(refused));
    Population::assemble(folder, members.collect::<Result<_>>()?, &[], classes)?;
    Ok(text)
}

fn check_labels(what: &str, labels: &[u16], classes: usize) -> Result<()> {
    match labels.iter().find(|&&label| usize::from(label) >= classes) {
        None => Ok(()),
        Some(label) => {
            Err(Error::Refused(format!("{what} has label {label}, there are {classes} classes")))
        }
    }
}

/// `0007-resnet50-prune-conv-0.2.npy`: the number makes it unique, whatever a file system thinks of capitals.
fn file_name(number: usize, name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = name.chars().map(safe).take(NAME).collect();
    format!("{number:04}-{name}.npy")
}

/// A folder in the making, beside the one that it will be.
struct Draft {
    folder: PathBuf,
    partial: PathBuf,
}

impl Draft {
    fn start(folder: &Path) -> Result<Self> {
        let refused = |error: io::Error| Error::file(folder, format!("can't be written: {error}"));
        match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {
                return Err(Error::file(folder, "it is not empty; choose another folder"));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let name = folder.file_name().ok_or_else(|| {
            Error::file(folder, "a recording needs a folder of its own; choose another")
        })?;
        let mut partial_name = std::ffi::OsString::from(".");
        partial_name.push(name);
        partial_name.push(format!(".{}.partial", std::process::id()));
        let partial = folder.with_file_name(partial_name);
        if let Some(parent) = partial.parent() {
            fs::create_dir_all(parent).map_err(refused)?;
        }
        fs::create_dir(&partial).map_err(refused)?;
        Ok(Self { folder: folder.to_owned(), partial })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.partial.join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| {
            Error::file(self.folder.join(name), format!("can't be written: {error}"))
        })
    }

    fn publish(self) -> Result<()> {
        // An empty folder gives way.
        let _ = fs::remove_dir(&self.folder);
        fs::rename(&self.partial, &self.folder).map_err(|error| {
            let from = self.partial.display();
            Error::file(&self.folder, format!("`{from}` can't be renamed to it: {error}"))
        })
    }
}

impl Drop for Draft {
    /// What was not published is removed.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.partial);
    }
}
