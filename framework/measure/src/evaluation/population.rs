//! The pairs of a case, arranged so that thresholds and rates are quickly found for any weights of families.

use std::ops::Range;

use super::{
    Case,
    rows::{Leaf, Row, leaves, rows},
    threshold::{Negatives, Place, Sides},
};
use crate::{Error, Result};

/// The pairs of a case.
#[derive(Debug)]
pub(super) struct Population {
    /// Number of families.
    pub(super) families: usize,
    /// Ancestry group of each family, numbered in the order of the families.
    pub(super) groups: Vec<usize>,
    /// Pairs of families between which there are false pairs.
    pub(super) pairs: Vec<FamilyPair>,
    /// Their sides, by themselves for the sake of caches.
    pub(super) sides: Vec<Sides>,
    /// True pairs by variation.
    pub(super) leaves: Vec<Leaf>,
    /// Rows of rates.
    pub(super) rows: Vec<Row>,
    /// Family of each true pair, leaf by leaf.
    pub(super) positive_families: Vec<usize>,
    /// True pairs of each family.
    pub(super) positives_of: Vec<usize>,
    /// Distances, draw by draw.
    pub(super) draws: Vec<Draw>,
    /// False pairs.
    pub(super) negatives: usize,
}

/// An owner and the family of suspects who are not hers.
#[derive(Debug, Clone, Copy)]
pub(super) struct FamilyPair {
    /// The owner's family.
    pub(super) owner: usize,
    /// The suspects' family.
    pub(super) suspect: usize,
    /// Their ancestry groups.
    pub(super) sides: Sides,
    /// False pairs between the two.
    pub(super) count: u32,
}

/// Distances of one draw.
#[derive(Debug)]
pub(super) struct Draw {
    /// False pairs.
    pub(super) negatives: Negatives,
    /// Distances of true pairs, in the order of the population.
    pub(super) positives: Vec<f64>,
    /// Where each of them stands among the false ones.
    pub(super) places: Vec<Place>,
}

impl Population {
    /// Arranges the pairs of a case.
    ///
    /// # Errors
    /// When lengths disagree, a distance is NaN, there are no true or no false pairs, or too many to count.
    pub(super) fn new(case: &Case<'_>) -> Result<Self> {
        check_lengths(case)?;
        let (families, suspects) = (case.ancestry.len(), case.suspects.len());
        let judged = (0..families * suspects).filter(|&cell| case.judged[cell]);
        let (mut positive, negative): (Vec<usize>, Vec<usize>) =
            judged.partition(|&cell| case.suspects[cell % suspects].family == cell / suspects);
        if positive.is_empty() {
            return Err(Error::Empty("no true pair (owner, suspect of her family) was judged"));
        }
        if negative.is_empty() {
            return Err(Error::Empty(
                "no false pair was judged: a threshold needs suspects of other families",
            ));
        }
        if i32::try_from(negative.len()).is_err() || u32::try_from(families * families).is_err() {
            return Err(Error::Empty("there are too many pairs to count"));
        }
        // Columns first, so that rows appear in the order of the suspects; then leaf by leaf.
        positive.sort_by_key(|&cell| cell % suspects);
        let (leaf_of, leaves) =
            leaves(positive.iter().map(|&cell| &case.suspects[cell % suspects]), families);
        let mut by_leaf: Vec<(usize, usize)> = leaf_of.into_iter().zip(positive).collect();
        by_leaf.sort_by_key(|&(leaf, _)| leaf);
        let positive: Vec<usize> = by_leaf.into_iter().map(|(_, cell)| cell).collect();
        let positive_families: Vec<usize> = positive.iter().map(|&cell| cell / suspects).collect();
        let mut positives_of = vec![0; families];
        positive_families.iter().for_each(|&family| positives_of[family] += 1);

        let groups = groups(case.ancestry);
        let index =
            |cell: usize| cell / suspects * families + case.suspects[cell % suspects].family;
        let indices: Vec<usize> = negative.iter().map(|&cell| index(cell)).collect();
        let (pairs, position_of) = family_pairs(&indices, &groups);
        let of_cell: Vec<u32> = indices.iter().map(|&index| position_of[index]).collect();
        let draw = |distances: &Vec<f64>| {
            // Adding zero makes one of the two zeros, so that what is equal is the same.
            let distance = |&cell: &usize| distances[cell] + 0.0;
            let pairs = negative.iter().map(distance).zip(of_cell.iter().copied());
            let negatives = Negatives::new(pairs.collect());
            let positives: Vec<f64> = positive.iter().map(distance).collect();
            let places = positives.iter().map(|&distance| negatives.place(distance)).collect();
            Draw { negatives, positives, places }
        };
        Ok(Self {
            families,
            sides: pairs.iter().map(|pair| pair.sides).collect(),
            pairs,
            groups,
            rows: rows(&leaves),
            leaves,
            positive_families,
            positives_of,
            negatives: negative.len(),
            draws: case.draws.iter().map(draw).collect(),
        })
    }

