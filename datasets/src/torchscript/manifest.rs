//! The manifest: one `[[model]]` a file, and `[defaults]` for what they share.

use std::{ops::Range, path::Path};

use bertillon::{
    Error, ImageShape, Interpolation, MAX_SIDE, Preprocessing, Resize, Result,
    manifest::is_below,
    npy::MAX_CLASSES,
    suite::{
        Diagnostic, Located,
        section::{Item, Mistakes, Section, tables},
        values,
    },
    untrusted,
};
use bertillon_torchscript::{ColourOrder, Interface, Normalisation, Outputs};
use toml::de::{DeTable, DeValue};

use super::{
    preparation::standardised,
    reading::{Placed, flag, numbers, sizes, take},
};

/// Largest manifest that is read, in bytes: it is written by hand.
const LARGEST: u64 = 1 << 20;

/// What a manifest says.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) models: Vec<ManifestModel>,
}

/// What it says of one model.
#[derive(Debug)]
pub(super) struct ManifestModel {
    pub(super) name: String,
    /// Below the folder of the files.
    pub(super) file: String,
    pub(super) ancestry: String,
    pub(super) interface: Interface,
    pub(super) preprocessing: Preprocessing,
    pub(super) accuracy: Option<f64>,
    /// SHA-256 or BLAKE3 in lower-case hexadecimal digits.
    pub(super) digest: Option<String>,
}

/// Keys that models may share.
#[derive(Debug, Default, Clone)]
struct Shared {
    input: Option<Placed<[usize; 3]>>,
    classes: Option<Located<usize>>,
    resize: Option<Placed<Resize>>,
    interpolation: Option<Interpolation>,
    keeps_native: Option<bool>,
    mean: Option<Placed<Vec<f64>>>,
    std: Option<Placed<Vec<f64>>>,
    scale: Option<Placed<Vec<f64>>>,
    offset: Option<Placed<Vec<f64>>>,
    colour: Option<Placed<ColourOrder>>,
    outputs: Option<Outputs>,
    /// Keys that must be there and are, rightly or wrongly: `input` and `classes`.
    given: [bool; 2],
}

impl Manifest {
    /// Reads the file, with every mistake in it at once.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = untrusted::read_text(path, LARGEST).map_err(|error| {
            Error::file(path, format!("can't be read: {error}; is it another file?"))
        })?;
        Self::parse(&text).map_err(|mistakes| Error::file(path, listed(&text, &mistakes)))
    }

    fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Mistakes::default();
        let (root, faults) = DeTable::parse_recoverable(text);
        if let Some(fault) = faults.first() {
            let at = fault.span().unwrap_or(0..0);
            mistakes.add(
                at,
                format!("not TOML: {}", untrusted::abridged(fault.message())),
                "here",
                None,
            );
            return Err(mistakes.into_sorted());
        }
        let mut root = Section::new("a manifest", 0..0, root.get_ref());
        let defaults = root
            .take("defaults")
            .and_then(|item| Section::of("[defaults]", item, &mut mistakes))
            .map(|mut section| {
                let shared = Shared::read(&mut section, &mut mistakes);
                section.refuse_rest(&mut mistakes);
                shared
            })
            .unwrap_or_default();
        let read = |section: Section<'_>, mistakes: &mut Mistakes| {
            let at = section.place();
            Some((model(section, &defaults, mistakes)?, at))
        };
        let models = match root.require("model", &mut mistakes) {
            Some(item) => tables(item, "model", read, &mut mistakes),
            None => Vec::new(),
        };
        root.refuse_rest(&mut mistakes);
        refuse_repetitions(&models, &mut mistakes);
        match mistakes.is_empty() {
            true => Ok(Self { models: models.into_iter().map(|(model, _)| model).collect() }),
            false => Err(mistakes.into_sorted()),
        }
    }
}

