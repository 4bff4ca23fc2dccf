//! A folder of JPEG, PNG and WebP images, labelled by a list or by the names of its folders.
//!
//! Every image is decoded and brought to one size as Pillow and torchvision do it: no orientation of EXIF, no colour profile,
//! alpha dropped, CMYK in Adobe's polarity; the shorter side resized (bilinear, antialiased), the centre cut out.
//! A fixed shuffle of the files by name, the same whatever a suite's seed, puts them in an order: the first `pool` are the pool, all
//! others the thief's. Files that give no image, and those with the bytes of another, are an error that names them,
//! unless the run leaves out bad images. What was decoded is kept in the run's scratch folder.
//!
//! ```toml
//! [data]
//! source = "image-folder"
//! path = "../imagenet"        # relative to the suite
//! labels = "labels.csv"       # file,label
//! images = "images"
//! classes = 1000
//! ```

mod decode;
mod listing;
mod pack;
mod prepare;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use bertillon::{
    Configure, Error, ImageRequest, ImageShape, ImageSource, Images, Interpolation, LabelledImages,
    MAX_SIDE, Pool, Preprocessing, Resize, Result, Split, Stream, manifest::is_below,
    npy::MAX_CLASSES,
};
use schemars::JsonSchema;
use serde::Deserialize;

use listing::{Listed, Listing};
use prepare::{Form, Outcome, Prepared};

/// Most images in the pool unless a suite says otherwise; half of the images where they are fewer than twice as many.
const POOL: usize = 2_000;

/// Most bytes that the decoded images of a run may take.
const MAX_BYTES: usize = 8 << 30;

/// Names in a message.
const NAMED: usize = 10;

/// Seed and name of the shuffle that splits; a change of the rule, or of how images are decoded, changes the name, and so
/// every digest.
const RULE: (u64, &str) = (1970, "image-folder split 1: a shuffle by name, the pool first");

/// Parameters of [`ImageFolder`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Folder with the images. It must be given.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// List of the labels below `path`, a CSV whose first line is `file,label`.
    /// Default: none, each folder is a class and holds its images; classes are in the order of their names.
    pub labels: Option<String>,
    /// Folder below `path` in which the files of the list, or the folders of the classes, lie. Default: `path` itself.
    pub images: Option<String>,
    /// Number of classes, 1 to 65536, or the list of their names.
    /// Labels of a list are then such names, all of them, or numbers from 0. Default: the names of the folders, or 1 + the
    /// largest label.
    pub classes: Option<Classes>,
    /// Pixels of the square that every image becomes, its shorter side resized to it and the centre cut out: 1 to 16384.
    /// `[height, width]` resizes to exactly that instead, whatever the proportions. Default: 256.
    pub size: Resize,
    /// How samples between pixels are found, antialiased. Default: bilinear.
    pub interpolation: Interpolation,
    /// 3: colours, grey three times alike. 1: grey, of colours their luma as Pillow's `convert("L")` has it. Default: 3.
    pub channels: usize,
    /// Most pixels that an image may have, 1 or more; one with more gives none. Default: 64 million.
    pub max_pixels: usize,
    /// Most images that are used, 1 or more: the first of the split's order. Default: all.
    pub limit: Option<usize>,
}

/// Which classes there are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of classes, or a list of their names")]
pub enum Classes {
    /// So many, named by their numbers.
    Count(usize),
    /// These, in the order of their numbers.
    Names(Vec<String>),
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            labels: None,
            images: None,
            classes: None,
            size: Resize::Shorter(256),
            interpolation: Interpolation::Bilinear,
            channels: 3,
            max_pixels: 64_000_000,
            limit: None,
        }
    }
}

/// A folder of images.
#[derive(Debug)]
pub struct ImageFolder {
    parameters: Parameters,
    form: Form,
}

impl Configure for ImageFolder {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        let Parameters { path, labels, images, classes, size, channels, max_pixels, limit, .. } =
            &parameters;
        if path.as_os_str().is_empty() {
            return Err(Error::parameter("path", "\"\"", "name the folder with the images"));
        }
        for (parameter, name) in [("labels", labels), ("images", images)] {
            if let Some(name) = name.as_deref().filter(|name| !is_below(name)) {
                return Err(Error::parameter(
                    parameter,
                    name,
                    "must lie below `path`, without `..`",
                ));
            }
        }
        if let Some(classes) = classes {
            classes.check()?;
        }
        let [height, width] = match *size {
            Resize::Shorter(side) => [side; 2],
            Resize::Exact(sides) => sides,
        };
        if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
            let value = if height == width { height.to_string() } else { format!("{size:?}") };
            return Err(Error::parameter(
                "size",
                value,
                format!("sides must be in 1..={MAX_SIDE}"),
            ));
        }
        if !matches!(channels, 1 | 3) {
            return Err(Error::parameter("channels", channels, "must be 3 or 1"));
        }
        for (parameter, value) in [("max_pixels", Some(*max_pixels)), ("limit", *limit)] {
            if value == Some(0) {
                return Err(Error::parameter(parameter, 0, "must be 1 or more"));
            }
        }
        let shape = ImageShape { channels: *channels, height, width };
        let preprocessing = Preprocessing {
            resize: *size,
            interpolation: parameters.interpolation,
            keeps_native: false,
        };
        let form = Form { shape, preprocessing, max_pixels: *max_pixels };
        Ok(Self { parameters, form })
    }
}

