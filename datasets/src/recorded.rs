//! Recorded answers: labels that models gave once, kept in place of the models.
//!
//! A folder of `.npy` files: the true labels, and one file a model, all on the same images. Integers of any width are
//! labels, `[images]` or `[images, ranks]` best first; floats `[images, classes]` are probabilities or logits, and ranked.
//! Which model a file is from says either its name (`layout = "fbi"`, as the FBI paper's authors published their
//! answers) or a manifest in TOML or CSV. The same parameters serve as source of images and as collection of models:
//!
//! ```toml
//! [data]
//! source = "recorded"
//! path = "../answers"
//! layout = "fbi"
//!
//! [models]
//! source = "recorded"
//! path = "../answers"
//! layout = "fbi"
//! siblings = [["resnet50-a", "resnet50-b"]]
//! ```
//!
//! There are no images and no models, so methods that need either are refused. The answers are read once and kept as one
//! packed file in the run's scratch folder, which the next run maps while no file of the folder changed.

mod fbi;
mod files;
mod listing;
mod pack;
mod population;
#[cfg(test)]
mod tests;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use bertillon::{
    Answers, Configure, Error, ImageRequest, ImageSource, Model, ModelCollection, Pool, Recorded,
    Result, Split, Vanilla, npy::MAX_CLASSES,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::Device;

use files::{Form, Source};
use listing::{Listing, below};
use pack::Packing;
use population::{Member, Population};
pub use write::{ManifestRow, write};

use crate::stamp::Stamp;

/// Name of the file with the true labels, unless parameters or manifest say otherwise.
const TRUTH: &str = "ground_truth.npy";

/// Name of the file with the names of the images; it may be missing.
const NAMES: &str = "images_names.npy";

/// Parameters of [`RecordedAnswers`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Folder with the answers. It must be given.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// How the files are named: `fbi` is `KIND-MODEL-PARAMETERS.npy`, as the FBI paper's authors have it. Default: what
    /// the manifest says.
    pub layout: Option<Layout>,
    /// Name of the manifest in the folder, `.toml` or `.csv`. Default: `manifest.toml` or `manifest.csv`.
    pub manifest: Option<String>,
    /// Number of classes, 1 to 65536. Default: what the manifest says, else 1 + the largest true label.
    pub classes: Option<usize>,
    /// Name of the file with the true labels in the folder. Default: what the manifest says, else `ground_truth.npy`.
    pub truth: Option<String>,
    /// Groups of families of one ancestry, such as `[["resnet-a", "resnet-b"]]`. Default: what the manifest says, else
    /// every family is its own.
    pub siblings: Vec<Vec<String>>,
}

/// How the files of a folder are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `KIND-MODEL-PARAMETERS.npy`.
    Fbi,
}

/// A folder of recorded answers.
#[derive(Debug)]
pub struct RecordedAnswers {
    folder: PathBuf,
    population: Population,
    sources: Vec<Source>,
    truth: Arc<[u16]>,
    truth_file: (PathBuf, Stamp),
    classes: usize,
    /// Ranks that the manifest asks for.
    access: Option<usize>,
    recipe: blake3::Hash,
    /// The thread that writes a pack.
    packing: Mutex<Option<JoinHandle<()>>>,
}

impl Configure for RecordedAnswers {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        let folder = parameters.path;
        if folder.as_os_str().is_empty() {
            let problem = "name the folder with the recorded answers";
            return Err(Error::parameter("path", "\"\"", problem));
        }
        if let Some(classes) = parameters.classes
            && !(1..=MAX_CLASSES).contains(&classes)
        {
            let problem = format!("must be in 1..={MAX_CLASSES}");
            return Err(Error::parameter("classes", classes, problem));
        }
        let truth_name = parameters.truth;
        let listing = match (parameters.layout, parameters.manifest) {
            (Some(Layout::Fbi), None) => {
                Listing::fbi(&folder, truth_name.as_deref().unwrap_or(TRUTH))?
            }
            (None, name) => Listing::manifest(&folder, name)?,
            (Some(_), Some(name)) => {
                let problem =
                    "with `layout` the names of the files say it all; give one of the two";
                return Err(Error::parameter("manifest", name, problem));
            }
        };
        let truth_name = truth_name.or(listing.truth).unwrap_or_else(|| TRUTH.to_owned());
        let truth_path = below(&folder, "truth", &truth_name)?;
        if !truth_path.is_file() {
            let problem = format!(
                "the ground truth is missing: put the true labels of the images into `{truth_name}`, or name \
                 their file with `truth`"
            );
            return Err(Error::file(&folder, problem));
        }
        let classes = parameters.classes.or(listing.classes);
        let (truth, stamp) = files::read_truth(&truth_path, classes.unwrap_or(MAX_CLASSES))?;
        let largest = truth.iter().max().copied().map_or(0, usize::from);
        let classes = classes.unwrap_or(largest + 1);
        check_names(&folder, truth.len())?;
        let population =
            Population::assemble(&folder, listing.members, &parameters.siblings, classes)?;
        let source = |(_, member): &(usize, Member)| Source {
            path: folder.join(&member.file),
            digest: member.digest.clone(),
        };
        let sources: Vec<Source> = population.members.iter().map(source).collect();
        let recipe = recipe(&folder, &sources, truth.len(), classes, listing.access);
        Ok(Self {
            population,
            sources,
            truth: truth.into(),
            truth_file: (truth_path, stamp),
            classes,
            access: listing.access,
            recipe,
            packing: Mutex::new(None),
            folder,
        })
    }
}

