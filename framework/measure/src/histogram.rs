//! Distances between models as histograms: variants of one vanilla against models of different vanillas.
//!
//! Figure 2 of Maho, Furon and Le Merrer 2022. Edges are fixed, so that histograms of several budgets can be laid
//! over each other.

use crate::{Error, Result};

/// Bins on `[0, 1]`, each closed on the left; the last one on both sides.
pub const BINS: usize = 20;

/// What two models have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairClass {
    /// One vanilla and one kind of variant with its detail.
    SameVariation,
    /// One vanilla, different kinds.
    SameVanilla,
    /// Different vanillas.
    DifferentVanilla,
}

impl PairClass {
    /// All classes, from the most to the least in common.
    pub const ALL: [Self; 3] = [Self::SameVariation, Self::SameVanilla, Self::DifferentVanilla];

    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameVariation => "same variation",
            Self::SameVanilla => "same vanilla",
            Self::DifferentVanilla => "different vanilla",
        }
    }
}

/// Distances of one class of pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// What the two models of each pair have in common.
    pub class: PairClass,
    /// Pairs in each bin.
    pub counts: [u64; BINS],
    /// Pairs whose distance is infinite.
    pub infinite: u64,
}

impl Histogram {
    /// Pairs of this class.
    pub fn pairs(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.infinite
    }

    /// Share of the class's pairs in each bin: with the share of infinite ones they sum to 1; 0 without pairs.
    pub fn shares(&self) -> [f64; BINS] {
        let pairs = self.pairs().max(1) as f64;
        self.counts.map(|count| count as f64 / pairs)
    }
}

/// Histograms of all unordered pairs of models, one a class, in the order of [`PairClass::ALL`].
///
/// `families[i]` is the vanilla of model `i`, `variations[i]` its kind and detail, both as numbers; `distance` is asked
/// for each `i < j` once, in that order.
///
/// # Errors
/// When lengths differ, or a distance is neither infinite nor in `[0, 1]`.
pub fn histograms(
    families: &[usize],
    variations: &[usize],
    mut distance: impl FnMut(usize, usize) -> f64,
) -> Result<[Histogram; 3]> {
    Error::require_length("variations of models", families.len(), variations.len())?;
    let mut found = PairClass::ALL.map(|class| Histogram { class, counts: [0; BINS], infinite: 0 });
    for i in 0..families.len() {
        for j in i + 1..families.len() {
            let class = match (families[i] == families[j], variations[i] == variations[j]) {
                (true, true) => PairClass::SameVariation,
                (true, false) => PairClass::SameVanilla,
                (false, _) => PairClass::DifferentVanilla,
            };
            let histogram = &mut found[class as usize];
            match distance(i, j) {
                f64::INFINITY => histogram.infinite += 1,
                distance => histogram.counts[bin(distance)?] += 1,
            }
        }
    }
    Ok(found)
}

fn bin(distance: f64) -> Result<usize> {
    if distance.is_nan() {
        return Err(Error::NanDistance);
    }
    if !(0.0..=1.0).contains(&distance) {
        return Err(Error::Empty("a histogram takes distances in [0, 1] and infinite ones"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a position among the bins")]
    #[expect(clippy::cast_sign_loss, reason = "the distance is in [0, 1]")]
    let bin = (distance * BINS as f64) as usize;
    Ok(bin.min(BINS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// Models 0, 1, 2 of one vanilla (0 and 1 of one kind), 3 of another.
    fn found(distances: [[f64; 4]; 4]) -> Result<[Histogram; 3]> {
        histograms(&[0, 0, 0, 1], &[5, 5, 6, 5], |i, j| distances[i][j])
    }

    #[test]
    fn each_pair_counts_once_in_its_class_and_bin() {
        let [same, vanilla, different] = found([
            [9.0, 0.0, 0.05, 1.0],
            [9.0, 9.0, 0.049, INF],
            [9.0, 9.0, 9.0, 0.999],
            [9.0, 9.0, 9.0, 9.0],
        ])
        .unwrap();
        let bins = |filled: &[(usize, u64)]| {
            let mut counts = [0; BINS];
            filled.iter().for_each(|&(bin, count)| counts[bin] = count);
            counts
        };
        assert_eq!((same.counts, same.infinite), (bins(&[(0, 1)]), 0));
        assert_eq!((vanilla.counts, vanilla.infinite), (bins(&[(0, 1), (1, 1)]), 0));
        assert_eq!((different.counts, different.infinite), (bins(&[(19, 2)]), 1));
        assert_eq!(vanilla.shares()[..3], [0.5, 0.5, 0.0]);
        assert_eq!((different.pairs(), different.shares()[19]), (3, 2.0 / 3.0));
    }

    #[test]
    fn shares_of_a_class_without_pairs_are_zero() {
        let [same, ..] = histograms(&[0, 1], &[0, 0], |_, _| 0.5).unwrap();
        assert_eq!(same.shares(), [0.0; BINS]);
    }

    #[test]
    fn distances_without_a_bin_are_refused() {
        for distance in [f64::NAN, -0.1, 1.1, f64::NEG_INFINITY] {
            assert!(histograms(&[0, 1], &[0, 0], |_, _| distance).is_err());
        }
        assert!(histograms(&[0, 1], &[0], |_, _| 0.5).is_err());
    }
}