impl Shared {
    fn read(section: &mut Section<'_>, mistakes: &mut Mistakes) -> Self {
        let given = ["input", "classes"].map(|key| section.has(key));
        let input = take(section, "input", mistakes, |item, key, mistakes| {
            sizes(item, key, "[channels, height, width]", mistakes)
        });
        let classes = take(section, "classes", mistakes, values::count);
        let interpolations = [
            ("nearest", Interpolation::Nearest),
            ("bilinear", Interpolation::Bilinear),
            ("bicubic", Interpolation::Bicubic),
        ];
        let orders = [("rgb", ColourOrder::Rgb), ("bgr", ColourOrder::Bgr)];
        let outputs = [("logits", Outputs::Logits), ("probabilities", Outputs::Probabilities)];
        // For people to know.
        take(section, "licence", mistakes, values::label);
        Self {
            given,
            input: input.filter(|input| check_input(input, mistakes)),
            classes: classes.filter(|classes| check_classes(classes, mistakes)),
            resize: take(section, "resize", mistakes, resize),
            interpolation: take(section, "interpolation", mistakes, |item, key, mistakes| {
                values::word(item, key, &interpolations, mistakes)
            }),
            keeps_native: take(section, "keeps_native", mistakes, flag),
            mean: take(section, "mean", mistakes, numbers),
            std: take(section, "std", mistakes, numbers),
            scale: take(section, "scale", mistakes, numbers),
            offset: take(section, "offset", mistakes, numbers),
            colour: take(section, "colour", mistakes, |item, key, mistakes| {
                Some((values::word(item, key, &orders, mistakes)?, item.span()))
            }),
            outputs: take(section, "outputs", mistakes, |item, key, mistakes| {
                values::word(item, key, &outputs, mistakes)
            }),
        }
    }

    /// With what it lacks taken from `defaults`. A normalisation is taken whole or not at all.
    fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        let normalises = self.mean.is_some()
            || self.std.is_some()
            || self.scale.is_some()
            || self.offset.is_some();
        let inherited = |own: Option<Placed<Vec<f64>>>, default| {
            if normalises { own } else { default }
        };
        Self {
            input: self.input.or(defaults.input),
            classes: self.classes.or(defaults.classes),
            resize: self.resize.or(defaults.resize),
            interpolation: self.interpolation.or(defaults.interpolation),
            keeps_native: self.keeps_native.or(defaults.keeps_native),
            mean: inherited(self.mean, defaults.mean),
            std: inherited(self.std, defaults.std),
            scale: inherited(self.scale, defaults.scale),
            offset: inherited(self.offset, defaults.offset),
            colour: self.colour.or(defaults.colour),
            outputs: self.outputs.or(defaults.outputs),
            given: [0, 1].map(|i| self.given[i] || defaults.given[i]),
        }
    }
}

/// One `[[model]]`; none where it has mistakes, which are noted.
fn model(
    mut section: Section<'_>,
    defaults: &Shared,
    mistakes: &mut Mistakes,
) -> Option<ManifestModel> {
    let at = section.place();
    let name = section.require("name", mistakes);
    let name = name.and_then(|item| values::label(item, "name", mistakes));
    let file = section.require("file", mistakes).and_then(|item| file(item, mistakes));
    let ancestry = take(&mut section, "ancestry", mistakes, values::label);
    let accuracy = take(&mut section, "accuracy", mistakes, |item, key, mistakes| {
        let allowed = |share: f64| share > 0.0 && share <= 1.0;
        values::number(item, key, "(0, 1], a share such as 0.76", allowed, mistakes)
    });
    let digest = take(&mut section, "digest", mistakes, digest);
    let shared = Shared::read(&mut section, mistakes).or(defaults);
    section.refuse_rest(mistakes);
    for (key, given) in ["input", "classes"].into_iter().zip(shared.given) {
        if !given {
            let help = "or in [defaults], for all models".to_owned();
            let message = format!("[[model]] has no `{key}`");
            mistakes.add(at.clone(), message, format!("`{key}` is missing"), Some(help));
        }
    }
    let (Some(([channels, height, width], _)), Some(classes)) = (&shared.input, &shared.classes)
    else {
        return None;
    };
    let input = ImageShape { channels: *channels, height: *height, width: *width };
    let preprocessing = preprocessing(&shared, input, mistakes);
    let normalisation = normalisation(&shared, input.channels, mistakes);
    let colours = match &shared.colour {
        Some((ColourOrder::Bgr, at)) if input.channels != 3 => {
            let message = "`colour` can't be `bgr`: the images are grey";
            mistakes.add(at.clone(), message, "one channel has no order", None);
            return None;
        }
        colour => colour.as_ref().map_or_else(ColourOrder::default, |(order, _)| *order),
    };
    let name = name?.value;
    Some(ManifestModel {
        file: file?,
        ancestry: ancestry.map_or_else(|| name.clone(), |ancestry| ancestry.value),
        interface: Interface {
            input,
            classes: classes.value,
            normalisation: normalisation?,
            colours,
            outputs: shared.outputs.unwrap_or_default(),
        },
        preprocessing: preprocessing?,
        accuracy,
        digest,
        name,
    })
}

