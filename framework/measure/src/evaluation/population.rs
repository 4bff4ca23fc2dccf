//! The pairs of a case, arranged so that thresholds and rates are quickly found for any weights of families.

use super::{
    Case,
    rows::{Leaf, Row, leaves, rows},
    threshold::{Cut, Negatives, PairWeights},
};
use crate::{Error, Result, suite::Protocol};

/// The pairs of a case.
#[derive(Debug)]
pub(super) struct Population {
    /// Number of families.
    pub(super) families: usize,
    /// True pairs by variation.
    pub(super) leaves: Vec<Leaf>,
    /// Rows of rates.
    pub(super) rows: Vec<Row>,
    /// Distances, draw by draw.
    pub(super) draws: Vec<Draw>,
    /// False pairs of each ordered pair of families.
    pub(super) pair_counts: Vec<u32>,
    /// Where each owner's threshold comes from: an index of `scopes`.
    scope_of: Vec<usize>,
    /// For each scope the families that its false pairs must not touch.
    scopes: Vec<Vec<bool>>,
    /// Family of each true pair.
    positive_family: Vec<u32>,
    /// Leaf of each true pair.
    positive_leaf: Vec<u32>,
}

/// Distances of one draw.
#[derive(Debug)]
pub(super) struct Draw {
    /// False pairs.
    pub(super) negatives: Negatives,
    /// True pairs, in the order of the population.
    pub(super) positives: Vec<f64>,
}

/// Weighted counts of accepted true pairs, by leaf.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Accepted {
    /// By the strict test.
    pub(super) strict: Vec<f64>,
    /// By the test at exactly the target.
    pub(super) randomised: Vec<f64>,
}

/// Weights of false pairs, by scope; kept between replicates to spare their allocation.
#[derive(Debug, Default)]
pub(super) struct Scopes(Vec<PairWeights>);

impl Population {
    /// Arranges the pairs of a case.
    ///
    /// # Errors
    /// When lengths disagree, a distance is NaN, or there are no true or no false pairs.
    pub(super) fn new(case: &Case<'_>, protocol: Protocol) -> Result<Self> {
        check_lengths(case)?;
        let (families, suspects) = (case.ancestry.len(), case.suspects.len());
        let judged = (0..families * suspects).filter(|&cell| case.judged[cell]);
        let (positive, negative): (Vec<usize>, Vec<usize>) =
            judged.partition(|&cell| case.suspects[cell % suspects].family == cell / suspects);
        if positive.is_empty() {
            return Err(Error::Empty("no true pair (owner, suspect of her family) was judged"));
        }
        if negative.is_empty() {
            return Err(Error::Empty(
                "no false pair was judged: a threshold needs suspects of other families",
            ));
        }
        // Columns first, so that rows appear in the order of the suspects.
        let mut positive = positive;
        positive.sort_by_key(|&cell| cell % suspects);
        let pair = |cell: usize| {
            let pair = cell / suspects * families + case.suspects[cell % suspects].family;
            u32::try_from(pair).map_err(|_| Error::Empty("too many families to count their pairs"))
        };
        let pairs = negative.iter().map(|&cell| pair(cell)).collect::<Result<Vec<u32>>>()?;
        let mut pair_counts = vec![0_u32; families * families];
        for &pair in &pairs {
            pair_counts[pair as usize] += 1;
        }
        let true_suspects = positive.iter().map(|&cell| &case.suspects[cell % suspects]);
        let (positive_leaf, leaves) = leaves(true_suspects.clone(), families);
        let draws = case
            .draws
            .iter()
            .map(|distances| {
                let false_pairs = negative.iter().zip(&pairs);
                Ok(Draw {
                    negatives: Negatives::new(
                        false_pairs.map(|(&cell, &pair)| (distances[cell], pair)).collect(),
                    ),
                    positives: positive.iter().map(|&cell| distances[cell]).collect(),
                })
            })
            .collect::<Result<_>>()?;
        let (scope_of, scopes) = scopes(case.ancestry, protocol);
        let narrow = |index: usize| u32::try_from(index).expect("fewer than 2^32 families, leaves");
        Ok(Self {
            families,
            rows: rows(&leaves),
            leaves,
            draws,
            pair_counts,
            scope_of,
            scopes,
            positive_family: true_suspects.map(|suspect| narrow(suspect.family)).collect(),
            positive_leaf: positive_leaf.into_iter().map(narrow).collect(),
        })
    }

    /// Families that take part in any pair, as owner or as suspect.
    pub(super) fn present(&self) -> Vec<usize> {
        let in_pairs = |family: usize| {
            let suspect = (0..self.families).map(move |owner| owner * self.families + family);
            let owner = (0..self.families).map(move |other| family * self.families + other);
            suspect.chain(owner).any(|pair| self.pair_counts[pair] > 0)
        };
        let in_leaves = |family: usize| self.leaves.iter().any(|leaf| leaf.by_family[family] > 0);
        (0..self.families).filter(|&family| in_pairs(family) || in_leaves(family)).collect()
    }

