//! Manifests: what each file of recorded answers is.
//!
//! TOML, with a few settings and one entry a file, or CSV, with the same names as columns:
//!
//! ```toml
//! truth = "ground_truth.npy"
//! classes = 1000
//! access = "top1"
//! models = [
//!   { file = "resnet50.npy", family = "resnet50", ancestry = "resnet" },
//!   { file = "resnet50-prune.npy", family = "resnet50", kind = "prune", detail = "conv", parameter = "0.2" },
//! ]
//! ```
//!
//! What a manifest says is checked as far as it goes without its files: names, paths, numbers, repetitions.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Component, Path},
};

use serde::{Deserialize, Deserializer};

use crate::{Access, npy::MAX_CLASSES, untrusted};

/// Columns of a CSV manifest, in the order in which they are documented.
const COLUMNS: [&str; 9] =
    ["file", "model", "family", "kind", "detail", "parameter", "group", "ancestry", "digest"];

/// What each file of a folder of recorded answers is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// File of the true labels, unless it has its usual name.
    pub truth: Option<String>,
    /// Number of classes, 1 to 65,536.
    pub classes: Option<usize>,
    /// What is taken of the answers; all that they hold where it is left out.
    pub access: Option<Access>,
    /// One row a file.
    pub rows: Vec<Row>,
}

/// One file of recorded answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Its path below the folder.
    pub file: String,
    /// Name of the model, unique where given.
    pub model: Option<String>,
    /// Name of the vanilla that it is or derives from.
    pub family: String,
    /// Kind of variant; none for the vanilla itself.
    pub kind: Option<String>,
    /// Form of the kind, where it has several.
    pub detail: Option<String>,
    /// Strength, where it has one, as bertillon prints it: `0.2`.
    pub parameter: Option<String>,
    /// What the kind acts on: `input`, `weights`, `training` or `output`.
    pub group: Option<String>,
    /// Ancestry group of a vanilla; its name where it is left out.
    pub ancestry: Option<String>,
    /// BLAKE3 of the answers in hexadecimal digits, to tell whether they are those that were published.
    pub digest: Option<String>,
}

/// What is wrong with a manifest, and what to do; whoever knows the file's name says it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No TOML, or none of a manifest.
    #[error("line {line}: {problem}")]
    Toml {
        /// Line, from 1.
        line: usize,
        /// In the parser's words.
        problem: String,
    },
    /// No CSV, or none of a manifest.
    #[error("{0}")]
    Csv(String),
    /// A setting with an impossible value.
    #[error("`{name}`: {problem}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// A row that says nothing sensible.
    #[error("model {number} (file `{file}`): {problem}")]
    Row {
        /// Number of the row, from 1.
        number: usize,
        /// Its file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// Result of reading a manifest.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    truth: Option<String>,
    classes: Option<u64>,
    access: Option<String>,
    #[serde(default)]
    models: Vec<RawRow>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    file: String,
    model: Option<String>,
    family: Option<String>,
    kind: Option<String>,
    detail: Option<String>,
    #[serde(default, deserialize_with = "text_or_number")]
    parameter: Option<String>,
    group: Option<String>,
    ancestry: Option<String>,
    digest: Option<String>,
}

impl Manifest {
    /// Reads a manifest in TOML.
    ///
    /// # Errors
    /// When it is broken or contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self> {
        let raw: RawManifest = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            Error::Toml { line, problem: untrusted::abridged(error.message()) }
        })?;
        raw.checked()
    }

    /// Reads a manifest in CSV, whose first line names the columns.
    ///
    /// # Errors
    /// When it is broken or contradicts itself.
    pub fn from_csv(text: &str) -> Result<Self> {
        let broken = |error: csv::Error| Error::Csv(error.to_string());
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns = reader.headers().map_err(broken)?.clone();
        for (i, column) in columns.iter().enumerate() {
            if !COLUMNS.contains(&column) {
                let known = COLUMNS.join(", ");
                let column = untrusted::excerpt(column);
                return Err(Error::Csv(format!("unknown column `{column}`; there are {known}")));
            }
            if columns.iter().take(i).any(|earlier| earlier == column) {
                return Err(Error::Csv(format!("two columns `{column}`; remove one")));
            }
        }
        let mut models = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let mut fields: BTreeMap<&str, String> = columns
                .iter()
                .zip(record.iter())
                .filter(|(_, field)| !field.is_empty())
                .map(|(column, field)| (column, field.to_owned()))
                .collect();
            models.push(RawRow {
                file: fields.remove("file").unwrap_or_default(),
                model: fields.remove("model"),
                family: fields.remove("family"),
                kind: fields.remove("kind"),
                detail: fields.remove("detail"),
                parameter: fields.remove("parameter"),
                group: fields.remove("group"),
                ancestry: fields.remove("ancestry"),
                digest: fields.remove("digest"),
            });
        }
        RawManifest { truth: None, classes: None, access: None, models }.checked()
    }

    /// The manifest in TOML, one line a file.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut setting = |name: &str, value: toml::Value| {
            let _ = writeln!(text, "{name} = {value}");
        };
        if let Some(truth) = &self.truth {
            setting("truth", truth.as_str().into());
        }
        if let Some(classes) = self.classes.and_then(|classes| i64::try_from(classes).ok()) {
            setting("classes", classes.into());
        }
        if let Some(access) = self.access {
            setting("access", access.to_string().into());
        }
        text.push_str("models = [\n");
        for row in &self.rows {
            let fields = [
                ("model", &row.model),
                ("family", &Some(row.family.clone())),
                ("kind", &row.kind),
                ("detail", &row.detail),
                ("parameter", &row.parameter),
                ("group", &row.group),
                ("ancestry", &row.ancestry),
                ("digest", &row.digest),
            ];
            let _ = write!(text, "  {{ file = {}", toml::Value::from(row.file.as_str()));
            for (name, value) in fields {
                if let Some(value) = value {
                    let _ = write!(text, ", {name} = {}", toml::Value::from(value.as_str()));
                }
            }
            text.push_str(" },\n");
        }
        text.push_str("]\n");
        text
    }
}

