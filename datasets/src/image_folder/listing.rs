//! Which images a folder has, and their labels: from a list, or from the names of its folders.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bertillon::{Error, Result, manifest::is_below, npy::MAX_CLASSES, untrusted};

use super::{Classes, Parameters, several};
use crate::stamp::Stamp;

/// Largest list that is read, in bytes: some millions of images.
const MAX_LIST: u64 = 256 << 20;

/// What images are called; other files beside the class folders are none of ours.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// An image that a folder has.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Its path below the folder of the images, with `/`.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) label: u16,
    pub(super) stamp: Stamp,
}

/// All images of a folder.
#[derive(Debug)]
pub(super) struct Listing {
    /// Sorted by name.
    pub(super) images: Vec<Listed>,
    /// Names of the classes, in the order of the labels.
    pub(super) classes: Vec<String>,
}

impl Listing {
    pub(super) fn read(parameters: &Parameters) -> Result<Self> {
        let root = fs::canonicalize(&parameters.path)
            .map_err(|error| unreadable(&parameters.path, &error))?;
        let base = match &parameters.images {
            None => root.clone(),
            Some(images) => inside(&root, &root.join(images))?,
        };
        if !base.is_dir() {
            return Err(Error::file(base, "it is no folder; name the one with the images"));
        }
        let (labelled, classes) = match &parameters.labels {
            Some(list) => from_list(&root.join(list), parameters.classes.as_ref())?,
            None => from_folders(&base, parameters.classes.as_ref())?,
        };
        let mut images = located(&root, &base, labelled)?;
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { images, classes })
    }
}

/// Names with their labels, and the classes.
type Labelled = (Vec<(String, u16)>, Vec<String>);

/// Finds each file; all must be there, within the folder, and no two the same.
fn located(root: &Path, base: &Path, labelled: Vec<(String, u16)>) -> Result<Vec<Listed>> {
    let (mut images, mut missing) = (Vec::with_capacity(labelled.len()), Vec::new());
    for (name, label) in labelled {
        let path = base.join(&name);
        let metadata = match path.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            _ => {
                missing.push(format!("`{name}`"));
                continue;
            }
        };
        let path = inside(root, &path)?;
        images.push(Listed { name, path, label, stamp: Stamp::of(&metadata) });
    }
    if !missing.is_empty() {
        let problem = format!(
            "{} of the {} images listed are no files in it: {}",
            missing.len(),
            missing.len() + images.len(),
            several(&missing)
        );
        return Err(Error::file(base, problem));
    }
    let mut seen: HashMap<&Path, &str> = HashMap::with_capacity(images.len());
    for image in &images {
        if let Some(earlier) = seen.insert(&image.path, &image.name) {
            let problem = format!("`{earlier}` and `{}` are one file; list it once", image.name);
            return Err(Error::file(base, problem));
        }
    }
    Ok(images)
}

/// Where a path leads once links are followed, which must be within the folder.
fn inside(root: &Path, path: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
    if real.starts_with(root) {
        return Ok(real);
    }
    let problem =
        format!("it is a link to {}, outside `path`; copy the file instead", real.display());
    Err(Error::file(path, problem))
}

fn from_list(path: &Path, classes: Option<&Classes>) -> Result<Labelled> {
    let wrong = |problem: String| Error::file(path, problem);
    let text = untrusted::read_text(path, MAX_LIST).map_err(|error| unreadable(path, &error))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().map_err(|error| wrong(error.to_string()))?;
    let place = |name| columns.iter().position(|column| column == name);
    let (Some(file), Some(label), 2) = (place("file"), place("label"), columns.len()) else {
        return Err(wrong("its first line must name the columns: `file,label`".to_owned()));
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let (name, label) = (record[file].to_owned(), record[label].to_owned());
        if !is_below(&name) {
            let problem =
                format!("line {line}: `{name}` must be a file below `path`, without `..`");
            return Err(wrong(problem));
        }
        if label.is_empty() {
            return Err(wrong(format!("line {line}: `{name}` has no label")));
        }
        if let Some(earlier) = lines.insert(name.clone(), line) {
            return Err(wrong(format!("lines {earlier} and {line} both list `{name}`")));
        }
        rows.push(Row { line, name, label });
    }
    if rows.is_empty() {
        return Err(wrong("it lists no image".to_owned()));
    }
    let (labels, classes) = numbered(&rows, classes).map_err(wrong)?;
    Ok((rows.into_iter().map(|row| row.name).zip(labels).collect(), classes))
}

/// A row of a list.
struct Row {
    line: u64,
    name: String,
    label: String,
}

