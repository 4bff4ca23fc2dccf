//! A check of a run by itself: every owner takes another family for hers, so the rate must be alpha.
//!
//! Owner `i` is put in the place of the owner of family `s(i)`, her true pairs are left out, and the case is judged as it
//! was: what were false pairs of `i` with `s(i)` are now its true ones. `s` is an exchange of families: no two owners get
//! the same family, none gets one of her own ancestry. Where thresholds are sound and no fingerprint knows more of some
//! families than of others, `s` is as good as any other exchange; so the rate is held against those of many exchanges at
//! random, counted by the plain definition at the threshold of all false pairs, of which
//!
//! ```text
//! a         share of an exchange's n pairs accepted, at the threshold of all N false pairs
//! a (N - n) / (N - n a / alpha)     the same where these n had no part in the threshold
//! ```
//!
//! A rate beyond all but a share `level` of them is flagged: that is how often a sound run is.

use super::{
    Case, Settings, Suspect,
    observe::{mean, observe},
    population::Population,
    protocol::Test,
    rows::ALL,
    threshold::allowed,
};
use crate::{Result, Stream, suite::Protocol};

/// Exchanges at random that the rate is held against.
const EXCHANGES: usize = 4999;

/// Draws that are looked at, from the first: families differ more than draws, and every run pays for this.
const DRAWS: usize = 4;

/// Fewer families can be exchanged in so few ways that none is rare.
pub const FEWEST_EXCHANGED: usize = 8;

/// The rate when families are exchanged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// Families that take part.
    pub families: usize,
    /// Chance that a sound case is beyond what is expected: what was asked, as far as the exchanges tell it.
    pub level: f64,
    /// Share of the other family's suspects accepted at exactly alpha, and what of other exchanges all but a share `level`
    /// give; none where there are too few families, or no exchange that respects ancestry.
    pub rate: Option<(f64, [f64; 2])>,
}

/// Exchanges the families of a case and judges it anew; `level` is the chance that a sound case is beyond what is expected.
///
/// Random exchanges come from the stream `["exchange"]` of the seed.
///
/// # Errors
/// As [`evaluate`](super::evaluate()).
pub fn exchange(case: &Case<'_>, settings: &Settings, level: f64) -> Result<Exchange> {
    let case = &Case { draws: &case.draws[..case.draws.len().min(DRAWS)], ..*case };
    let tail = tail(level);
    let level = 2.0 * tail as f64 / (EXCHANGES + 1) as f64;
    let pairs = Pairs::new(case);
    let families = pairs.active.len();
    let exchanged = match families >= FEWEST_EXCHANGED {
        true => pairs.exchange(),
        false => None,
    };
    let Some(exchanged) = exchanged else { return Ok(Exchange { families, level, rate: None }) };
    let Some(rate) = pairs.rate(case, settings, &exchanged)? else {
        return Ok(Exchange { families, level, rate: None });
    };
    let accepted = pairs.accepted(case, settings);
    let mut stream = Stream::named(settings.seed, ["exchange"]);
    let mut expected = pairs.at_random(exchanged, &accepted, settings, &mut stream);
    expected.sort_unstable_by(f64::total_cmp);
    let expected = [expected[tail - 1], expected[EXCHANGES - tail]];
    Ok(Exchange { families, level, rate: Some((rate, expected)) })
}

/// How many of the exchanges may lie beyond either end of what is expected, one at least.
fn tail(level: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of exchanges")]
    #[expect(clippy::cast_sign_loss, reason = "level is a chance")]
    let tail = (level / 2.0 * (EXCHANGES + 1) as f64) as usize;
    tail.clamp(1, EXCHANGES / 2)
}

/// Which owners can be given which families.
struct Pairs {
    /// Families with an owner who judges others and suspects whom others judge.
    active: Vec<usize>,
    /// `[owner][family]` among the active ones: false pairs, 0 within an ancestry.
    counts: Vec<Vec<f64>>,
    /// False pairs of the case, of all families.
    negatives: usize,
}

impl Pairs {
    fn new(case: &Case<'_>) -> Self {
        let (families, columns) = (case.ancestry.len(), case.suspects.len());
        let mut counts = vec![vec![0_usize; families]; families];
        let mut negatives = 0;
        for (owner, counts) in counts.iter_mut().enumerate() {
            for (column, suspect) in case.suspects.iter().enumerate() {
                let counted = case.judged[owner * columns + column] && suspect.family != owner;
                negatives += usize::from(counted);
                let foreign = case.ancestry[suspect.family] != case.ancestry[owner];
                counts[suspect.family] += usize::from(counted && foreign);
            }
        }
        let judges = |&family: &usize| counts[family].iter().any(|&count| count > 0);
        let is_judged = |&family: &usize| counts.iter().any(|counts| counts[family] > 0);
        let active: Vec<usize> = (0..families).filter(judges).filter(is_judged).collect();
        let of = |&owner: &usize| active.iter().map(|&f| counts[owner][f] as f64).collect();
        Self { counts: active.iter().map(of).collect(), active, negatives }
    }

    /// An exchange of families, as near as may be to "everybody takes the next one" (augmenting paths, Kuhn 1955).
    fn exchange(&self) -> Option<Vec<usize>> {
        let n = self.active.len();
        let mut owner_of: Vec<Option<usize>> = vec![None; n];
        for owner in 0..n {
            if !self.assign(owner, &mut owner_of, &mut vec![false; n]) {
                return None;
            }
        }
        let mut exchanged = vec![0; n];
        for (family, owner) in owner_of.into_iter().enumerate() {
            exchanged[owner?] = family;
        }
        Some(exchanged)
    }

