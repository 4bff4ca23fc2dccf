//! p-values of independence in the place of distances: no other model is needed to read them.

use super::{labels::agreements, symbol};
use crate::{Answers, ExactNull, Result, Stream, Suspects, permutation_p_value};

/// Random permutations where the null has no closed form.
const PERMUTATIONS: u32 = 999;

/// p-value of every suspect: how often her own answers, permuted, would lie as near.
///
/// Exact for right and wrong; by random permutations, the same for all suspects of a fingerprint, where more ranks
/// are looked at.
pub(super) fn p_values(
    reference: &Answers,
    truth: &[u16],
    suspects: &Suspects<'_>,
    out: &mut [f64],
) -> Result<()> {
    let ranks = reference.ranks();
    let own: Vec<usize> =
        truth.iter().enumerate().map(|(q, &label)| symbol(reference.ranked(q), label)).collect();
    if ranks == 1 {
        let expected = |wanted: usize| -> Vec<(usize, u16)> {
            let queries = truth.iter().copied().enumerate();
            queries.filter(|&(query, _)| own[query] == wanted).collect()
        };
        let (right, wrong) = (expected(0), expected(1));
        let count = |n: usize| u32::try_from(n).expect("queries are counted in u32");
        let (rights, wrongs) = (count(right.len()), count(wrong.len()));
        let both = agreements(suspects, right.into_iter());
        let alone = agreements(suspects, wrong.into_iter());
        let mut null = ExactNull::default();
        for (p, (both, alone)) in out.iter_mut().zip(both.into_iter().zip(alone)) {
            *p = null.p_value([both, rights - both, alone, wrongs - alone]);
        }
        return Ok(());
    }
    let narrow = |symbol: usize| u8::try_from(symbol).unwrap_or(u8::MAX);
    let own: Vec<u8> = own.into_iter().map(narrow).collect();
    for (suspect, p) in out.iter_mut().enumerate() {
        let answers = suspects.answers(suspect);
        let symbols: Vec<u8> = (truth.iter().enumerate())
            .map(|(q, &label)| narrow(symbol(&answers.ranked(q)[..ranks], label)))
            .collect();
        let mut stream = Stream::named(0, ["permutation null"]);
        *p = permutation_p_value(&own, &symbols, ranks + 1, PERMUTATIONS, &mut stream)?;
    }
    Ok(())
}
