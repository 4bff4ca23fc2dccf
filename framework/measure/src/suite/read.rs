//! Reading a suite: everything that is wrong with it is found at once.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    EvaluationUse, FingerprintUse, Located, PluginUse, Suite, SuiteError, Task, VariantUse,
    evaluation::{evaluation_use, peers},
    figures::figures_use,
    grid::{MOST_POINTS, variant},
    overrides,
    section::{Item, Mistakes, Section, tables},
    values,
};

const DEFAULT_SEED: u64 = 2022;

/// Bytes of the largest file that is read: a suite is written by hand.
const LARGEST: u64 = 1 << 20;

/// Most queries that an owner crafts: images are held in memory.
const MOST_CRAFTED: usize = 1_000_000;

/// Longest name of a suite or of a fingerprint, in characters: it stands in tables, and names a folder.
const LONGEST_NAME: usize = 100;

impl Suite {
    /// Reads a suite file, each of `overrides` (`KEY=VALUE`) applied to its text first.
    ///
    /// # Errors
    /// With every mistake at once when the file can't be read or is no suite.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, SuiteError> {
        Self::parse(path, &read(path)?, overrides)
    }

    /// Reads a suite from its text; `path` is where it came from.
    ///
    /// # Errors
    /// With every mistake at once when it is no suite.
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Self, SuiteError> {
        let mut mistakes = Mistakes::default();
        let (text, given_outside) = overrides::apply(text, overrides, &mut mistakes);
        let mut partial = None;
        let (root, syntax) = DeTable::parse_recoverable(&text);
        if syntax.is_empty() {
            let root = Section::new("a suite", 0..0, root.get_ref());
            let understood = suite(path, &text, root, &mut mistakes)
                .map(|suite| Self { given_outside, ..suite });
            match understood {
                Some(suite) if mistakes.is_empty() => return Ok(suite),
                understood => partial = understood.map(Box::new),
            }
        } else {
            let mut lines = BTreeSet::new();
            for fault in syntax {
                let at = fault.span().unwrap_or(0..0);
                // What follows a fault in its line is mostly its consequence.
                if lines.insert(text[..at.start.min(text.len())].matches('\n').count()) {
                    mistakes.add(at, format!("not TOML: {}", fault.message()), "here", None);
                }
            }
        }
        Err(SuiteError { partial, ..error(path, &text, mistakes) })
    }
}

