//! What suspects are told apart by: their family, their variation, or themselves.

use super::Suspect;

/// What an answer names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// The vanilla that a suspect comes from.
    Family,
    /// The vanilla and the kind of variant with its detail, parameters merged.
    Variation,
    /// The model itself.
    Model,
}

impl Grouping {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Family => "family",
            Self::Variation => "variation",
            Self::Model => "model",
        }
    }

    /// The group of each suspect, numbered from 0 in the order of their first members.
    pub fn groups<'a>(self, suspects: &'a [Suspect]) -> Vec<usize> {
        let mut first: Vec<&'a Suspect> = Vec::new();
        let group = |suspect: &'a Suspect| {
            let same = |other: &&Suspect| match self {
                Self::Family => other.family == suspect.family,
                Self::Variation => {
                    (other.family, &other.kind, &other.detail)
                        == (suspect.family, &suspect.kind, &suspect.detail)
                }
                Self::Model => false,
            };
            first.iter().position(same).unwrap_or_else(|| {
                first.push(suspect);
                first.len() - 1
            })
        };
        suspects.iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_numbered_by_their_first_members() {
        let suspect = |family, kind: &str, detail: Option<&str>| Suspect {
            family,
            kind: kind.to_owned(),
            detail: detail.map(str::to_owned),
            parameter: Some("0.1".to_owned()),
            group: "weights".to_owned(),
            vanilla: false,
            rehearsed: false,
            copy: false,
        };
        let suspects = [
            suspect(4, "prune", Some("all")),
            suspect(4, "prune", Some("last")),
            suspect(2, "prune", Some("all")),
            suspect(4, "prune", Some("all")),
        ];
        assert_eq!(Grouping::Family.groups(&suspects), [0, 0, 1, 0]);
        assert_eq!(Grouping::Variation.groups(&suspects), [0, 1, 2, 0]);
        assert_eq!(Grouping::Model.groups(&suspects), [0, 1, 2, 3]);
    }
}
