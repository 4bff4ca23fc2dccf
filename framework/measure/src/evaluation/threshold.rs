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

use super::weights::{LANES, Lanes, Weights};

/// Pairs between comparisons: fewer compare more often, more go through more pairs one by one.
const BLOCK: usize = 16;

/// Allowed where no threshold is asked for: no weight exceeds it.
pub(super) const NOT_ASKED: i32 = i32::MAX;

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
    pub(super) fn new(mut pairs: Vec<(f64, u32)>) -> Self {
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (distances, pairs): (Vec<f64>, Vec<u32>) = pairs.into_iter().unzip();
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
        let mut scan = Scan {
            negatives: self,
            sides,
            weights,
            all: [0; LANES],
            owner: vec![[0; LANES]; allowed.len() + 1],
            other: vec![[0; LANES]; allowed.len() + 1],
        };
        let mut blocks = self.blocks.windows(2).map(|bounds| bounds[0]..bounds[1]).peekable();
        // No scope sees more than all pairs together: up to the least allowed, nothing need be compared.
        let least = allowed.iter().fold([NOT_ASKED; LANES], |least, most| {
            std::array::from_fn(|lane| least[lane].min(most[lane]))
        });
        while let Some(block) = blocks.next_if(|block| !scan.would_exceed(block, &least)) {
            scan.add(block);
        }
        let mut allowed = allowed.to_vec();
        let mut open = allowed.as_flattened().iter().filter(|&&most| most != NOT_ASKED).count();
        let mut before: Vec<Lanes> = (0..allowed.len()).map(|scope| scan.within(scope)).collect();
        let mut accepted: Vec<Lanes> = scan.owner[..allowed.len()].to_vec();
        for block in blocks {
            if open == 0 {
                return;
            }
            scan.add(block.clone());
            for (scope, most) in allowed.iter_mut().enumerate() {
                let within = scan.within(scope);
                if exceeds(&within, most) {
                    let limits = *most;
                    for lane in (0..LANES).filter(|&lane| within[lane] > limits[lane]) {
                        let start = Run {
                            position: block.start,
                            below: before[scope][lane],
                            weight: within[lane] - before[scope][lane],
                            accepted: accepted[scope][lane],
                        };
                        let run = scan.crossing(block.clone(), scope, lane, start, limits[lane]);
                        let target = alpha * f64::from(weights.totals[scope][lane]);
                        let lambda = (target - f64::from(run.below)) / f64::from(run.weight);
                        cuts[scope].position[lane] = narrow(run.position);
                        cuts[scope].lambda[lane] = lambda.clamp(0.0, 1.0);
                        cuts[scope].accepted[lane] = run.accepted;
                        most[lane] = NOT_ASKED;
                        open -= 1;
                    }
                }
                before[scope] = within;
                accepted[scope] = scan.owner[scope];
            }
        }
    }
}

/// The pass over the sorted false pairs.
struct Scan<'a> {
    negatives: &'a Negatives,
    sides: &'a [Sides],
    weights: &'a Weights,
    /// W.
    all: Lanes,
    /// O, by scope, and one beyond.
    owner: Vec<Lanes>,
    /// S, by scope; the one beyond takes what `owner` has counted.
    other: Vec<Lanes>,
}

/// False pairs of one distance, as one scope of one replicate sees them.
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

impl Scan<'_> {
    fn weights_of(&self, positions: Range<usize>) -> impl Iterator<Item = (&Lanes, Sides)> {
        let pairs = self.negatives.pairs[positions].iter().map(|&pair| pair as usize);
        pairs.map(|pair| (&self.weights.pairs[pair], self.sides[pair]))
    }

    fn add(&mut self, positions: Range<usize>) {
        for &pair in &self.negatives.pairs[positions] {
            let weights = &self.weights.pairs[pair as usize];
            let sides = self.sides[pair as usize];
            add(&mut self.all, weights);
            add(&mut self.owner[sides.owner as usize], weights);
            add(&mut self.other[sides.other as usize], weights);
        }
    }

    fn would_exceed(&self, positions: &Range<usize>, most: &Lanes) -> bool {
        let mut all = self.all;
        self.weights_of(positions.clone()).for_each(|(weights, _)| add(&mut all, weights));
        exceeds(&all, most)
    }

    /// Weight seen in a scope.
    fn within(&self, scope: usize) -> Lanes {
        let (owner, other) = (&self.owner[scope], &self.other[scope]);
        std::array::from_fn(|lane| {
            self.all[lane].wrapping_sub(owner[lane]).wrapping_sub(other[lane])
        })
    }

    /// The run at which more than `most` is seen, in these positions, which are `block` as a whole.
    fn crossing(
        &self,
        positions: Range<usize>,
        scope: usize,
        lane: usize,
        block: Run,
        most: i32,
    ) -> Run {
        let distances = &self.negatives.distances[..positions.end];
        let mut run = Run { weight: 0, ..block };
        while distances[run.position] < distances[positions.end - 1] {
            let end = run_end(distances, run.position);
            let mut accepted = 0;
            for (weights, sides) in self.weights_of(run.position..end) {
                match (sides.owner as usize == scope, sides.other as usize == scope) {
                    (true, _) => accepted += weights[lane],
                    (false, false) => run.weight += weights[lane],
                    (false, true) => {}
                }
            }
            if run.below + run.weight > most {
                return run;
            }
            run = Run {
                position: end,
                below: run.below + run.weight,
                weight: 0,
                accepted: run.accepted + accepted,
            };
        }
        // The last run, often the only one, has what is left of the block.
        Run { weight: block.below + block.weight - run.below, ..run }
    }
}

/// Adds lane by lane; wrapping, for the weights' totals fit, and a check of each lane would cost more than the sum.
fn add(to: &mut Lanes, weights: &Lanes) {
    for (to, weight) in to.iter_mut().zip(weights) {
        *to = to.wrapping_add(*weight);
    }
}

/// Whether any lane is above its limit; all are looked at, which takes a few instructions without a branch.
fn exceeds(values: &Lanes, most: &Lanes) -> bool {
    values.iter().zip(most).fold(false, |any, (value, most)| any | (value > most))
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
