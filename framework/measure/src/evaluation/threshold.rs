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

use super::{
    lanes::{LANES, Lanes, MOST, above, add},
    weights::Weights,
};

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

    /// Whether a distance differs from the one before.
    fn starts_run(&self, position: usize) -> bool {
        position == 0 || self.distances[position - 1] != self.distances[position]
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
        Scan::new(self, sides, weights, allowed, alpha).cut(cuts);
    }
}

/// A pass over the sorted false pairs.
struct Scan<'a> {
    negatives: &'a Negatives,
    sides: &'a [Sides],
    weights: &'a Weights,
    allowed: &'a [Lanes],
    alpha: f64,
    seen: Seen,
}

/// What a pass has seen.
#[derive(Clone)]
struct Seen {
    /// W.
    all: Lanes,
    /// O, by scope, and one beyond.
    owner: Vec<Lanes>,
    /// What W - O may be, by scope, which is what is allowed plus S; the one beyond takes what O has counted.
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

impl<'a> Scan<'a> {
    fn new(
        negatives: &'a Negatives,
        sides: &'a [Sides],
        weights: &'a Weights,
        allowed: &'a [Lanes],
        alpha: f64,
    ) -> Self {
        let mut limits = allowed.to_vec();
        limits.push([0; LANES]);
        let seen = Seen { all: [0; LANES], owner: vec![[0; LANES]; limits.len()], limits };
        Self { negatives, sides, weights, allowed, alpha, seen }
    }

    fn cut(mut self, cuts: &mut [Cut]) {
        // No scope sees more than all pairs together: up to the least allowed, nothing need be compared.
        let least = self.allowed.iter().fold([NOT_ASKED; LANES], |least, most| {
            std::array::from_fn(|lane| least[lane].min(most[lane]))
        });
        // Scopes with the lanes that are yet to be cut.
        let lanes = |most: &Lanes| above(&[NOT_ASKED; LANES], most);
        let mut open: Vec<(usize, u32)> = self.allowed.iter().map(lanes).enumerate().collect();
        open.retain(|&(_, lanes)| lanes != 0);
        let mut comparing = false;
        for bounds in self.negatives.blocks.windows(2) {
            let block = bounds[0]..bounds[1];
            comparing = comparing || above(&self.all_with(block.clone()), &least) != 0;
            if !comparing {
                self.see(block);
                continue;
            }
            if open.is_empty() {
                return;
            }
            // A block with more pairs is a single run.
            let before = (block.len() > BLOCK).then(|| self.seen.clone());
            self.see(block.clone());
            let mut next = 0;
            while let Some((scope, lanes)) = open.get_mut(next) {
                let crossed = above(&self.seen.of_others(*scope), &self.seen.limits[*scope]);
                if crossed != 0 {
                    let cut = &mut cuts[*scope];
                    self.cut_lanes(*scope, crossed, &block, before.as_ref(), cut);
                    *lanes &= !crossed;
                }
                match *lanes == 0 {
                    true => drop(open.swap_remove(next)),
                    false => next += 1,
                }
            }
        }
    }

    /// W after these positions.
    fn all_with(&self, positions: Range<usize>) -> Lanes {
        let mut all = self.seen.all;
        for &pair in &self.negatives.pairs[positions] {
            add(&mut all, &self.weights.pairs[pair as usize]);
        }
        all
    }

    fn see(&mut self, positions: Range<usize>) {
        let seen = &mut self.seen;
        for &pair in &self.negatives.pairs[positions] {
            let (weights, sides) = (&self.weights.pairs[pair as usize], self.sides[pair as usize]);
            add(&mut seen.all, weights);
            add(&mut seen.owner[sides.owner as usize], weights);
            add(&mut seen.limits[sides.other as usize], weights);
        }
    }

    /// Cuts a scope in the lanes that exceed their limit since this block, and closes them.
    fn cut_lanes(
        &mut self,
        scope: usize,
        mut lanes: u32,
        block: &Range<usize>,
        before: Option<&Seen>,
        cut: &mut Cut,
    ) {
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let most = self.allowed[scope][lane];
            let end = self.seen.run(block.end, scope, lane, most);
            let run = match before {
                Some(before) => {
                    let start = before.run(block.start, scope, lane, most);
                    Run { weight: end.below - start.below, ..start }
                }
                None => self.crossing(end, scope, lane, most),
            };
            let target = self.alpha * f64::from(self.weights.totals[scope][lane]);
            let lambda = (target - f64::from(run.below)) / f64::from(run.weight);
            cut.position[lane] = narrow(run.position);
            cut.lambda[lane] = lambda.clamp(0.0, 1.0);
            cut.accepted[lane] = run.accepted;
            self.seen.limits[scope][lane] = NOT_ASKED;
        }
    }

    /// The last run before `end` that has no more than `most` below it.
    fn crossing(&self, end: Run, scope: usize, lane: usize, most: i32) -> Run {
        let mut run = end;
        for position in (0..end.position).rev() {
            let pair = self.negatives.pairs[position] as usize;
            let (weight, sides) = (self.weights.pairs[pair][lane], self.sides[pair]);
            if sides.owner as usize == scope {
                run.accepted -= weight;
            } else if sides.other as usize != scope {
                run.below -= weight;
                run.weight += weight;
            }
            if self.negatives.starts_run(position) {
                if run.below <= most {
                    return Run { position, ..run };
                }
                run.weight = 0;
            }
        }
        run
    }
}

impl Seen {
    /// W - O.
    #[inline(always)]
    fn of_others(&self, scope: usize) -> Lanes {
        std::array::from_fn(|lane| self.all[lane].wrapping_sub(self.owner[scope][lane]))
    }

    /// An empty run at a position before which this was seen, of a scope that is allowed `most`.
    fn run(&self, position: usize, scope: usize, lane: usize, most: i32) -> Run {
        let below = self.all[lane] - self.owner[scope][lane] - (self.limits[scope][lane] - most);
        Run { position, below, weight: 0, accepted: self.owner[scope][lane] }
    }
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
