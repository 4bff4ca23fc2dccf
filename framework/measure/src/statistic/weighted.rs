//! Sums of weights over the queries that a suspect answers as expected.

use super::labels::agreements;
use crate::{Answers, Error, Result, Suspects};

/// What an answer adds to a suspect's score: `[equal to the reference's best label, different]`.
pub type Weights = [f64; 2];

/// For each suspect, the sum of the queries' weights, by whether its best label is the reference's.
///
/// Queries of equal weights are counted together, so that the cost is that of counting labels where few weights occur;
/// sums run over them in the order of their first query.
///
/// # Errors
/// When lengths disagree, or no query was asked.
pub fn weighted_matches(
    reference: &Answers,
    weights: &[Weights],
    suspects: &Suspects<'_>,
    out: &mut [f64],
) -> Result<()> {
    let queries = suspects.queries();
    if queries == 0 {
        return Err(Error::Empty("a fingerprint without queries measures nothing"));
    }
    Error::require_length("reference answers", queries, reference.len())?;
    Error::require_length("weights", queries, weights.len())?;
    Error::require_length("distances", suspects.len(), out.len())?;
    let mut alike: Vec<(Weights, Vec<(usize, u16)>)> = Vec::new();
    for (query, &weights) in weights.iter().enumerate() {
        let expected = (query, reference.label(query));
        // By their bits: what is computed alike is equal, and NaN is no trap.
        let same =
            |(other, _): &&mut (Weights, _)| other.map(f64::to_bits) == weights.map(f64::to_bits);
        match alike.iter_mut().find(same) {
            Some((_, queries)) => queries.push(expected),
            None => alike.push((weights, vec![expected])),
        }
    }
    out.fill(0.0);
    for ([equal, different], queries) in alike {
        let count = queries.len();
        let matches = agreements(suspects, queries.into_iter());
        for (sum, matches) in out.iter_mut().zip(matches) {
            *sum += f64::from(matches) * equal + (count - matches as usize) as f64 * different;
        }
    }
    Ok(())
}
