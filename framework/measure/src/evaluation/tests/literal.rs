//! The evaluation once more, taken literally: scope by scope, replicate by replicate, pair by pair.

use super::super::{
    Case,
    bootstrap::tail,
    rows::{ALL, Leaf, Row, leaves, rows},
    threshold::allowed,
};
use crate::{Stream, suite::Protocol};

/// Every rate with its interval, and how many replicates were drawn again.
#[derive(Debug, PartialEq)]
pub(super) struct Literal {
    /// By row: strict mean and interval, then those at exactly the target.
    pub(super) rates: Vec<[(f64, Option<[f64; 2]>); 2]>,
    /// Strict and randomised rate over all, by draw.
    pub(super) draws: Vec<(f64, f64)>,
    /// Mean over owners, by draw, and over draws.
    pub(super) threshold: f64,
    /// False-positive rate realised, its interval.
    pub(super) fpr: (f64, Option<[f64; 2]>),
    /// Replicates drawn again.
    pub(super) redrawn: usize,
}

#[derive(Clone, Copy)]
struct FalsePair {
    owner: usize,
    suspect: usize,
    distance: f64,
}

#[derive(Clone, Copy)]
struct Cut {
    threshold: f64,
    lambda: f64,
}

struct Judged<'a> {
    families: usize,
    ancestry: &'a [usize],
    protocol: Protocol,
    alpha: f64,
    leaves: Vec<Leaf>,
    rows: Vec<Row>,
    /// Family and leaf of each true pair.
    positives: Vec<(usize, usize)>,
    /// By draw.
    distances: Vec<Vec<f64>>,
    /// By draw, ascending.
    negatives: Vec<Vec<FalsePair>>,
}

/// Sums by leaf, and the false pairs accepted.
struct Sums {
    strict: Vec<f64>,
    randomised: Vec<f64>,
    falsely: f64,
}

/// Evaluates a case that can be; none where an owner has no false pairs for her threshold.
pub(super) fn evaluate(
    case: &Case<'_>,
    protocol: Protocol,
    alpha: f64,
    replicates: usize,
    seed: u64,
) -> Option<Literal> {
    let judged = Judged::new(case, protocol, alpha);
    let ones = vec![1; judged.families];
    let by_draw: Vec<(Sums, f64)> = (0..case.draws.len())
        .map(|draw| {
            let cuts = judged.cuts(draw, &ones)?;
            let owners: Vec<f64> = (0..judged.families)
                .filter(|&family| judged.owns(family))
                .map(|family| cuts[family].threshold)
                .collect();
            let mut sums = judged.no_sums();
            judged.add(draw, &cuts, &ones, &mut sums);
            Some((sums, mean(&owners)))
        })
        .collect::<Option<_>>()?;
    let share = |by_leaf: &[f64], row: &Row| {
        let accepted: f64 = row.leaves.iter().map(|&leaf| by_leaf[leaf]).sum();
        if row.positives == 0 { 0.0 } else { accepted / row.positives as f64 }
    };
    let means = judged.rows.iter().map(|row| {
        let strict: Vec<f64> = by_draw.iter().map(|(sums, _)| share(&sums.strict, row)).collect();
        let randomised: Vec<f64> =
            by_draw.iter().map(|(sums, _)| share(&sums.randomised, row)).collect();
        [mean(&strict), mean(&randomised)]
    });
    let (replicated, fprs, redrawn) = judged.replicate(replicates, seed);
    let rates = means.zip(&judged.rows).zip(replicated).map(|((means, row), replicated)| {
        let [strict, randomised] = replicated.map(|rates| interval(rates, row.families));
        [(means[0], strict), (means[1], randomised)]
    });
    let all = &judged.rows[ALL];
    let count = judged.negatives[0].len() as f64;
    let reached: Vec<f64> = by_draw.iter().map(|(sums, _)| sums.falsely / count).collect();
    let mut among: Vec<usize> =
        judged.negatives[0].iter().flat_map(|pair| [pair.owner, pair.suspect]).collect();
    among.sort_unstable();
    among.dedup();
    Some(Literal {
        rates: rates.collect(),
        draws: by_draw
            .iter()
            .map(|(sums, _)| (share(&sums.strict, all), share(&sums.randomised, all)))
            .collect(),
        threshold: mean(&by_draw.iter().map(|&(_, threshold)| threshold).collect::<Vec<_>>()),
        fpr: (mean(&reached), fprs.and_then(|fprs| interval(fprs, among.len()))),
        redrawn,
    })
}