/// The labels of a list as numbers, and the classes. Labels are all names of classes, or all numbers.
fn numbered(rows: &[Row], classes: Option<&Classes>) -> Result<(Vec<u16>, Vec<String>), String> {
    if let Some(Classes::Names(names)) = classes {
        let numbers = by_name(names);
        let named: Option<Vec<u16>> =
            rows.iter().map(|row| numbers.get(row.label.as_str()).copied()).collect();
        if let Some(labels) = named {
            return Ok((labels, names.clone()));
        }
    }
    let count = match classes {
        None => MAX_CLASSES,
        Some(Classes::Count(count)) => *count,
        Some(Classes::Names(names)) => names.len(),
    };
    let mut labels = Vec::with_capacity(rows.len());
    for Row { line, name, label } in rows {
        let number = label.parse::<u64>().ok();
        let Some(number) = number else {
            return Err(match classes {
                Some(Classes::Names(_)) => format!(
                    "line {line}: the label `{label}` of `{name}` is neither the name nor the number of a class"
                ),
                _ => format!(
                    "line {line}: the label `{label}` of `{name}` is no number; name the classes with `classes`"
                ),
            });
        };
        let within = u16::try_from(number).ok().filter(|&number| usize::from(number) < count);
        labels.push(within.ok_or_else(|| {
            format!(
                "line {line}: the label {number} of `{name}` is none of {count} classes, 0 to {}",
                count - 1
            )
        })?);
    }
    let largest = labels.iter().max().copied().map_or(0, usize::from);
    let names = match classes {
        None => digits(largest + 1),
        Some(Classes::Count(count)) => digits(*count),
        Some(Classes::Names(names)) => names.clone(),
    };
    Ok((labels, names))
}

fn digits(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

fn by_name(names: &[String]) -> HashMap<&str, u16> {
    names.iter().map(String::as_str).zip(0..=u16::MAX).collect()
}

/// Each folder a class, in the order of their names, with all files below it.
fn from_folders(base: &Path, classes: Option<&Classes>) -> Result<Labelled> {
    let wrong = |problem: String| Error::file(base, problem);
    let (mut folders, mut strays) = (Vec::new(), Vec::new());
    for (name, is_folder) in entries(base)? {
        let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_lowercase) {
            _ if is_folder => folders.push(name),
            Some(extension) if EXTENSIONS.contains(&&*extension) => {
                strays.push(format!("`{name}`"));
            }
            _ => {}
        }
    }
    if !strays.is_empty() {
        let problem = format!(
            "{} images lie in no folder of a class: {}; move them, or list all labels in a file that `labels` names",
            strays.len(),
            several(&strays)
        );
        return Err(wrong(problem));
    }
    if folders.is_empty() {
        let problem =
            "it has no folders whose names are classes; make them, or name a list with `labels`";
        return Err(wrong(problem.to_owned()));
    }
    let names = match classes {
        Some(Classes::Names(names)) => names.clone(),
        Some(&Classes::Count(count)) if count != folders.len() => {
            let problem = format!(
                "it has {} folders for {count} classes; name the classes in their order with `classes = [\"…\"]`",
                folders.len()
            );
            return Err(wrong(problem));
        }
        _ if folders.len() > MAX_CLASSES => {
            return Err(wrong(format!("{} folders are more than {MAX_CLASSES}", folders.len())));
        }
        _ => folders.clone(),
    };
    let numbers = by_name(&names);
    let (mut labelled, mut empty) = (Vec::new(), Vec::new());
    for folder in &folders {
        let Some(&label) = numbers.get(folder.as_str()) else {
            return Err(wrong(format!("its folder `{folder}` is none of `classes`")));
        };
        let before = labelled.len();
        below(base, folder, label, &mut labelled)?;
        if labelled.len() == before {
            empty.push(format!("`{folder}`"));
        }
    }
    match empty.is_empty() {
        true => Ok((labelled, names)),
        false => Err(wrong(format!(
            "{} of {} classes have no image: {}; fill or remove their folders",
            empty.len(),
            folders.len(),
            several(&empty)
        ))),
    }
}

fn below(base: &Path, folder: &str, label: u16, labelled: &mut Vec<(String, u16)>) -> Result<()> {
    for (name, is_folder) in entries(&base.join(folder))? {
        let name = format!("{folder}/{name}");
        match is_folder {
            true => below(base, &name, label, labelled)?,
            false => labelled.push((name, label)),
        }
    }
    Ok(())
}

/// Names of what a folder has, and whether each is a folder; sorted, hidden ones apart.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>> {
    let failed = |error| unreadable(folder, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(Error::file(path, "its name is no UTF-8; rename it"));
        };
        if name.starts_with('.') {
            continue;
        }
        if !is_below(&name) {
            return Err(Error::file(path, "its name has control characters; rename it"));
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_symlink() && path.is_dir() {
            return Err(Error::file(path, "it is a link to a folder; put the folder there"));
        }
        entries.push((name, kind.is_dir()));
    }
    entries.sort();
    Ok(entries)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::file(path, format!("can't be read: {error}; check the path and its permissions"))
}