    fn assign(&self, owner: usize, owner_of: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        let n = self.active.len();
        for family in (1..n).map(|step| (owner + step) % n) {
            if tried[family] || self.counts[owner][family] == 0.0 {
                continue;
            }
            tried[family] = true;
            let is_free = match owner_of[family] {
                None => true,
                Some(other) => self.assign(other, owner_of, tried),
            };
            if is_free {
                owner_of[family] = Some(owner);
                return true;
            }
        }
        false
    }

    /// The rate of an exchange, found as a run finds its rates; none where an owner has no false pair for her threshold.
    fn rate(
        &self,
        case: &Case<'_>,
        settings: &Settings,
        exchanged: &[usize],
    ) -> Result<Option<f64>> {
        let columns = case.suspects.len();
        let mut judged = vec![false; case.judged.len()];
        let mut draws = vec![vec![f64::INFINITY; case.judged.len()]; case.draws.len()];
        for (&owner, &family) in self.active.iter().zip(exchanged) {
            let (from, to) = (owner * columns, self.active[family] * columns);
            for (column, suspect) in case.suspects.iter().enumerate() {
                judged[to + column] = case.judged[from + column] && suspect.family != owner;
            }
            for (draw, distances) in draws.iter_mut().zip(case.draws) {
                draw[to..to + columns].copy_from_slice(&distances[from..from + columns]);
            }
        }
        // Kinds of variant make for more rows, not for other rates.
        let alike = |suspect: &Suspect| Suspect {
            kind: String::new(),
            detail: None,
            parameter: None,
            ..suspect.clone()
        };
        let suspects: Vec<Suspect> = case.suspects.iter().map(alike).collect();
        let case =
            Case { suspects: &suspects, ancestry: case.ancestry, judged: &judged, draws: &draws };
        let population = Population::new(&case)?;
        let alpha = settings.false_positive_rate;
        let test = Test::new(&population, settings.protocol, alpha)?;
        let observed = observe(&population, &[test], alpha)?.pop().flatten();
        Ok(observed.map(|observed| mean(&observed.randomised[ALL])))
    }

    /// `[owner][family]` among the active ones: false pairs accepted at exactly alpha by one threshold, mean over draws.
    fn accepted(&self, case: &Case<'_>, settings: &Settings) -> Vec<Vec<f64>> {
        let columns = case.suspects.len();
        let n = self.active.len();
        let mut place = vec![None; case.ancestry.len()];
        self.active.iter().enumerate().for_each(|(at, &family)| place[family] = Some(at));
        let mut accepted = vec![vec![0.0; n]; n];
        let is_false = |&cell: &usize| {
            case.judged[cell] && case.suspects[cell % columns].family != cell / columns
        };
        let cells: Vec<usize> = (0..case.judged.len()).filter(is_false).collect();
        for distances in case.draws {
            let cut = Cut::new(cells.iter().map(|&cell| distances[cell]).collect(), settings);
            for &cell in &cells {
                let share = cut.share(distances[cell]);
                let (owner, suspect) = (cell / columns, &case.suspects[cell % columns]);
                if let (true, Some(owner), Some(family)) =
                    (share > 0.0, place[owner], place[suspect.family])
                {
                    accepted[owner][family] += share / case.draws.len() as f64;
                }
            }
        }
        accepted
    }

    /// Rates of random exchanges, reached from one by swaps.
    fn at_random(
        &self,
        mut exchanged: Vec<usize>,
        accepted: &[Vec<f64>],
        settings: &Settings,
        stream: &mut Stream,
    ) -> Vec<f64> {
        let n = u32::try_from(exchanged.len()).expect("families are counted in u32");
        let all = self.negatives as f64;
        let mut rates = Vec::with_capacity(EXCHANGES);
        for _ in 0..EXCHANGES {
            for _ in 0..n {
                let (a, b) = (stream.below(n) as usize, stream.below(n) as usize);
                let (to_a, to_b) = (exchanged[b], exchanged[a]);
                if self.counts[a][to_a] > 0.0 && self.counts[b][to_b] > 0.0 {
                    exchanged.swap(a, b);
                }
            }
            let sum = |of: &[Vec<f64>]| -> f64 {
                exchanged.iter().enumerate().map(|(owner, &family)| of[owner][family]).sum()
            };
            let pairs = sum(&self.counts);
            let share = sum(accepted) / pairs;
            rates.push(match settings.protocol {
                Protocol::Nominal => share,
                Protocol::Pooled | Protocol::LeaveOneFamilyOut => {
                    let rest = all - pairs * share / settings.false_positive_rate;
                    if rest > 0.0 { (share * (all - pairs) / rest).min(1.0) } else { 1.0 }
                }
            });
        }
        rates
    }
}

/// A threshold, and the share of what equals it that is accepted.
struct Cut {
    threshold: f64,
    at: f64,
}

impl Cut {
    fn new(mut distances: Vec<f64>, settings: &Settings) -> Self {
        let alpha = settings.false_positive_rate;
        if settings.protocol == Protocol::Nominal {
            return Self { threshold: alpha, at: 1.0 };
        }
        let total = distances.len();
        let most = usize::try_from(allowed(alpha, total as u64)).unwrap_or(total).min(total - 1);
        let (_, &mut threshold, _) = distances.select_nth_unstable_by(most, f64::total_cmp);
        let below = distances.iter().filter(|&&distance| distance < threshold).count();
        let equal = distances.iter().filter(|&&distance| distance == threshold).count();
        Self { threshold, at: (alpha * total as f64 - below as f64) / equal as f64 }
    }

    fn share(&self, distance: f64) -> f64 {
        match distance.partial_cmp(&self.threshold) {
            Some(std::cmp::Ordering::Less) => 1.0,
            Some(std::cmp::Ordering::Equal) => self.at,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
