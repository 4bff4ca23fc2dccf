//! Thresholds: the largest that keep the false-positive rate, for weighted pairs and all scopes in one pass.
//!
//! A scope is the false pairs that a threshold comes from: all of them, or all that touch no family of one
//! ancestry group `g`. Over the false pairs in ascending order let `W` be the weight seen so far, `O[g]` its part
//! by owners of `g`, `S[g]` its part by other owners with suspects of `g`. Then the scope without `g` has seen
//!
//! ```text
//! W - O[g] - S[g]      compared with floor(alpha total[g]); its threshold is where it first exceeds that
//! ```
//! and `O[g]` is what the owners of `g` falsely accept there. Comparisons are made after blocks of pairs; only
//! the block that a scope's threshold lies in is gone through pair by pair.

use std::ops::Range;

use super::weights::{LANES, Lanes, MOST, Weights, add};

/// Pairs between comparisons: fewer compare more often, more go through more pairs one by one.
const BLOCK: usize = 16;

/// Allowed where no threshold is asked for: no weight exceeds it, nor makes it overflow when added.
pub(super) const NOT_ASKED: i32 = MOST;

/// False pairs of one draw, smallest distance first.
#[derive(Debug)]
pub(super) struct Negatives {
    distances: Vec<f64>,
    /// Index of each one's pair of families.
    pairs: Vec<u32>,
    /// Bounds of blocks: no run of equal distances is in two, and one longer than a block has its own.
    blocks: Vec<usize>,
}

/// The two sides of a false pair, as indices of ancestry groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    /// The owner's group.
    pub(super) owner: u32,
    /// The suspect's group, or an index beyond all scopes when that is the owner's: such a pair counts once.
    pub(super) other: u32,
}

/// Where a distance stands among the false pairs of its draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// False pairs that are nearer.
    pub(super) nearer: i32,
    /// False pairs that are nearer or as near.
    pub(super) within: i32,
}

/// Where a scope is cut, replicate by replicate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// Position of the nearest false pair at the threshold: what is nearer is accepted. -1: nothing is.
    pub(super) position: Lanes,
    /// Share of what equals the threshold that a test at exactly the target accepts as well.
    pub(super) lambda: [f64; LANES],
    /// Weight of the false pairs accepted of owners of the group that the scope leaves out.
    pub(super) accepted: Lanes,
}

impl Cut {
    /// Accepts nothing.
    pub(super) const NOTHING: Self =
        Self { position: [-1; LANES], lambda: [0.0; LANES], accepted: [0; LANES] };
}

/// Number of accepted false pairs that `alpha` allows, of `total`.
///
/// 0.05 * 20 is a little less than 1 in binary; the guard is far below any share that counts.
pub(super) fn allowed(alpha: f64, total: u64) -> u64 {
    let exact = alpha * total as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most `total`, which is an integer")]
    #[expect(clippy::cast_sign_loss, reason = "alpha is in (0, 1)")]
    let floor = (exact + 1e-9).floor() as u64;
    floor
}

impl Negatives {
    /// Sorts false pairs by distance; each has the index of its pair of families.
    pub(super) fn new(pairs: Vec<(f64, u32)>) -> Self {
        let (distances, pairs): (Vec<f64>, Vec<u32>) = sort(pairs).into_iter().unzip();
        Self { blocks: blocks(&distances), distances, pairs }
    }

    /// Distances, ascending.
    pub(super) fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// Pairs of families, by ascending distance.
    pub(super) fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// Where a distance stands.
    pub(super) fn place(&self, distance: f64) -> Place {
        let nearer = self.distances.partition_point(|&other| other < distance);
        let as_near = self.distances[nearer..].partition_point(|&other| other <= distance);
        Place { nearer: narrow(nearer), within: narrow(nearer + as_near) }
    }

    /// Cuts every scope where its weight first exceeds what is allowed; [`NOT_ASKED`] leaves a cut as it is.
    ///
    /// `sides` are those of the pairs of families. What is allowed is less than the scope's total weight.
    pub(super) fn cut(
        &self,
        sides: &[Sides],
        weights: &Weights,
        allowed: &[Lanes],
        alpha: f64,
        cuts: &mut [Cut],
    ) {
        let mut seen = Seen::new(allowed);
        let mut blocks = self.blocks.windows(2).map(|bounds| bounds[0]..bounds[1]).peekable();
        // No scope sees more than all pairs together: up to the least allowed, nothing need be compared.
        let least = allowed.iter().fold([NOT_ASKED; LANES], |least, most| {
            std::array::from_fn(|lane| least[lane].min(most[lane]))
        });
        let within_least = |seen: &Seen, block: &Range<usize>| {
            let mut all = seen.all;
            self.pairs[block.clone()]
                .iter()
                .for_each(|&p| add(&mut all, &weights.pairs[p as usize]));
            !exceeds(&all, &least)
        };
        while let Some(block) = blocks.next_if(|block| within_least(&seen, block)) {
            seen.add(&self.pairs[block], sides, weights);
        }
        let asked = |scope: &usize| allowed[*scope].iter().any(|&most| most != NOT_ASKED);
        let mut open: Vec<usize> = (0..allowed.len()).filter(asked).collect();
        for block in blocks {
            if open.is_empty() {
                return;
            }
            let before = (block.len() > BLOCK).then(|| seen.clone());
            seen.add(&self.pairs[block.clone()], sides, weights);
            open.retain(|&scope| {
                if !exceeds(&seen.all, &seen.limits[scope]) {
                    return true;
                }
                for lane in 0..LANES {
                    if seen.all[lane] <= seen.limits[scope][lane] {
                        continue;
                    }
                    let most = allowed[scope][lane];
                    let end = seen.run(block.end, scope, lane, most);
                    let run = match &before {
                        Some(before) => before.run(block.start, scope, lane, most).up_to(end),
                        None => {
                            let weights = |pair: usize| (weights.pairs[pair][lane], sides[pair]);
                            self.crossing(end, scope, most, weights)
                        }
                    };
                    let target = alpha * f64::from(weights.totals[scope][lane]);
                    let lambda = (target - f64::from(run.below)) / f64::from(run.weight);
                    cuts[scope].position[lane] = narrow(run.position);
                    cuts[scope].lambda[lane] = lambda.clamp(0.0, 1.0);
                    cuts[scope].accepted[lane] = run.accepted;
                    seen.limits[scope][lane] = NOT_ASKED;
                }
                seen.limits[scope].iter().any(|&limit| limit < NOT_ASKED)
            });
        }
    }