/// `256` for the shorter side, `[256, 256]` for height and width.
fn resize(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Placed<Resize>> {
    let resize = match item.get_ref() {
        DeValue::Array(_) => {
            Resize::Exact(sizes(item, key, "a number or [height, width]", mistakes)?.0)
        }
        DeValue::Integer(_) => Resize::Shorter(values::count(item, key, mistakes)?.value),
        _ => return values::wrong_type(item, key, "a number or [height, width]", mistakes),
    };
    Some((resize, item.span()))
}

fn file(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let file = values::text(item, "file", mistakes)?;
    if !is_below(&file.value) {
        let message = format!("`file` can't be `{}`", file.value.escape_debug());
        let help = "set `path` in [models] to the folder of the files".to_owned();
        mistakes.add(file.at, message, "no path below the folder, without `..`", Some(help));
        return None;
    }
    Some(file.value)
}

fn digest(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<String> {
    let digest = values::text(item, key, mistakes)?;
    let hexadecimal = digest.value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest.value.len() != 64 || !hexadecimal {
        let message = format!("`digest` can't be `{}`", digest.value.escape_debug());
        let label = "must be 64 hexadecimal digits";
        let help = "`sha256sum FILE` or `b3sum FILE` prints it".to_owned();
        mistakes.add(digest.at, message, label, Some(help));
        return None;
    }
    Some(digest.value.to_ascii_lowercase())
}

fn check_input(input: &Placed<[usize; 3]>, mistakes: &mut Mistakes) -> bool {
    let ([channels, height, width], at) = input;
    let (problem, help) = match (channels, height.max(width)) {
        (1 | 3, side) if *side <= MAX_SIDE => return true,
        (1 | 3, _) => (format!("a side has at most {MAX_SIDE} pixels"), None),
        _ => {
            let swapped = matches!(width, 1 | 3);
            let help = swapped.then(|| format!("did you mean [{width}, {channels}, {height}]?"));
            ("there are 1 or 3 channels, and they come first".to_owned(), help)
        }
    };
    let message = format!("`input` can't be [{channels}, {height}, {width}]");
    mistakes.add(at.clone(), message, problem, help);
    false
}

fn check_classes(classes: &Located<usize>, mistakes: &mut Mistakes) -> bool {
    let value = classes.value;
    let fits = (2..=MAX_CLASSES).contains(&value);
    if !fits {
        let label = format!("must lie in 2..={MAX_CLASSES}");
        mistakes.add(classes.at.clone(), format!("`classes` can't be {value}"), label, None);
    }
    fits
}

fn preprocessing(
    shared: &Shared,
    input: ImageShape,
    mistakes: &mut Mistakes,
) -> Option<Preprocessing> {
    let stretched = Preprocessing::stretched(input);
    let preprocessing = Preprocessing {
        resize: shared.resize.as_ref().map_or(stretched.resize, |(resize, _)| *resize),
        interpolation: shared.interpolation.unwrap_or_default(),
        keeps_native: shared.keeps_native.unwrap_or(false),
    };
    if let (Err(error), Some((_, at))) = (preprocessing.check(input), &shared.resize) {
        let help = format!("at least the network's {}x{}", input.height, input.width);
        mistakes.add(at.clone(), format!("`resize` can't be this: {error}"), "", Some(help));
        return None;
    }
    Some(preprocessing)
}

/// The affine map, from whichever way it is given in; none where that is wrong, which is noted.
fn normalisation(
    shared: &Shared,
    channels: usize,
    mistakes: &mut Mistakes,
) -> Option<Normalisation> {
    let Shared { mean, std, scale, offset, .. } = shared;
    let given = [("mean", mean), ("std", std), ("scale", scale), ("offset", offset)];
    let mut fits = true;
    for (key, given) in given {
        let Some((values, at)) = given else { continue };
        let problem = match (values.len(), key) {
            (n, _) if n != 1 && n != channels => {
                format!("has {n} numbers for {channels} channels: 1 or {channels} are needed")
            }
            (_, "mean") if values.iter().any(|mean| !(0.0..=1.0).contains(mean)) => {
                "must lie in [0, 1], as samples do: divide `mean` and `std` by 255; for a network that takes 0 to \
                 255 without a deviation, say `scale = 255` and `offset = -mean`"
                    .to_owned()
            }
            (_, "std") if values.iter().any(|&std| std <= 0.0) => "must be above 0".to_owned(),
            (_, "scale") if values.contains(&0.0) => "must not be 0".to_owned(),
            _ => continue,
        };
        fits = false;
        mistakes.add(at.clone(), format!("`{key}` {problem}"), "", None);
    }
    let place = |one: &Option<Placed<Vec<f64>>>| one.as_ref().map(|(_, at)| at.clone());
    let affine = place(scale).or_else(|| place(offset));
    let mut refuse = |at: Range<usize>, message: &str, help: &str| {
        mistakes.add(at, message, "", Some(help.to_owned()));
        None
    };
    match (mean, std, affine) {
        (Some((mean, _)), Some((std, _)), None) => fits.then(|| standardised(mean, std)),
        (None, None, _) => {
            let numbers = |given: &Option<Placed<Vec<f64>>>, otherwise| {
                given.as_ref().map_or_else(|| vec![otherwise], |(values, _)| values.clone())
            };
            let normalisation =
                Normalisation { scale: numbers(scale, 1.0), offset: numbers(offset, 0.0) };
            fits.then_some(normalisation)
        }
        (Some(_), None, None) => {
            refuse(place(mean)?, "`mean` has no `std` beside it", "say `std = 1` if there is none")
        }
        (None, Some(_), None) => {
            refuse(place(std)?, "`std` has no `mean` beside it", "say `mean = 0` if there is none")
        }
        (_, _, Some(at)) => refuse(
            at,
            "`scale` or `offset` beside `mean` or `std`",
            "give one pair: (x - mean) / std, or scale x + offset",
        ),
    }
}

/// Notes names and files that stand twice.
fn refuse_repetitions(models: &[(ManifestModel, Range<usize>)], mistakes: &mut Mistakes) {
    for (position, (model, at)) in models.iter().enumerate() {
        let earlier = &models[..position];
        if earlier.iter().any(|(other, _)| other.name == model.name) {
            let message = format!("two models are named `{}`", model.name);
            mistakes.add(at.clone(), message, "again", Some("rename one".to_owned()));
        }
    }
}

/// Every mistake with its line and column, one a line.
fn listed(text: &str, mistakes: &[Diagnostic]) -> String {
    let described = |mistake: &Diagnostic| {
        let before = text.get(..mistake.at.start).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.chars().rev().take_while(|&c| c != '\n').count();
        let mut said = format!("line {line}, column {column}: {}", mistake.message);
        if !matches!(mistake.label.as_str(), "" | "here") {
            said.push_str(&format!(": {}", mistake.label));
        }
        if let Some(help) = &mistake.help {
            said.push_str(&format!("; {help}"));
        }
        said
    };
    mistakes.iter().map(described).collect::<Vec<_>>().join("\n")
}