impl ImageSource for RecordedAnswers {
    fn load(&self, request: &ImageRequest<'_>) -> Result<Split> {
        let wanted = request.pool.unwrap_or(self.truth.len());
        if wanted == 0 || wanted > self.truth.len() {
            let problem = format!("answers to {} images are recorded", self.truth.len());
            return Err(Error::parameter("pool", wanted, problem));
        }
        let truth = match wanted == self.truth.len() {
            true => Arc::clone(&self.truth),
            false => self.truth[..wanted].into(),
        };
        let mut digest = blake3::Hasher::new();
        digest.update(b"recorded split 1: a prefix");
        digest.update(&(self.classes as u64).to_le_bytes());
        digest.update(Answers::top1(Arc::clone(&self.truth)).digest().as_bytes());
        Ok(Split {
            classes: (0..self.classes).map(|class| class.to_string()).collect(),
            pool: Pool { images: None, truth, classes: self.classes },
            thief: None,
            digest: digest.finalize().to_hex().to_string(),
            left_out: Vec::new(),
        })
    }
}

impl ModelCollection for RecordedAnswers {
    fn vanillas(&self) -> &[Vanilla] {
        &self.population.vanillas
    }

    fn load(&self, index: usize, _: Device) -> Result<Box<dyn Model>> {
        let name = self.population.vanillas.get(index).map_or("?", |vanilla| &vanilla.name);
        Err(Error::Refused(format!(
            "only answers of `{name}` were recorded in {}, there is no model to ask, change or look into",
            self.folder.display()
        )))
    }

    fn recorded(&self, scratch: &Path) -> Result<Option<Vec<Recorded>>> {
        let (truth, stamp) = &self.truth_file;
        let metadata = truth.metadata().map_err(|error| files::unreadable(truth, &error))?;
        if Stamp::of(&metadata) != *stamp {
            let problem = "it changed since it was read; wait until it is written, and run again";
            return Err(Error::file(truth, problem));
        }
        let stamps = files::stamps(&self.sources)?;
        let pack = pack::path(scratch, &self.recipe);
        if let Some(packed) =
            pack::open(&pack, &self.recipe, &stamps, self.truth.len(), self.classes)
        {
            return self.hand_out(&packed.labels, packed.form).map(Some);
        }
        let packing = Packing::start(&pack);
        let ranks = files::ranks(&self.sources[0], self.access)?;
        let form = Form { images: self.truth.len(), ranks, classes: self.classes };
        let labels = files::read(&self.sources, &stamps, form, self.access)?;
        let labels: Arc<dyn AsRef<[u16]> + Send + Sync> = Arc::new(labels);
        if let Some(packing) = packing {
            *self.packing.lock().unwrap_or_else(PoisonError::into_inner) =
                packing.finish(self.recipe, form, stamps, Arc::clone(&labels));
        }
        self.hand_out(&labels, form).map(Some)
    }
}

bertillon::register_images!("recorded", RecordedAnswers);
bertillon::register_models!("recorded", RecordedAnswers);

impl RecordedAnswers {
    fn hand_out(
        &self,
        labels: &Arc<dyn AsRef<[u16]> + Send + Sync>,
        form: Form,
    ) -> Result<Vec<Recorded>> {
        let members = self.population.members.iter().enumerate();
        members
            .map(|(model, (family, member))| {
                let variation = member.variation.clone();
                Ok(Recorded { family: *family, variation, answers: form.answers(labels, model)? })
            })
            .collect()
    }
}

impl Drop for RecordedAnswers {
    /// Waits until the pack is written.
    fn drop(&mut self) {
        let packing = self.packing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = packing.take() {
            // It can't panic but for a lack of memory, and then there is no pack.
            let _ = thread.join();
        }
    }
}

/// Images have names where somebody published them; they must be as many, where they can be counted.
fn check_names(folder: &Path, images: usize) -> Result<()> {
    let path = folder.join(NAMES);
    match files::count_names(&path) {
        Some(names) if names != images as u64 => {
            let problem = format!(
                "it names {names} images, the ground truth has {images}; take the files of one recording"
            );
            Err(Error::file(path, problem))
        }
        _ => Ok(()),
    }
}

/// Digest of what is read and in which order: the name of the pack.
fn recipe(
    folder: &Path,
    sources: &[Source],
    images: usize,
    classes: usize,
    access: Option<usize>,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut text = |text: &[u8]| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    text(folder.as_os_str().as_encoded_bytes());
    for number in [images, classes, access.unwrap_or(0)] {
        text(&(number as u64).to_le_bytes());
    }
    for source in sources {
        text(source.path.as_os_str().as_encoded_bytes());
        text(source.digest.as_deref().unwrap_or_default().as_bytes());
    }
    hasher.finalize()
}