/// The text of a suite.
fn read(path: &Path) -> Result<String, SuiteError> {
    let unreadable = |problem: &str, text: &str, at: Range<usize>, help: Option<&str>| {
        let mut mistakes = Mistakes::default();
        let label = if text.is_empty() { "" } else { "here" };
        let message = format!("cannot read the suite: {problem}");
        mistakes.add(at, message, label, help.map(str::to_owned));
        error(path, text, mistakes)
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| match path.is_dir() {
        true => unreadable("it is a folder", "", 0..0, Some("name the file of a suite")),
        false => unreadable(&error.to_string(), "", 0..0, None),
    })?;
    if bytes.len() as u64 > LARGEST {
        let problem = format!("it has more than {} kB", LARGEST >> 10);
        return Err(unreadable(&problem, "", 0..0, Some("is it another file?")));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let help = "`bertillon init FILE` writes one to start from";
        return Err(unreadable("it is empty", "", 0..0, Some(help)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        // The first replacement stands where the first wrong byte does.
        let text = String::from_utf8_lossy(error.as_bytes());
        let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
        unreadable("it is not UTF-8", &text, at..end, Some("save it as UTF-8"))
    })
}

fn error(path: &Path, text: &str, mistakes: Mistakes) -> SuiteError {
    let diagnostics = mistakes.into_sorted();
    SuiteError { path: path.to_owned(), text: Arc::from(text), diagnostics, partial: None }
}

/// The suite; a part that is none has its mistake noted.
fn suite(path: &Path, text: &str, mut root: Section<'_>, mistakes: &mut Mistakes) -> Option<Suite> {
    let name = root.require("name", mistakes).and_then(|item| suite_name(item, mistakes));
    let seed = match root.take("seed") {
        Some(item) => values::seed(item, "seed", mistakes),
        None => Some(DEFAULT_SEED),
    };
    let data = root.require("data", mistakes).and_then(|item| data(item, mistakes));
    let models = root.require("models", mistakes).and_then(|item| models(item, mistakes));
    let variants = match root.take("variants") {
        Some(item) => tables(item, "variants", variant, mistakes),
        None => Vec::new(),
    };
    let given = root.take("fingerprints");
    let fingerprints =
        given.map(|item| tables(item, "fingerprints", fingerprint, mistakes)).unwrap_or_default();
    refuse_duplicates(&fingerprints, mistakes);
    let figures = root.take("figures").and_then(|item| figures_use(item, mistakes));
    let published =
        root.take("published").and_then(|item| values::label(item, "published", mistakes));
    let plugins = root.take("plugins").map(|item| values::labels(item, "plugins", mistakes));
    let evaluation = match root.take("evaluation") {
        Some(item) => Section::of("[evaluation]", item, mistakes),
        None => Some(Section::new("[evaluation]", 0..0, EMPTY.get_or_init(DeTable::new))),
    };
    let evaluation = evaluation.map(|section| evaluation_use(section, mistakes));
    let at = root.place();
    root.refuse_rest(mistakes);
    if let Some(evaluation) = &evaluation {
        check_tasks(evaluation, given, &at, mistakes);
    }

    let pool = data.as_ref().and_then(|(_, pool)| pool.clone());
    if let Some(evaluation) = &evaluation {
        // Nobody is to build the plugins of that many points, only to see what else is wrong.
        if !check_points(&variants, &fingerprints, evaluation, mistakes) {
            return None;
        }
        check_budgets(evaluation, pool.as_ref(), &fingerprints, mistakes);
    }
    let (data, pool) = data?;
    Some(Suite {
        path: PathBuf::from(path),
        text: Arc::from(text),
        given_outside: Vec::new(),
        outside: PathBuf::new(),
        name: name?,
        seed: seed?,
        data,
        pool,
        models: models?,
        variants,
        fingerprints,
        evaluation: evaluation?,
        figures,
        published,
        plugins: plugins.unwrap_or_default(),
    })
}

/// Sequential tests have no fingerprints, the other tasks nothing without them.
fn check_tasks(
    evaluation: &EvaluationUse,
    fingerprints: Option<&Item<'_>>,
    root: &Range<usize>,
    mistakes: &mut Mistakes,
) {
    let only_sequential = evaluation.tasks == [Task::Sequential];
    let is_empty = |item: &Item<'_>| item.get_ref().as_array().is_some_and(|list| list.is_empty());
    let help = Some("add a `[[fingerprints]]` with `name` and `method`".to_owned());
    match fingerprints {
        Some(item) if only_sequential && !is_empty(item) => mistakes.add(
            item.span(),
            "sequential tests have no fingerprints",
            "they choose image by image, from all models that are known",
            Some("remove [[fingerprints]], or add another task".to_owned()),
        ),
        Some(item) if !only_sequential && is_empty(item) => {
            mistakes.add(item.span(), "no fingerprint to judge", "empty", help);
        }
        None if !only_sequential => {
            let (message, label) = ("a suite has no `fingerprints`", "`fingerprints` is missing");
            mistakes.add(root.clone(), message, label, help);
        }
        _ => {}
    }
}

static EMPTY: std::sync::OnceLock<DeTable<'static>> = std::sync::OnceLock::new();

fn suite_name(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let name = short_name(item, mistakes)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.value.starts_with('.') || !name.value.chars().all(allowed) {
        mistakes.add(
            name.at,
            format!("`name` can't be `{}`: it names the results folder", name.value),
            "letters, digits, `-`, `_` and `.` only, no `.` at the start",
            None,
        );
        return None;
    }
    Some(name.value)
}

/// A name that fits into tables and file systems.
fn short_name(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<Located<String>> {
    let name = values::label(item, "name", mistakes)?;
    let length = name.value.chars().count();
    if length > LONGEST_NAME {
        let message = format!("`name` has {length} characters");
        mistakes.add(name.at, message, format!("at most {LONGEST_NAME}"), None);
        return None;
    }
    Some(name)
}

fn data(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<(PluginUse, Option<Located<usize>>)> {
    let mut section = Section::of("[data]", item, mistakes)?;
    let pool = section.take("pool").and_then(|item| values::count(item, "pool", mistakes));
    Some((source(section, mistakes)?, pool))
}

fn models(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<PluginUse> {
    source(Section::of("[models]", item, mistakes)?, mistakes)
}

fn source(mut section: Section<'_>, mistakes: &mut Mistakes) -> Option<PluginUse> {
    let plugin = section.require("source", mistakes);
    let plugin = plugin.and_then(|item| values::label(item, "source", mistakes));
    let parameters = section.parameters(mistakes);
    Some(PluginUse { plugin: plugin?, parameters })
}

fn fingerprint(mut section: Section<'_>, mistakes: &mut Mistakes) -> Option<FingerprintUse> {
    let name = section.require("name", mistakes);
    let name = name.and_then(|item| short_name(item, mistakes));
    let method = section.require("method", mistakes);
    let method = method.and_then(|item| values::label(item, "method", mistakes));
    let selector = section.take("selector").and_then(|item| selector(item, mistakes));
    let bank = section
        .take("bank")
        .and_then(|item| values::count_up_to(item, "bank", MOST_CRAFTED, mistakes));
    let peers = section.take("peers").and_then(|item| peers(item, mistakes));
    let rehearsals =
        section.take("rehearsals").map(|item| tables(item, "rehearsals", variant, mistakes));
    let parameters = section.parameters(mistakes);
    Some(FingerprintUse {
        name: name?,
        method: PluginUse { plugin: method?, parameters },
        selector,
        bank,
        peers,
        rehearsals,
    })
}

fn selector(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<PluginUse> {
    if item.get_ref().is_str() {
        let plugin = values::label(item, "selector", mistakes)?;
        return Some(PluginUse { plugin, parameters: Vec::new() });
    }
    if !item.get_ref().is_table() {
        return values::wrong_type(item, "selector", "a name or a table", mistakes);
    }
    let mut section = Section::of("selector", item, mistakes)?;
    let plugin = section.require("plugin", mistakes);
    let plugin = plugin.and_then(|item| values::label(item, "plugin", mistakes));
    let parameters = section.parameters(mistakes);
    Some(PluginUse { plugin: plugin?, parameters })
}

fn check_budgets(
    evaluation: &EvaluationUse,
    pool: Option<&Located<usize>>,
    fingerprints: &[FingerprintUse],
    mistakes: &mut Mistakes,
) {
    let Some(largest) = evaluation.budgets.last() else {
        return;
    };
    if let Some(pool) = pool {
        for budget in evaluation.budgets.iter().filter(|budget| budget.value > pool.value) {
            // Default budgets stand nowhere in the file; then the pool is what was written.
            let at: Range<usize> =
                if budget.at.is_empty() { pool.at.clone() } else { budget.at.clone() };
            mistakes.add(
                at,
                format!("a budget of {} exceeds the pool of {}", budget.value, pool.value),
                "more queries than images",
                Some("raise `pool` in [data] or lower `budgets` in [evaluation]".to_owned()),
            );
        }
    }
    for bank in fingerprints.iter().filter_map(|fingerprint| fingerprint.bank.as_ref()) {
        if bank.value < largest.value {
            mistakes.add(
                bank.at.clone(),
                format!("a bank of {} can't serve the budget {}", bank.value, largest.value),
                format!("at least {}", largest.value),
                None,
            );
        }
    }
}

/// Whether all grids together are small enough, as each is by itself.
fn check_points(
    variants: &[VariantUse],
    fingerprints: &[FingerprintUse],
    evaluation: &EvaluationUse,
    mistakes: &mut Mistakes,
) -> bool {
    let own = fingerprints.iter().filter_map(|fingerprint| fingerprint.rehearsals.as_deref());
    let all = [variants, &evaluation.rehearsals].into_iter().chain(own).flatten();
    let (mut points, mut last) = (0_usize, 0..0);
    for variants in all {
        points = points.saturating_add(variants.count());
        last = variants.plugin.at.clone();
    }
    if points > MOST_POINTS {
        let message = format!("the grids have {points} points together");
        mistakes.add(last, message, format!("at most {MOST_POINTS}"), None);
    }
    points <= MOST_POINTS
}

fn refuse_duplicates(fingerprints: &[FingerprintUse], mistakes: &mut Mistakes) {
    for (position, fingerprint) in fingerprints.iter().enumerate() {
        let name = &fingerprint.name;
        if fingerprints[..position].iter().any(|earlier| earlier.name.value == name.value) {
            let message = format!("two fingerprints are named `{}`", name.value);
            mistakes.add(name.at.clone(), message, "again", None);
        }
    }
}