    /// Weights of false pairs when family `a` has weight `weights[a]`.
    ///
    /// Returns whether every owner with true pairs of any weight has false pairs for her threshold.
    pub(super) fn weigh(&self, weights: &[u32], scopes: &mut Scopes) -> bool {
        scopes.0.resize_with(self.scopes.len(), PairWeights::default);
        for (excluded, pair_weights) in self.scopes.iter().zip(&mut scopes.0) {
            let weight = |family: usize| if excluded[family] { 0 } else { weights[family] };
            pair_weights.total = 0;
            pair_weights.table.clear();
            for owner in 0..self.families {
                for suspect in 0..self.families {
                    let weight = weight(owner) * weight(suspect);
                    let count = self.pair_counts[pair_weights.table.len()];
                    pair_weights.total += u64::from(weight) * u64::from(count);
                    pair_weights.table.push(weight);
                }
            }
        }
        (0..self.families).all(|family| {
            let without_pairs = || self.leaves.iter().all(|leaf| leaf.by_family[family] == 0);
            scopes.0[self.scope_of[family]].total > 0 || weights[family] == 0 || without_pairs()
        })
    }

    /// Each scope's cut in one draw; a scope without false pairs accepts nothing.
    pub(super) fn cuts(&self, draw: &Draw, scopes: &Scopes, alpha: f64, out: &mut Vec<Cut>) {
        const NOTHING: Cut = Cut { threshold: f64::NEG_INFINITY, lambda: 0.0 };
        out.clear();
        out.extend(scopes.0.iter().map(|w| draw.negatives.cut(w, alpha).unwrap_or(NOTHING)));
    }

    /// The cut that decides for `owner`.
    pub(super) fn cut_of(&self, owner: usize, cuts: &[Cut]) -> Cut {
        cuts[self.scope_of[owner]]
    }

    /// Cuts of the owners that have true pairs, in their order.
    pub(super) fn owners_cuts<'a>(&'a self, cuts: &'a [Cut]) -> impl Iterator<Item = Cut> + 'a {
        let owns = |&family: &usize| self.leaves.iter().any(|leaf| leaf.by_family[family] > 0);
        (0..self.families).filter(owns).map(|owner| self.cut_of(owner, cuts))
    }

    /// Adds the true pairs of one draw that are accepted at these cuts.
    pub(super) fn accept(
        &self,
        draw: &Draw,
        cuts: &[Cut],
        weights: &[u32],
        accepted: &mut Accepted,
    ) {
        // By family rather than by scope: one look-up a pair.
        let by_family: Vec<(f64, f64, f64)> = (0..self.families)
            .map(|family| {
                let (cut, weight) = (self.cut_of(family, cuts), f64::from(weights[family]));
                (cut.threshold, weight, weight * cut.lambda)
            })
            .collect();
        let places = self.positive_family.iter().zip(&self.positive_leaf);
        for (&distance, (&family, &leaf)) in draw.positives.iter().zip(places) {
            let (threshold, weight, tied_weight) = by_family[family as usize];
            let strict = if distance < threshold { weight } else { 0.0 };
            let tied = if distance == threshold { tied_weight } else { 0.0 };
            accepted.strict[leaf as usize] += strict;
            accepted.randomised[leaf as usize] += strict + tied;
        }
    }

    /// An empty count.
    pub(super) fn none_accepted(&self) -> Accepted {
        let zeros = vec![0.0; self.leaves.len()];
        Accepted { strict: zeros.clone(), randomised: zeros }
    }

    /// Weighted number of true pairs of a row.
    pub(super) fn weighted_positives(&self, row: &Row, weights: &[u32]) -> f64 {
        let of_leaf = |&leaf: &usize| -> u32 {
            self.leaves[leaf].by_family.iter().zip(weights).map(|(n, w)| n * w).sum()
        };
        row.leaves.iter().map(|leaf| f64::from(of_leaf(leaf))).sum()
    }
}

/// Each family's scope, and the families that each scope leaves out.
fn scopes(ancestry: &[usize], protocol: Protocol) -> (Vec<usize>, Vec<Vec<bool>>) {
    match protocol {
        Protocol::Pooled => (vec![0; ancestry.len()], vec![vec![false; ancestry.len()]]),
        Protocol::LeaveOneFamilyOut => {
            let mut groups: Vec<usize> = Vec::new();
            for group in ancestry {
                if !groups.contains(group) {
                    groups.push(*group);
                }
            }
            let scope = |group: &usize| groups.iter().position(|other| other == group);
            let left_out =
                |group: &usize| ancestry.iter().map(|other| other == group).collect::<Vec<bool>>();
            let scope_of = ancestry.iter().filter_map(scope).collect();
            (scope_of, groups.iter().map(left_out).collect())
        }
    }
}

fn check_lengths(case: &Case<'_>) -> Result<()> {
    let length = |what, expected, actual| match expected == actual {
        true => Ok(()),
        false => Err(Error::Length { what, expected, actual }),
    };
    let (families, suspects) = (case.ancestry.len(), case.suspects.len());
    length("pairs that are judged or not", families * suspects, case.judged.len())?;
    if case.draws.is_empty() {
        return Err(Error::Empty("there is no draw to evaluate"));
    }
    for distances in case.draws {
        length("distances of a draw", families * suspects, distances.len())?;
        let nan = distances.iter().zip(case.judged).any(|(d, &judged)| judged && d.is_nan());
        if nan {
            return Err(Error::NanDistance);
        }
    }
    match case.suspects.iter().map(|suspect| suspect.family).max() {
        Some(family) if family >= families => {
            length("families with an ancestry", family + 1, families)
        }
        _ => Ok(()),
    }
}
