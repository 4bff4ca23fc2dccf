//! Which models a folder holds: vanillas, their variants, their files.

use std::{cmp::Ordering, collections::BTreeMap, path::Path};

use bertillon::{Error, Group, Result, Vanilla, Variation, manifest::Row};

/// Kinds of variant whose group a manifest need not say.
const GROUPS: [(&str, Group); 9] = [
    ("adversarial-finetune", Group::Training),
    ("blur", Group::Input),
    ("finetune", Group::Training),
    ("half", Group::Weights),
    ("histogram", Group::Input),
    ("jpeg", Group::Input),
    ("posterize", Group::Input),
    ("prune", Group::Weights),
    ("randomized-smoothing", Group::Input),
];

/// One file and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Path below the folder.
    pub(super) file: String,
    /// Name of its vanilla.
    pub(super) family: String,
    /// How it was derived; none for the vanilla itself.
    pub(super) variation: Option<Variation>,
    /// Ancestry of a vanilla, where it is not its name.
    pub(super) ancestry: Option<String>,
    /// BLAKE3 of its answers, where it was published.
    pub(super) digest: Option<String>,
}

/// All models of a folder, families by name, each vanilla before its variants.
#[derive(Debug)]
pub(super) struct Population {
    pub(super) vanillas: Vec<Vanilla>,
    /// Every file with the index of its vanilla.
    pub(super) members: Vec<(usize, Member)>,
}

impl Member {
    /// What a manifest's row says.
    ///
    /// # Errors
    /// When the group is missing or unknown.
    pub(super) fn from_row(row: Row) -> Result<Self, String> {
        let variation = match row.kind {
            None => None,
            Some(kind) => {
                let group = match row.group.as_deref() {
                    Some(name) => group(name)?,
                    None => known_group(&kind)?,
                };
                Some(Variation { kind, detail: row.detail, parameter: row.parameter, group })
            }
        };
        Ok(Self {
            file: row.file,
            family: row.family,
            variation,
            ancestry: row.ancestry,
            digest: row.digest,
        })
    }

    /// `resnet50/prune/conv/0.2`.
    fn name(&self) -> String {
        match &self.variation {
            None => self.family.clone(),
            Some(variation) => format!("{}/{variation}", self.family),
        }
    }

    /// By family, the vanilla first, then by kind, detail and parameter.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let variations = match (&self.variation, &other.variation) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => (&a.kind, &a.detail)
                .cmp(&(&b.kind, &b.detail))
                .then_with(|| natural(a.parameter.as_deref(), b.parameter.as_deref())),
        };
        self.family.cmp(&other.family).then(variations)
    }
}

impl Population {
    /// Sorts the files of a folder into families; `siblings` names families of one ancestry.
    ///
    /// Families and their variants come in the order given, the vanilla first of its family.
    ///
    /// # Errors
    /// When there are none, two are one model, or a variant has no vanilla.
    pub(super) fn assemble(
        folder: &Path,
        mut members: Vec<Member>,
        siblings: &[Vec<String>],
        classes: usize,
    ) -> Result<Self> {
        if members.is_empty() {
            let problem = "no recorded answers are in it; are they in a folder below?";
            return Err(Error::file(folder, problem));
        }
        let mut sorted: Vec<&Member> = members.iter().collect();
        sorted.sort_by(|a, b| a.order(b).then_with(|| a.file.cmp(&b.file)));
        if let Some([a, b]) = sorted.array_windows().find(|[a, b]| a.order(b).is_eq()) {
            let problem =
                format!("`{}` and `{}` are both {}; remove one", a.file, b.file, b.name());
            return Err(Error::file(folder, problem));
        }
        let mut families = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            families.entry(member.family.clone()).or_insert(place);
        }
        members.sort_by_key(|member| (families[&member.family], member.variation.is_some()));
        let mut vanillas: Vec<Vanilla> = Vec::new();
        let mut all = Vec::with_capacity(members.len());
        for member in members {
            if member.variation.is_none() {
                vanillas.push(Vanilla {
                    name: member.family.clone(),
                    ancestry: member.ancestry.clone().unwrap_or_else(|| member.family.clone()),
                    digest: String::new(),
                    input: None,
                    classes,
                    preprocessing: None,
                    accuracy: None,
                });
            }
            match vanillas.last() {
                Some(vanilla) if vanilla.name == member.family => {
                    all.push((vanillas.len() - 1, member));
                }
                _ => {
                    let problem = format!(
                        "a variant of `{}`, whose own answers are missing; add them, or remove its variants",
                        member.family
                    );
                    return Err(Error::file(folder.join(&member.file), problem));
                }
            }
        }
        relate(&mut vanillas, siblings)?;
        Ok(Self { vanillas, members: all })
    }
}

/// Gives the families of each group one ancestry.
fn relate(vanillas: &mut [Vanilla], siblings: &[Vec<String>]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for group in siblings {
        let [first, _, ..] = &group[..] else {
            let problem = "a group of siblings has two names or more";
            return Err(Error::parameter("siblings", format!("{group:?}"), problem));
        };
        for name in group {
            if seen.insert(name, ()).is_some() {
                let problem = "the name comes twice; siblings of siblings are in one group";
                return Err(Error::parameter("siblings", name, problem));
            }
            let Some(vanilla) = vanillas.iter_mut().find(|vanilla| &vanilla.name == name) else {
                let problem = "no family of that name is recorded";
                return Err(Error::parameter("siblings", name, problem));
            };
            vanilla.ancestry.clone_from(first);
        }
    }
    Ok(())
}

/// Numbers by value, before all else by letters.
fn natural(a: Option<&str>, b: Option<&str>) -> Ordering {
    let number =
        |text: Option<&str>| text.and_then(|t| t.parse::<f64>().ok()).filter(|n| !n.is_nan());
    let values = match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    values.then_with(|| a.cmp(&b))
}

fn group(name: &str) -> Result<Group, String> {
    [Group::Input, Group::Weights, Group::Training, Group::Output]
        .into_iter()
        .find(|group| group.to_string() == name)
        .ok_or_else(|| format!("`group` = `{name}` is none of input, weights, training, output"))
}

pub(super) fn known_group(kind: &str) -> Result<Group, String> {
    GROUPS.iter().find(|(known, _)| *known == kind).map(|&(_, group)| group).ok_or_else(|| {
        format!("kind `{kind}` is not one of bertillon's own; give its `group` (input, weights, training or output)")
    })
}

#[cfg(test)]
mod tests {
    use bertillon::registry::{self, Builder, PluginKind};
    use bertillon_variants as _;

    use super::*;

    #[test]
    fn groups_are_those_of_the_generators() {
        for entry in registry::of_kind(PluginKind::Variant).unwrap() {
            let Builder::Variant(build) = entry.builder else { continue };
            match build("{}") {
                // A chain's is that of its last step.
                _ if entry.name == "chain" => assert!(known_group("chain").is_err()),
                Ok(generator) => {
                    assert_eq!(known_group(entry.name), Ok(generator.variation().group));
                }
                Err(error) => panic!("{}: {error}", entry.name),
            }
        }
    }

    #[test]
    fn parameters_sort_by_value() {
        let mut parameters = [Some("100"), Some("b"), Some("9"), None, Some("0.5"), Some("a")];
        parameters.sort_by(|a, b| natural(*a, *b));
        assert_eq!(parameters, [Some("0.5"), Some("9"), Some("100"), None, Some("a"), Some("b")]);
    }
}
