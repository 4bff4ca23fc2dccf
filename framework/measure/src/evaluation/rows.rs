//! Rows of the per-variant table.

use super::Suspect;

/// True pairs of one variation: every true pair is in exactly one.
#[derive(Debug)]
pub(super) struct Leaf {
    /// True pairs of each family.
    pub(super) by_family: Vec<u32>,
    suspect: Suspect,
}

/// A set of leaves for which rates are given.
#[derive(Debug)]
pub(super) struct Row {
    /// Kind, detail, parameter, group and whether any is rehearsed; none for rows over several kinds.
    pub(super) head: Option<Suspect>,
    /// The group and whether it is rehearsed, of rows over a group.
    pub(super) group: Option<(String, bool)>,
    /// Positions of its leaves.
    pub(super) leaves: Vec<usize>,
    /// True pairs.
    pub(super) positives: usize,
    /// Families that true pairs come from.
    pub(super) families: usize,
}

/// Position of the row over all true pairs.
pub(super) const ALL: usize = 0;

/// Position of the row over all but vanillas.
pub(super) const WITHOUT_VANILLAS: usize = 1;

/// Position of the row over what is new to the owner: no vanilla, no copy of one, of no group that she rehearsed.
pub(super) const UNSEEN: usize = 2;

/// Position of the first row of the per-variant table.
pub(super) const VARIATIONS: usize = 3;

/// Groups suspects, given in the order of the columns, into leaves: each suspect's leaf, and the leaves.
pub(super) fn leaves<'a>(
    suspects: impl Iterator<Item = &'a Suspect>,
    families: usize,
) -> (Vec<usize>, Vec<Leaf>) {
    let mut leaves: Vec<Leaf> = Vec::new();
    let positions = suspects.map(|suspect| {
        let same = |leaf: &Leaf| {
            let other = &leaf.suspect;
            (&other.kind, &other.detail, &other.parameter, other.vanilla, other.copy)
                == (
                    &suspect.kind,
                    &suspect.detail,
                    &suspect.parameter,
                    suspect.vanilla,
                    suspect.copy,
                )
        };
        let position = leaves.iter().position(same).unwrap_or_else(|| {
            leaves.push(Leaf { by_family: vec![0; families], suspect: suspect.clone() });
            leaves.len() - 1
        });
        leaves[position].by_family[suspect.family] += 1;
        leaves[position].suspect.rehearsed |= suspect.rehearsed;
        position
    });
    (positions.collect(), leaves)
}

/// The rows over these leaves: all, all but vanillas, what is unseen, each kind with its detail, each parameter, each group
/// without vanillas and copies.
pub(super) fn rows(leaves: &[Leaf]) -> Vec<Row> {
    let some = |keep: &dyn Fn(&Suspect) -> bool, head: Option<Suspect>| {
        let positions = (0..leaves.len()).filter(|&position| keep(&leaves[position].suspect));
        row(leaves, positions.collect(), head)
    };
    let derived = |suspect: &Suspect| !suspect.vanilla && !suspect.copy;
    let mut rows = vec![
        some(&|_| true, None),
        some(&|suspect| !suspect.vanilla, None),
        some(&|suspect| derived(suspect) && !suspect.rehearsed, None),
    ];
    let kind = |suspect: &Suspect| (suspect.kind.clone(), suspect.detail.clone());
    let mut seen = Vec::new();
    for leaf in leaves {
        let this = kind(&leaf.suspect);
        if !seen.contains(&this) {
            let head = Suspect { parameter: None, ..leaf.suspect.clone() };
            rows.push(some(&|suspect| kind(suspect) == this, Some(head)));
            seen.push(this);
        }
    }
    let mut seen = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.suspect.parameter.is_some()) {
        let this = (kind(&leaf.suspect), leaf.suspect.parameter.clone());
        if !seen.contains(&this) {
            let same = |suspect: &Suspect| (kind(suspect), suspect.parameter.clone()) == this;
            rows.push(some(&same, Some(leaf.suspect.clone())));
            seen.push(this);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for leaf in leaves.iter().filter(|leaf| derived(&leaf.suspect)) {
        let group = leaf.suspect.group.as_str();
        if !seen.contains(&group) {
            let of_group = |suspect: &Suspect| derived(suspect) && suspect.group == group;
            let row = some(&of_group, None);
            let rehearsed = row.leaves.iter().any(|&leaf| leaves[leaf].suspect.rehearsed);
            rows.push(Row { group: Some((group.to_owned(), rehearsed)), ..row });
            seen.push(group);
        }
    }
    rows
}

fn row(leaves: &[Leaf], positions: Vec<usize>, head: Option<Suspect>) -> Row {
    let families = leaves.first().map_or(0, |leaf| leaf.by_family.len());
    let of_family = |family: usize| -> u32 {
        positions.iter().map(|&position| leaves[position].by_family[family]).sum()
    };
    let counts: Vec<u32> = (0..families).map(of_family).collect();
    let rehearsed = positions.iter().any(|&position| leaves[position].suspect.rehearsed);
    Row {
        head: head.map(|head| Suspect { rehearsed, ..head }),
        group: None,
        positives: counts.iter().map(|&count| count as usize).sum(),
        families: counts.iter().filter(|&&count| count > 0).count(),
        leaves: positions,
    }
}
