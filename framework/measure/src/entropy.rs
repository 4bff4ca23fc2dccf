//! Empirical entropy of the labels that several models give: which queries they disagree on.

use crate::{
    Answers, Error, Result,
    lanes::{Lanes, Work},
};

/// Queries looked at together: their votes stay in registers.
const BLOCK: usize = 64;

/// Units of a bit in which logarithms are added up.
const UNIT: f64 = (1_u64 << 40) as f64;

/// Entropy in bits of the best labels that the models give to each query.
///
/// ```text
/// H_i = - sum over labels l of p_i(l) log2 p_i(l) = log2 M - (1 / M) sum over models m of log2 c_i(m)
/// ```
/// with M models, c_i(m) of which answer query i as m does. Exactly 0 where they agree; equal shares give equal
/// entropies, to the bit.
///
/// # Errors
/// When there is no model, or they answered different numbers of queries.
///
/// # Panics
/// When there are more models than `u16` counts.
pub fn label_entropies(models: &[&Answers]) -> Result<Vec<f64>> {
    let first = models.first().ok_or(Error::Empty("an entropy of labels needs a model"))?;
    let queries = first.len();
    for answers in models {
        Error::require_length("answers of a model", queries, answers.len())?;
    }
    let count = u16::try_from(models.len()).expect("models are counted in u16");
    // Sums of integers are the same in any order, and so for any labels.
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits times 2^40")]
    let logarithms: Vec<i64> =
        (0..=count).map(|n| (f64::from(n.max(1)).log2() * UNIT).round() as i64).collect();
    let whole = i64::from(count) * logarithms[usize::from(count)];
    let mut sums = vec![0; queries];
    Lanes::widest().run(Votes { models, logarithms: &logarithms, sums: &mut sums });
    let bits = |sum: &i64| (whole - sum) as f64 / (UNIT * f64::from(count));
    Ok(sums.iter().map(bits).collect())
}

/// For each query, the sum over models of the logarithm of how many models answer as this one does.
struct Votes<'a> {
    models: &'a [&'a Answers],
    /// Logarithms of counts, in units.
    logarithms: &'a [i64],
    sums: &'a mut [i64],
}

impl Work for Votes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WORDS: usize>(self) {
        let columns: Vec<(&[u16], usize)> =
            self.models.iter().map(|answers| (answers.as_slice(), answers.ranks())).collect();
        let mut labels = vec![[0_u16; BLOCK]; columns.len()];
        for (block, sums) in self.sums.chunks_mut(BLOCK).enumerate() {
            let queries = block * BLOCK..block * BLOCK + sums.len();
            for (labels, &(column, ranks)) in labels.iter_mut().zip(&columns) {
                match ranks {
                    1 => labels[..sums.len()].copy_from_slice(&column[queries.clone()]),
                    _ => {
                        let best = column[queries.start * ranks..].iter().step_by(ranks);
                        labels.iter_mut().zip(best).for_each(|(label, &best)| *label = best);
                    }
                }
            }
            for own in &labels {
                let votes = votes(own, &labels);
                for (sum, votes) in sums.iter_mut().zip(votes) {
                    *sum = sum.wrapping_add(self.logarithms[usize::from(votes)]);
                }
            }
        }
    }
}

/// How many of the models answer each query as one does.
///
/// Pairs of models rather than a count per label: vector instructions compare many queries at once.
#[inline(always)]
fn votes(own: &[u16; BLOCK], labels: &[[u16; BLOCK]]) -> [u16; BLOCK] {
    let mut votes = [[0_u16; 8]; BLOCK / 8];
    let (own, _) = own.as_chunks::<8>();
    for other in labels {
        let (other, _) = other.as_chunks::<8>();
        for ((votes, own), other) in votes.iter_mut().zip(own).zip(other) {
            for i in 0..8 {
                votes[i] = votes[i].wrapping_add(u16::from(own[i] == other[i]));
            }
        }
    }
    std::array::from_fn(|i| votes[i / 8][i % 8])
}

/// Queries by falling entropy, ties by index.
///
/// Entropies that differ by less than rounding errors are ties.
///
/// # Panics
/// When there are more queries than `u32` counts.
pub fn entropy_ranking(entropies: &[f64]) -> Vec<u32> {
    let resolution = 1e9;
    // Adding 0 turns -0 into 0.
    let keys: Vec<f64> = entropies.iter().map(|bits| (bits * resolution).round() + 0.0).collect();
    let mut ranking: Vec<u32> =
        (0..u32::try_from(entropies.len()).expect("indices fit in u32")).collect();
    ranking.sort_by(|&a, &b| keys[b as usize].total_cmp(&keys[a as usize]));
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_shares_of_votes() {
        let models = [[5, 1, 0, 2], [5, 1, 1, 2], [5, 2, 2, 3], [5, 2, 3, 4]].map(Answers::top1);
        let models: Vec<&Answers> = models.iter().collect();
        // Shares: {1}, {1/2, 1/2}, {1/4 four times}, {1/2, 1/4, 1/4}.
        assert_eq!(label_entropies(&models).unwrap(), [0.0, 1.0, 2.0, 1.5]);
    }

    #[test]
    fn only_best_labels_vote() {
        let models = [vec![1, 2, 3, 4], vec![1, 3, 4, 3]].map(|l| Answers::new(l, 2).unwrap());
        assert_eq!(label_entropies(&[&models[0], &models[1]]).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn the_ranking_falls_with_ties_by_index() {
        assert_eq!(entropy_ranking(&[0.5, 2.0, -0.0, 0.5 + 1e-15, 0.0, 2.0]), [1, 5, 0, 3, 2, 4]);
    }

    #[test]
    fn equal_shares_under_other_labels_are_ties() {
        // 3 + 2 + 1 + 1 votes of seven, for other labels and from other voters.
        let votes = [[0, 9], [0, 1], [0, 1], [1, 8], [1, 8], [2, 8], [3, 3]];
        let models = votes.map(Answers::top1);
        let entropies = label_entropies(&models.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(entropies[0].to_bits(), entropies[1].to_bits());
    }

    #[test]
    fn entropies_are_those_of_the_formula_whatever_the_block() {
        let mut stream = crate::Stream::named(1, ["votes"]);
        let mut answers =
            || (0..600).map(|_| u16::try_from(stream.below(5)).unwrap()).collect::<Vec<_>>();
        let models: Vec<Answers> = (0..9).map(|_| Answers::top1(answers())).collect();
        let entropies = label_entropies(&models.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(entropies.len(), 600);
        for (query, entropy) in entropies.into_iter().enumerate() {
            let share =
                |label| models.iter().filter(|m| m.label(query) == label).count() as f64 / 9.0;
            let shares = (0..5).map(share).filter(|&p| p > 0.0);
            let expected = -shares.map(|p| p * p.log2()).sum::<f64>();
            assert!((entropy - expected).abs() < 1e-11, "{entropy} is not {expected}");
        }
    }

    #[test]
    fn models_that_answered_different_numbers_of_queries_are_refused() {
        let (a, b) = (Answers::top1([1, 2]), Answers::top1([1]));
        assert!(label_entropies(&[&a, &b]).is_err());
        assert!(label_entropies(&[]).is_err());
    }
}