impl Classes {
    fn check(&self) -> Result<()> {
        let count = match self {
            Self::Count(count) => *count,
            Self::Names(names) => names.len(),
        };
        if !(1..=MAX_CLASSES).contains(&count) {
            let problem = format!("there must be 1 to {MAX_CLASSES}");
            return Err(Error::parameter("classes", count, problem));
        }
        let Self::Names(names) = self else { return Ok(()) };
        let mut seen = HashSet::new();
        match names.iter().find(|name| !seen.insert(name.as_str())) {
            Some(twice) => Err(Error::parameter("classes", twice, "two classes have this name")),
            None => Ok(()),
        }
    }
}

impl ImageSource for ImageFolder {
    fn load(&self, request: &ImageRequest<'_>) -> Result<Split> {
        let Listing { images, classes } = Listing::read(&self.parameters)?;
        let order = Stream::named(RULE.0, [RULE.1]).sample_indices(images.len(), images.len());
        let order = order.iter().map(|&index| &images[index as usize]);
        let files: Vec<&Listed> = order.take(self.parameters.limit.unwrap_or(usize::MAX)).collect();
        check_pool(request.pool, files.len(), "")?;
        self.check_memory(files.len())?;
        let pool = |images: usize| request.pool.unwrap_or_else(|| default_pool(images)).min(images);
        let Prepared { outcomes, parts, .. } =
            Prepared::load(&self.form, &files, request.scratch, pool)?;
        let left_out = self.left_out(&files, &outcomes, request.skip_bad_images)?;
        let used = || files.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_image());
        let labels: Vec<u16> = used().map(|(file, _)| file.label).collect();
        check_pool(request.pool, labels.len(), " that can be used")?;
        let pool = pool(labels.len());
        let digest = self.digest(used(), classes.len(), pool);
        let [images, thiefs] = parts.map(|part: Arc<[u8]>| Images::new(part, self.form.shape));
        Ok(Split {
            pool: Pool {
                images: Some(images?),
                truth: labels[..pool].into(),
                classes: classes.len(),
            },
            classes,
            thief: Some(LabelledImages { images: thiefs?, labels: labels[pool..].into() }),
            digest,
            left_out,
        })
    }
}

impl ImageFolder {
    fn check_memory(&self, images: usize) -> Result<()> {
        let size = self.form.shape.samples();
        if images.saturating_mul(size) <= MAX_BYTES {
            return Ok(());
        }
        let shape = self.form.shape;
        let problem = format!(
            "{images} images of {shape} take more than {} GiB; use fewer with `limit`, here at \
             most {}, or a smaller `size`",
            MAX_BYTES >> 30,
            MAX_BYTES / size
        );
        Err(Error::file(&self.parameters.path, problem))
    }

    /// The sentence on files that gave no image, where there are any.
    fn left_out(
        &self,
        files: &[&Listed],
        outcomes: &[Outcome],
        allowed: bool,
    ) -> Result<Vec<String>> {
        let mut bad: Vec<(&str, &str)> = Vec::new();
        for (file, outcome) in files.iter().zip(outcomes) {
            if let Outcome::Damaged(why) = outcome {
                bad.push((&file.name, why));
            }
        }
        if bad.is_empty() {
            return Ok(Vec::new());
        }
        bad.sort_unstable();
        let named: Vec<String> =
            bad.iter().map(|(name, why)| format!("`{name}` ({why})")).collect();
        let (count, total, named) = (bad.len(), files.len(), several(&named));
        match (allowed, count < total) {
            (true, true) => {
                let verb = if count == 1 { "was" } else { "were" };
                Ok(vec![format!("{count} of {total} images {verb} left out: {named}")])
            }
            (true, false) => {
                let problem = format!("none of {total} images can be used: {named}");
                Err(Error::file(&self.parameters.path, problem))
            }
            (false, _) => {
                let problem = format!(
                    "{count} of {total} images can't be used: {named}; mend or remove them, or leave them out with \
                     --skip-bad-images"
                );
                Err(Error::file(&self.parameters.path, problem))
            }
        }
    }

    /// Digest of all that the split is made of: files, labels, parameters and rule.
    fn digest<'a>(
        &self,
        used: impl Iterator<Item = (&'a &'a Listed, &'a Outcome)>,
        classes: usize,
        pool: usize,
    ) -> String {
        let Form { shape, preprocessing, .. } = self.form;
        let mut hasher = blake3::Hasher::new();
        hasher.update(RULE.1.as_bytes());
        hasher.update(format!(" {shape:?} {preprocessing:?} {classes} {pool}").as_bytes());
        for (file, outcome) in used {
            if let Outcome::Image(content) = outcome {
                hasher.update(content.as_bytes());
                hasher.update(&file.label.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

fn default_pool(images: usize) -> usize {
    POOL.min(images.div_ceil(2))
}

fn check_pool(wanted: Option<usize>, images: usize, which: &str) -> Result<()> {
    match wanted {
        Some(wanted) if wanted == 0 || wanted > images => {
            let problem = format!(
                "there are {images} images{which}: the pool has 1 to {images}, the thief the rest"
            );
            Err(Error::parameter("pool", wanted, problem))
        }
        _ => Ok(()),
    }
}

/// The first of some names, and how many more there are.
fn several(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

bertillon::register_images!("image-folder", ImageFolder);
