//! Which files a folder has, and what they are: by their names, or by a manifest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bertillon::{
    Error, Result,
    manifest::{self, Manifest},
    untrusted,
};

use super::{NAMES, fbi, files, population::Member};

/// Names of manifests that are found unasked.
pub(super) const MANIFESTS: [&str; 2] = ["manifest.toml", "manifest.csv"];

/// Largest manifest that is read, in bytes: a million models.
const MAX_MANIFEST: u64 = 256 << 20;

/// What a folder says about itself.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) members: Vec<Member>,
    pub(super) truth: Option<String>,
    pub(super) classes: Option<usize>,
    pub(super) access: Option<usize>,
}

impl Listing {
    /// All `.npy` files of the folder itself, hidden ones and the ground truth apart.
    pub(super) fn fbi(folder: &Path, truth: &str) -> Result<Self> {
        let unreadable = |error| files::unreadable(folder, &error);
        let mut members = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let path = folder.join(&name);
            let Some(name) = name.to_str() else {
                let problem = "its name is no UTF-8; rename it";
                return Err(Error::file(path, problem));
            };
            let Some(stem) = name.strip_suffix(".npy").filter(|stem| !stem.starts_with('.')) else {
                continue;
            };
            if name == truth || name == NAMES {
                continue;
            }
            let (family, variation) =
                fbi::parse(stem).map_err(|problem| Error::file(&path, problem))?;
            let file = name.to_owned();
            members.push(Member { file, family, variation, ancestry: None, digest: None });
        }
        members.sort_by(Member::order);
        Ok(Self { members, ..Self::default() })
    }

    pub(super) fn manifest(folder: &Path, name: Option<String>) -> Result<Self> {
        let path = match name {
            Some(name) => below(folder, "manifest", &name)?,
            None => find_manifest(folder)?,
        };
        let text = untrusted::read_text(&path, MAX_MANIFEST)
            .map_err(|error| files::unreadable(&path, &error))?;
        let manifest = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Manifest::from_toml(&text),
            Some("csv") => Manifest::from_csv(&text),
            _ => {
                let problem = "a manifest is `.toml` or `.csv`; rename it";
                return Err(Error::file(path, problem));
            }
        };
        let manifest = manifest.map_err(|error| Error::file(&path, error))?;
        let member = |row: manifest::Row| {
            let file = row.file.clone();
            Member::from_row(row)
                .map_err(|problem| Error::file(&path, format!("file `{file}`: {problem}")))
        };
        Ok(Self {
            members: manifest.rows.into_iter().map(member).collect::<Result<_>>()?,
            truth: manifest.truth,
            classes: manifest.classes,
            access: manifest.access.map(bertillon::Access::ranks),
        })
    }
}

fn find_manifest(folder: &Path) -> Result<PathBuf> {
    fs::read_dir(folder).map_err(|error| files::unreadable(folder, &error))?;
    let mut found = MANIFESTS.iter().map(|name| folder.join(name)).filter(|path| path.is_file());
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (Some(_), Some(_)) => {
            let problem = "it has a manifest.toml and a manifest.csv; name one with `manifest`";
            Err(Error::file(folder, problem))
        }
        (None, _) => {
            let problem = "it has no manifest.toml or manifest.csv that says which model a file is from; write \
                           one, name another with `manifest`, or set `layout = \"fbi\"` where the names say it";
            Err(Error::file(folder, problem))
        }
    }
}

/// A file that a parameter names, which must lie below the folder.
pub(super) fn below(folder: &Path, parameter: &'static str, name: &str) -> Result<PathBuf> {
    match manifest::is_below(name) {
        true => Ok(folder.join(name)),
        false => {
            Err(Error::parameter(parameter, name, "must be a file below `path`, without `..`"))
        }
    }
}