    /// The last run before `end` that has no more than `most` below it, in a scope of a replicate.
    #[inline(never)]
    fn crossing(
        &self,
        end: Run,
        scope: usize,
        most: i32,
        weight_and_sides: impl Fn(usize) -> (i32, Sides),
    ) -> Run {
        let mut run = end;
        for position in (0..end.position).rev() {
            let (weight, sides) = weight_and_sides(self.pairs[position] as usize);
            if sides.owner as usize == scope {
                run.accepted -= weight;
            } else if sides.other as usize != scope {
                run.below -= weight;
                run.weight += weight;
            }
            if position == 0 || self.distances[position - 1] != self.distances[position] {
                if run.below <= most {
                    return Run { position, ..run };
                }
                run.weight = 0;
            }
        }
        run
    }
}

/// What the pass over the sorted false pairs has seen.
#[derive(Clone)]
struct Seen {
    /// W.
    all: Lanes,
    /// O, by scope, and one beyond.
    owner: Vec<Lanes>,
    /// What W may be, by scope, which is what is allowed plus O and S; the one beyond takes what counted already.
    limits: Vec<Lanes>,
}

/// False pairs of one distance, as a scope of a replicate sees them.
#[derive(Debug, Clone, Copy)]
struct Run {
    position: usize,
    /// Weight before the run.
    below: i32,
    /// Weight of the run.
    weight: i32,
    /// Weight before the run, of owners whom the scope leaves out.
    accepted: i32,
}

impl Run {
    /// The run from here to where another starts.
    fn up_to(self, end: Self) -> Self {
        Self { weight: end.below - self.below, ..self }
    }
}

impl Seen {
    fn new(allowed: &[Lanes]) -> Self {
        let mut limits = allowed.to_vec();
        limits.push([0; LANES]);
        Self { all: [0; LANES], owner: vec![[0; LANES]; limits.len()], limits }
    }

    fn add(&mut self, pairs: &[u32], sides: &[Sides], weights: &Weights) {
        for &pair in pairs {
            let (weights, sides) = (&weights.pairs[pair as usize], sides[pair as usize]);
            add(&mut self.all, weights);
            add(&mut self.owner[sides.owner as usize], weights);
            add(&mut self.limits[sides.owner as usize], weights);
            add(&mut self.limits[sides.other as usize], weights);
        }
    }

    /// An empty run at a position before which this was seen, of a scope that is allowed `most`.
    fn run(&self, position: usize, scope: usize, lane: usize, most: i32) -> Run {
        let below = self.all[lane] - (self.limits[scope][lane] - most);
        Run { position, below, weight: 0, accepted: self.owner[scope][lane] }
    }
}

/// Whether any lane is above its limit; all are looked at, which takes a few instructions without a branch.
fn exceeds(values: &Lanes, most: &Lanes) -> bool {
    let over: Lanes = std::array::from_fn(|lane| -i32::from(values[lane] > most[lane]));
    over.iter().fold(0, |any, over| any | over) != 0
}

fn run_end(distances: &[f64], start: usize) -> usize {
    let equal = distances[start..].iter().take_while(|&&other| other == distances[start]);
    start + equal.count()
}

/// Bounds of blocks of whole runs, of at most [`BLOCK`] pairs unless a single run has more.
fn blocks(distances: &[f64]) -> Vec<usize> {
    let (mut bounds, mut start, mut position) = (vec![0], 0, 0);
    while position < distances.len() {
        let end = run_end(distances, position);
        for bound in [position, end] {
            if end - start > BLOCK && bound > start {
                bounds.push(bound);
                start = bound;
            }
        }
        position = end;
    }
    if start < position {
        bounds.push(position);
    }
    bounds
}

fn narrow(position: usize) -> i32 {
    i32::try_from(position).expect("populations of 2^31 false pairs are refused")
}

/// Sorts by distance: numbers made of the leading bits of a distance and of its place, then what these leave open.
///
/// Sorting plain integers takes a fraction of the time.
fn sort(pairs: Vec<(f64, u32)>) -> Vec<(f64, u32)> {
    let places = (1_u64 << (u64::BITS - (pairs.len() as u64).leading_zeros())) - 1;
    let key = |(place, &(distance, _)): (usize, &(f64, u32))| {
        let bits = distance.to_bits();
        // In the order of numbers: negative ones from their largest, below positive ones.
        let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
        (ordered & !places) | place as u64
    };
    let mut keys: Vec<u64> = pairs.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    #[expect(clippy::cast_possible_truncation, reason = "the place of a pair")]
    let mut sorted: Vec<(f64, u32)> =
        keys.iter().map(|key| pairs[(key & places) as usize]).collect();
    let mut start = 0;
    for alike in keys.chunk_by(|a, b| a & !places == b & !places) {
        sorted[start..start + alike.len()].sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        start += alike.len();
    }
    sorted
}