impl RawManifest {
    fn checked(self) -> Result<Manifest> {
        let setting = |name, problem: String| Err(Error::Setting { name, problem });
        if let Some(truth) = &self.truth
            && !is_below(truth)
        {
            return setting("truth", format!("`{truth}` is no path below the manifest's folder"));
        }
        let classes = match self.classes {
            None => None,
            Some(classes) => match usize::try_from(classes) {
                Ok(classes @ 1..=MAX_CLASSES) => Some(classes),
                _ => return setting("classes", format!("{classes} is not in 1..={MAX_CLASSES}")),
            },
        };
        let access = match self.access.as_deref().map(|text| (text, access(text))) {
            None => None,
            Some((_, Some(access))) => Some(access),
            Some((text, None)) => {
                return setting("access", format!("`{text}` is none of top1, top2, top3, …"));
            }
        };
        let rows: Vec<Row> = (1..)
            .zip(self.models)
            .map(|(number, row)| {
                let file = row.file.clone();
                row.checked().map_err(|problem| Error::Row { number, file, problem })
            })
            .collect::<Result<_>>()?;
        refuse_repetitions(&rows)?;
        Ok(Manifest { truth: self.truth, classes, access, rows })
    }
}

impl RawRow {
    fn checked(self) -> Result<Row, String> {
        if !is_below(&self.file) {
            return Err("the file must be a path below the manifest's folder, without `..`".into());
        }
        let texts = [
            ("model", &self.model),
            ("family", &self.family),
            ("kind", &self.kind),
            ("detail", &self.detail),
            ("parameter", &self.parameter),
            ("group", &self.group),
            ("ancestry", &self.ancestry),
        ];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.contains(char::is_control))
            {
                return Err(format!("`{name}` is empty or has control characters"));
            }
        }
        let is_digest =
            |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if self.digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
            return Err("`digest` has 64 hexadecimal digits (BLAKE3)".into());
        }
        let kind = self.kind.filter(|kind| kind != "vanilla");
        let is_vanilla = kind.is_none();
        if is_vanilla && [&self.detail, &self.parameter, &self.group].iter().any(|f| f.is_some()) {
            return Err("a vanilla has no detail, parameter or group; give the `kind`".into());
        }
        if !is_vanilla && self.ancestry.is_some() {
            return Err("`ancestry` belongs on the vanilla's row alone".into());
        }
        let family = match (self.family, &self.model) {
            (Some(family), Some(model)) if is_vanilla && &family != model => {
                return Err(format!("a vanilla's `model` is its `family`, not `{model}`"));
            }
            (Some(family), _) => family,
            (None, Some(model)) if is_vanilla => model.clone(),
            (None, _) => return Err("`family` is missing: the name of its vanilla".into()),
        };
        Ok(Row {
            file: self.file,
            model: self.model,
            family,
            kind,
            detail: self.detail,
            parameter: self.parameter,
            group: self.group,
            ancestry: self.ancestry,
            digest: self.digest.map(|digest| digest.to_ascii_lowercase()),
        })
    }
}

/// Two rows of one name, or of one file.
fn refuse_repetitions(rows: &[Row]) -> Result<()> {
    let (mut files, mut models) = (BTreeMap::new(), BTreeMap::new());
    for (number, row) in (1..).zip(rows) {
        let twice = |problem: String| Err(Error::Row { number, file: row.file.clone(), problem });
        if let Some(first) = files.insert(&row.file, number) {
            return twice(format!("model {first} has the same file; remove one"));
        }
        if let Some(model) = &row.model
            && let Some(first) = models.insert(model, number)
        {
            return twice(format!("model {first} has the same name `{model}`; rename one"));
        }
    }
    Ok(())
}