impl<'a> Judged<'a> {
    fn new(case: &Case<'a>, protocol: Protocol, alpha: f64) -> Self {
        let (families, suspects) = (case.ancestry.len(), case.suspects.len());
        // Columns first, as rows are named in their order.
        let cells = (0..suspects).flat_map(|s| (0..families).map(move |owner| (owner, s)));
        let judged: Vec<(usize, usize)> =
            cells.filter(|&(owner, s)| case.judged[owner * suspects + s]).collect();
        let family = |s: usize| case.suspects[s].family;
        let (positive, negative): (Vec<_>, Vec<_>) =
            judged.into_iter().partition(|&(owner, s)| owner == family(s));
        let (leaf_of, leaves) = leaves(positive.iter().map(|&(_, s)| &case.suspects[s]), families);
        let negatives = case.draws.iter().map(|distances| {
            let mut pairs: Vec<FalsePair> = negative
                .iter()
                .map(|&(owner, s)| FalsePair {
                    owner,
                    suspect: family(s),
                    distance: distances[owner * suspects + s],
                })
                .collect();
            pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            pairs
        });
        let of_draw = |distances: &Vec<f64>| {
            positive.iter().map(|&(owner, s)| distances[owner * suspects + s]).collect()
        };
        Self {
            families,
            ancestry: case.ancestry,
            protocol,
            alpha,
            rows: rows(&leaves),
            leaves,
            positives: positive.iter().map(|&(owner, _)| owner).zip(leaf_of).collect(),
            distances: case.draws.iter().map(of_draw).collect(),
            negatives: negatives.collect(),
        }
    }

    fn owns(&self, family: usize) -> bool {
        self.positives.iter().any(|&(owner, _)| owner == family)
    }

    /// Whether a false pair has a part in the threshold of `owner`.
    fn decides(&self, pair: &FalsePair, owner: usize) -> bool {
        let stranger = |family: usize| self.ancestry[family] != self.ancestry[owner];
        match self.protocol {
            Protocol::LeaveOneFamilyOut => stranger(pair.owner) && stranger(pair.suspect),
            Protocol::Pooled | Protocol::Nominal => true,
        }
    }

    /// Each owner's cut; none where one with true pairs of any weight has no false pairs.
    fn cuts(&self, draw: usize, weights: &[u32]) -> Option<Vec<Cut>> {
        let owners = 0..self.families;
        owners
            .map(|owner| match self.cut(draw, weights, owner) {
                None if weights[owner] > 0 && self.owns(owner) => None,
                None => Some(Cut { threshold: f64::NEG_INFINITY, lambda: 0.0 }),
                Some(_) if self.protocol == Protocol::Nominal => {
                    Some(Cut { threshold: self.alpha.next_up(), lambda: 0.0 })
                }
                some => some,
            })
            .collect()
    }

    fn cut(&self, draw: usize, weights: &[u32], owner: usize) -> Option<Cut> {
        let pairs: Vec<(f64, u64)> = self.negatives[draw]
            .iter()
            .filter(|pair| self.decides(pair, owner))
            .map(|p| (p.distance, u64::from(weights[p.owner] * weights[p.suspect])))
            .collect();
        let total: u64 = pairs.iter().map(|&(_, weight)| weight).sum();
        if total == 0 {
            return None;
        }
        let allowed = allowed(self.alpha, total).min(total - 1);
        let mut seen = 0;
        let crossing = pairs.iter().find(|&&(_, weight)| {
            seen += weight;
            seen > allowed
        });
        let threshold = crossing.expect("less is allowed than there is").0;
        let weight = |holds: &dyn Fn(f64) -> bool| -> f64 {
            let kept = pairs.iter().filter(|&&(distance, _)| holds(distance));
            kept.map(|&(_, weight)| weight).sum::<u64>() as f64
        };
        let below = weight(&|distance| distance < threshold);
        let lambda = (self.alpha * total as f64 - below) / weight(&|d| d == threshold);
        Some(Cut { threshold, lambda: lambda.clamp(0.0, 1.0) })
    }

