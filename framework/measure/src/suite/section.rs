//! Taking a table of a suite apart, with every mistake noted where it stands.

use std::ops::Range;

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Diagnostic, Located, suggestion, values};
use crate::untrusted;

/// A TOML value with its place.
pub type Item<'a> = Spanned<DeValue<'a>>;

/// What was found to be wrong so far.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<Diagnostic>);

impl Mistakes {
    /// Notes one.
    pub fn add(
        &mut self,
        at: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        self.0.push(Diagnostic { message: message.into(), at, label: label.into(), help });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of the file.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort_by_key(|diagnostic| diagnostic.at.start);
        self.0
    }
}

/// A table of which keys are taken one by one; what is left over is a mistake or a plugin's parameter.
#[derive(Debug)]
pub struct Section<'a> {
    title: String,
    at: Range<usize>,
    entries: Vec<(Located<String>, &'a Item<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The keys of `table`; messages call it `title`.
    pub fn new(title: impl Into<String>, at: Range<usize>, table: &'a DeTable<'a>) -> Self {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, item)| (Located { value: key.get_ref().to_string(), at: key.span() }, item))
            .collect();
        // The parser hands keys out by name; reports and grids follow the file.
        entries.sort_by_key(|(key, _)| key.at.start);
        Self { title: title.into(), at, entries, known: Vec::new() }
    }

    /// The keys of `item`, which must be a table.
    pub fn of(
        title: impl Into<String>,
        item: &'a Item<'a>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let title = title.into();
        let table = values::table(item, &title, mistakes)?;
        Some(Self::new(title, item.span(), table))
    }

    /// Takes the value of `key` out.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Item<'a>> {
        self.take_entry(key).map(|(_, item)| item)
    }

    /// Takes the value of a key that must be there.
    pub fn require(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<&'a Item<'a>> {
        let found = self.take(key);
        if found.is_none() {
            mistakes.add(
                self.at.clone(),
                format!("{} has no `{key}`", self.title),
                format!("`{key}` is missing"),
                None,
            );
        }
        found
    }

    /// Whether there is a `key` that nobody took.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(found, _)| found.value == key)
    }

    /// All that is left, as parameters of a plugin.
    pub fn parameters(self, mistakes: &mut Mistakes) -> Vec<(Located<String>, Located<Value>)> {
        self.entries
            .into_iter()
            .filter_map(|(key, item)| {
                let value = values::json(item, mistakes)?;
                Some((key, Located { value, at: item.span() }))
            })
            .collect()
    }

    /// Where it stands.
    pub fn place(&self) -> Range<usize> {
        self.at.clone()
    }

    /// What is left, keys and values as they stand.
    pub fn into_entries(self) -> Vec<(Located<String>, &'a Item<'a>)> {
        self.entries
    }

    /// Notes every key left over as unknown.
    pub fn refuse_rest(self, mistakes: &mut Mistakes) {
        for (key, _) in self.entries {
            mistakes.add(
                key.at,
                format!("unknown key `{}`", untrusted::excerpt(&key.value)),
                format!("not a key of {}", self.title),
                suggestion(&key.value, &self.known),
            );
        }
    }

    fn take_entry(&mut self, key: &'static str) -> Option<(Located<String>, &'a Item<'a>)> {
        self.known.push(key);
        let position = self.entries.iter().position(|(found, _)| found.value == key)?;
        Some(self.entries.remove(position))
    }
}

/// Each table of a list; those with mistakes are left out.
pub fn tables<'a, T>(
    item: &'a Item<'a>,
    key: &str,
    read: impl Fn(Section<'a>, &mut Mistakes) -> Option<T>,
    mistakes: &mut Mistakes,
) -> Vec<T> {
    if item.get_ref().is_table() {
        let help = Some(format!("write `[[{key}]]`, in two brackets: there may be several"));
        let message = format!("`{key}` is a table, must be a list of tables");
        mistakes.add(item.span(), message, "must be a list of tables", help);
        return Vec::new();
    }
    let Some(items) = values::list(item, key, mistakes) else {
        return Vec::new();
    };
    let title = format!("[[{key}]]");
    items
        .iter()
        .filter_map(|item| {
            let section = Section::of(title.clone(), item, mistakes)?;
            read(section, mistakes)
        })
        .collect()
}
