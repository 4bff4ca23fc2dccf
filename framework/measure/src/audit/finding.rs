//! What an audit finds.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Rates of this population are wrong, or can't be told to be right.
    Error,
    /// Rates are probably not what they are taken for.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A variant that answers the whole pool as its vanilla does.
    UnchangedVariant,
    /// A variant that is nearer to another family than to its own.
    MislabelledVariant,
    /// Models with the same answers.
    DuplicateModel,
    /// Vanillas of two ancestries that share more mistakes than others.
    SharedAncestry,
    /// A model that gives one label to nearly everything, or is right no oftener than chance.
    BrokenModel,
    /// A vanilla whose accuracy is not the one that is claimed for it.
    AccuracyOffClaim,
    /// A variant that is more accurate than its vanilla.
    AccurateVariant,
    /// The same image twice.
    DuplicateImage,
    /// Images that differ in next to nothing.
    NearDuplicateImage,
    /// The same image with two labels.
    LabelClash,
    /// True labels that almost no model agrees with.
    DoubtedLabel,
    /// An image of the pool among those that thieves train on.
    ImageInBoth,
    /// A model that is not there, or could not be asked.
    MissingModel,
    /// A check of a run by itself that failed.
    FailedCheck,
}

impl Rule {
    /// Every rule, in the order of their findings.
    pub const ALL: [Self; 14] = [
        Self::UnchangedVariant,
        Self::MislabelledVariant,
        Self::DuplicateModel,
        Self::SharedAncestry,
        Self::BrokenModel,
        Self::AccuracyOffClaim,
        Self::AccurateVariant,
        Self::DuplicateImage,
        Self::NearDuplicateImage,
        Self::LabelClash,
        Self::DoubtedLabel,
        Self::ImageInBoth,
        Self::MissingModel,
        Self::FailedCheck,
    ];

    /// Its name, in kebab case.
    pub fn id(self) -> &'static str {
        match self {
            Self::UnchangedVariant => "unchanged-variant",
            Self::MislabelledVariant => "mislabelled-variant",
            Self::DuplicateModel => "duplicate-model",
            Self::SharedAncestry => "shared-ancestry",
            Self::BrokenModel => "broken-model",
            Self::AccuracyOffClaim => "accuracy-off-claim",
            Self::AccurateVariant => "accurate-variant",
            Self::DuplicateImage => "duplicate-image",
            Self::NearDuplicateImage => "near-duplicate-image",
            Self::LabelClash => "label-clash",
            Self::DoubtedLabel => "doubted-label",
            Self::ImageInBoth => "image-in-both",
            Self::MissingModel => "missing-model",
            Self::FailedCheck => "failed-check",
        }
    }

    /// What it says, in a sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::UnchangedVariant => "A variant answers as its vanilla does: nothing changed.",
            Self::MislabelledVariant => {
                "A variant is nearer to another family than to its own: it may be filed wrongly."
            }
            Self::DuplicateModel => "Several models give the same answers: they are one.",
            Self::SharedAncestry => {
                "Vanillas that are declared apart share so many mistakes that they may be of one ancestry."
            }
            Self::BrokenModel => "A model answers at random, or nearly every image alike.",
            Self::AccuracyOffClaim => "A vanilla is not as accurate as is claimed for it.",
            Self::AccurateVariant => {
                "A variant is clearly more accurate than its vanilla: it may be filed wrongly."
            }
            Self::DuplicateImage => "Images of the pool are the same: they count twice.",
            Self::NearDuplicateImage => "Images of the pool differ in next to nothing.",
            Self::LabelClash => "The same image has two labels: one of them is wrong.",
            Self::DoubtedLabel => "Hardly a vanilla agrees with a label: it may be wrong.",
            Self::ImageInBoth => {
                "An image that owners ask is one that thieves train on: the two must be disjoint."
            }
            Self::MissingModel => "A model is not there, or could not be derived or asked.",
            Self::FailedCheck => "A run found fault with itself.",
        }
    }
}

/// A figure or name that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What it is.
    pub name: String,
    /// Its value, in words.
    pub value: String,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Models or images concerned.
    pub subjects: Vec<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// A finding without evidence yet.
    pub fn new(
        rule: Rule,
        severity: Severity,
        subjects: impl IntoIterator<Item = String>,
        message: String,
    ) -> Self {
        let subjects = subjects.into_iter().collect();
        Self { rule, severity, subjects, message, evidence: Vec::new() }
    }

    /// The same with one more figure behind it.
    #[must_use]
    pub fn because(mut self, name: &str, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { name: name.to_owned(), value: value.into() });
        self
    }
}

/// An audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Name of the suite.
    pub suite: String,
    /// What was looked at, in words: `781 models`, `20000 images`.
    pub looked_at: Vec<String>,
    /// What could not be looked at, and why.
    pub left_out: Vec<String>,
    /// What was found: the gravest first, then by rule.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Sorts findings by severity and rule; those of one rule stay in their order.
    pub fn new(
        suite: String,
        looked_at: Vec<String>,
        left_out: Vec<String>,
        mut findings: Vec<Finding>,
    ) -> Self {
        findings.sort_by_key(|finding| (finding.severity, finding.rule));
        Self { suite, looked_at, left_out, findings }
    }

    /// How many findings are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// A share in percent, with one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Names one after the other; of many the first, and how many more there are.
pub(super) fn named(names: &[String]) -> String {
    const MOST: usize = 8;
    match names.len().checked_sub(MOST + 1) {
        None => names.join(", "),
        Some(more) => format!("{} and {} more", names[..MOST].join(", "), more + 1),
    }
}