    /// Number of scopes that thresholds come from: one a group, and [`Self::pooled`].
    pub(super) fn scopes(&self) -> usize {
        self.pooled() + 1
    }

    /// The scope of all false pairs.
    pub(super) fn pooled(&self) -> usize {
        self.groups.iter().max().map_or(0, |&last| last + 1)
    }

    /// True pairs of each leaf, as positions in a draw.
    pub(super) fn leaf_ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut end = 0;
        self.leaves.iter().map(move |leaf| {
            let start = end;
            end += leaf.by_family.iter().map(|&count| count as usize).sum::<usize>();
            start..end
        })
    }

    /// A distance that no p-value can be, where there is one: neither in [0, 1] nor `+inf`.
    pub(super) fn beyond_p_values(&self) -> Option<f64> {
        let distances = self
            .draws
            .iter()
            .flat_map(|draw| draw.positives.iter().chain(draw.negatives.distances()));
        let p_value = |distance: f64| (0.0..=1.0).contains(&distance) || distance == f64::INFINITY;
        distances.copied().find(|&distance| !p_value(distance))
    }

    /// Families that take part in any pair, as owner or as suspect.
    pub(super) fn present(&self) -> Vec<usize> {
        let among_false = self.among_false();
        let present = |&family: &usize| among_false[family] || self.positives_of[family] > 0;
        (0..self.families).filter(present).collect()
    }

    /// Whether each family takes part in a false pair.
    pub(super) fn among_false(&self) -> Vec<bool> {
        let mut among = vec![false; self.families];
        for pair in &self.pairs {
            among[pair.owner] = true;
            among[pair.suspect] = true;
        }
        among
    }
}

/// Ancestry groups numbered by their first family.
fn groups(ancestry: &[usize]) -> Vec<usize> {
    let mut known: Vec<usize> = Vec::new();
    ancestry
        .iter()
        .map(|group| {
            known.iter().position(|other| other == group).unwrap_or_else(|| {
                known.push(*group);
                known.len() - 1
            })
        })
        .collect()
}

/// The pairs of families that occur, and where each index (owner times families plus suspect) is among them.
fn family_pairs(indices: &[usize], groups: &[usize]) -> (Vec<FamilyPair>, Vec<u32>) {
    let families = groups.len();
    let mut counts = vec![0_u32; families * families];
    indices.iter().for_each(|&index| counts[index] += 1);
    let narrow =
        |index: usize| u32::try_from(index).expect("pairs of families were counted in u32");
    let beyond = groups.iter().max().map_or(0, |&last| last + 2);
    let mut pairs = Vec::new();
    let mut position_of = vec![0; counts.len()];
    for (index, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let (owner, suspect) = (index / families, index % families);
        let other = if groups[owner] == groups[suspect] { beyond } else { groups[suspect] };
        position_of[index] = narrow(pairs.len());
        let sides = Sides { owner: narrow(groups[owner]), other: narrow(other) };
        pairs.push(FamilyPair { owner, suspect, sides, count });
    }
    (pairs, position_of)
}

fn check_lengths(case: &Case<'_>) -> Result<()> {
    let (families, suspects) = (case.ancestry.len(), case.suspects.len());
    Error::require_length("pairs that are judged or not", families * suspects, case.judged.len())?;
    if case.draws.is_empty() {
        return Err(Error::Empty("there is no draw to evaluate"));
    }
    for distances in case.draws {
        Error::require_length("distances of a draw", families * suspects, distances.len())?;
        let nan = distances.iter().zip(case.judged).any(|(d, &judged)| judged && d.is_nan());
        if nan {
            return Err(Error::NanDistance);
        }
    }
    match case.suspects.iter().map(|suspect| suspect.family).max() {
        Some(family) if family >= families => {
            Error::require_length("families with an ancestry", family + 1, families)
        }
        _ => Ok(()),
    }
}