    fn no_sums(&self) -> Sums {
        let zeros = vec![0.0; self.leaves.len()];
        Sums { strict: zeros.clone(), randomised: zeros, falsely: 0.0 }
    }

    fn add(&self, draw: usize, cuts: &[Cut], weights: &[u32], sums: &mut Sums) {
        for (&distance, &(family, leaf)) in self.distances[draw].iter().zip(&self.positives) {
            let (cut, weight) = (cuts[family], f64::from(weights[family]));
            if distance < cut.threshold {
                sums.strict[leaf] += weight;
                sums.randomised[leaf] += weight;
            } else if distance == cut.threshold && self.protocol != Protocol::Nominal {
                sums.randomised[leaf] += weight * cut.lambda;
            }
        }
        for pair in &self.negatives[draw] {
            if pair.distance < cuts[pair.owner].threshold {
                sums.falsely += f64::from(weights[pair.owner] * weights[pair.suspect]);
            }
        }
    }

    /// Rates by row, and false-positive rates where there are any.
    #[expect(clippy::type_complexity, reason = "three results of one loop")]
    fn replicate(&self, count: usize, seed: u64) -> (Vec<[Vec<f64>; 2]>, Option<Vec<f64>>, usize) {
        let mut rates = vec![[Vec::new(), Vec::new()]; self.rows.len()];
        let (mut fprs, mut redrawn, mut done) = (Vec::new(), 0, 0);
        let takes_part = |&family: &usize| {
            self.owns(family)
                || self.negatives[0].iter().any(|p| p.owner == family || p.suspect == family)
        };
        let present: Vec<usize> = (0..self.families).filter(takes_part).collect();
        let mut stream = Stream::named(seed, ["bootstrap"]);
        while present.len() >= 6 && done < count && redrawn <= 20 * count {
            let mut weights = vec![0; self.families];
            for _ in &present {
                let drawn = stream.below(u32::try_from(present.len()).unwrap());
                weights[present[drawn as usize]] += 1;
            }
            let draws = self.negatives.len();
            let cuts: Option<Vec<Vec<Cut>>> =
                (0..draws).map(|draw| self.cuts(draw, &weights)).collect();
            let positives = |row: &Row| -> f64 {
                let of_leaf = |&leaf: &usize| -> u32 {
                    self.leaves[leaf].by_family.iter().zip(&weights).map(|(n, w)| n * w).sum()
                };
                row.leaves.iter().map(|leaf| f64::from(of_leaf(leaf))).sum()
            };
            let Some(cuts) = cuts.filter(|_| positives(&self.rows[ALL]) > 0.0) else {
                redrawn += 1;
                continue;
            };
            done += 1;
            let mut sums = self.no_sums();
            cuts.iter().enumerate().for_each(|(d, cuts)| self.add(d, cuts, &weights, &mut sums));
            for (row, [strict, randomised]) in self.rows.iter().zip(&mut rates) {
                let positives = positives(row) * draws as f64;
                if positives > 0.0 {
                    let sum = |by_leaf: &[f64]| row.leaves.iter().map(|&l| by_leaf[l]).sum::<f64>();
                    strict.push(sum(&sums.strict) / positives);
                    randomised.push(sum(&sums.randomised) / positives);
                }
            }
            let weighted = self.negatives[0].iter();
            let total: u32 = weighted.map(|p| weights[p.owner] * weights[p.suspect]).sum();
            fprs.push(sums.falsely / (f64::from(total) * draws as f64));
        }
        let fprs = Some(fprs).filter(|_| self.protocol != Protocol::Pooled);
        (rates, fprs, redrawn)
    }
}

fn interval(mut replicates: Vec<f64>, families: usize) -> Option<[f64; 2]> {
    if families < 6 || replicates.len() < 2 {
        return None;
    }
    replicates.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, reason = "positions within the replicates")]
    let quantile = |share: f64| {
        let place = share * (replicates.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let low = replicates[below];
        low + (place - below as f64) * (replicates[above] - low)
    };
    Some([quantile(tail(families)), quantile(1.0 - tail(families))])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