/// Whether `file` lies below the folder that it is relative to, whatever that is.
pub fn is_below(file: &str) -> bool {
    let mut components = Path::new(file).components().peekable();
    components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)))
        && !file.contains(char::is_control)
}

/// `top5` or `top-5`.
fn access(text: &str) -> Option<Access> {
    let ranks = text.strip_prefix("top")?;
    match ranks.strip_prefix('-').unwrap_or(ranks).parse().ok()? {
        0 => None,
        1 => Some(Access::Top1),
        ranks if ranks <= MAX_CLASSES => Some(Access::TopK(ranks)),
        _ => None,
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a number")]
    enum Parameter {
        Text(String),
        Integer(i64),
        Float(f64),
    }
    Ok(Option::<Parameter>::deserialize(deserializer)?.map(|parameter| match parameter {
        Parameter::Text(text) => text,
        Parameter::Integer(number) => number.to_string(),
        Parameter::Float(number) => number.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
truth = "labels/truth.npy"
classes = 10
access = "top-3"

[[models]]
file = "a.npy"
family = "a"
ancestry = "twins"

[[models]]
file = "sub/b.npy"
family = "a"
kind = "prune"
detail = "conv"
parameter = 0.20
"#;

    fn row(file: &str, family: &str) -> Row {
        Row { file: file.into(), family: family.into(), ..Row::default() }
    }

    #[test]
    fn both_forms_say_the_same() {
        let toml = Manifest::from_toml(TOML).unwrap();
        let csv = "file,family,kind,detail,parameter,ancestry\n\
                   a.npy,a,vanilla,,,twins\nsub/b.npy, a ,prune,conv,0.2,\n";
        let csv = Manifest::from_csv(csv).unwrap();
        let vanilla = Row { ancestry: Some("twins".into()), ..row("a.npy", "a") };
        let pruned = Row {
            kind: Some("prune".into()),
            detail: Some("conv".into()),
            parameter: Some("0.2".into()),
            ..row("sub/b.npy", "a")
        };
        assert_eq!(csv.rows, [vanilla, pruned]);
        assert_eq!(toml.rows, csv.rows);
        assert_eq!((toml.classes, toml.access), (Some(10), Some(Access::TopK(3))));
        assert_eq!(toml.truth.as_deref(), Some("labels/truth.npy"));
        assert_eq!(csv.classes, None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let manifest = Manifest {
            truth: Some("t \"quoted\" ü.npy".into()),
            classes: Some(65_536),
            access: Some(Access::Top1),
            rows: vec![
                Row {
                    model: Some("a, b".into()),
                    digest: Some("0a".repeat(32)),
                    ..row("x", "a, b")
                },
                Row {
                    kind: Some("chain".into()),
                    detail: Some("jpeg/50+'half'".into()),
                    group: Some("weights".into()),
                    ..row("y\\z", "a, b")
                },
            ],
        };
        assert_eq!(Manifest::from_toml(&manifest.to_toml()).unwrap(), manifest);
    }

    #[test]
    fn contradictions_are_named_with_their_row() {
        let cases = [
            ("file,size\n", "unknown column `size`"),
            ("file,file\n", "two columns `file`"),
            ("file,family\na,b,c\n", "3 fields"),
            ("file,family\n,a\n", "model 1 (file ``): the file must be a path below"),
            ("file,family\n../x.npy,a\n", "path below the manifest's folder"),
            ("file,family\n/etc/x.npy,a\n", "path below the manifest's folder"),
            ("file,family\nx,a\nx,b\n", "model 2 (file `x`): model 1 has the same file"),
            ("file,model\nx,a\ny,a\n", "the same name `a`"),
            ("file,model,kind\nx,a,half\n", "`family` is missing"),
            ("file,model,family\nx,a,b\n", "a vanilla's `model` is its `family`"),
            ("file,family,parameter\nx,a,3\n", "give the `kind`"),
            ("file,family,kind,ancestry\nx,a,half,b\n", "on the vanilla's row alone"),
            ("file,family,digest\nx,a,12\n", "64 hexadecimal digits"),
        ];
        for (text, expected) in cases {
            let error = Manifest::from_csv(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let cases = [
            ("classes = 0", "`classes`: 0 is not in 1..=65536"),
            ("access = \"top0\"", "`access`: `top0` is none of top1"),
            ("truth = \"../t.npy\"", "`truth`: `../t.npy` is no path below"),
            ("\nmodel = []", "line 2: unknown field `model`"),
            ("models = [{ file = \"x\", parameter = true }]", "a text or a number"),
            ("models = [{ family = \"x\" }]", "missing field `file`"),
            ("models = [", "line 1: "),
        ];
        for (text, expected) in cases {
            let error = Manifest::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
