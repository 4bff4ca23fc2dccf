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
    threshold::{BLOCK, Cut, Negatives, Sides, narrow},
    weights::Weights,
};

/// Allowed where no threshold is asked for: no weight exceeds it, nor makes it overflow when added.
pub(super) const NOT_ASKED: i32 = MOST;

/// A pass over the sorted false pairs.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    negatives: &'a Negatives,
    sides: &'a [Sides],
    weights: &'a Weights,
    allowed: &'a [Lanes],
    alpha: f64,
    seen: Seen,
}

/// What a pass has seen.
#[derive(Debug, Clone)]
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
    /// A pass that has seen nothing; what is asked of it as [`Negatives::cut`] takes it.
    pub(super) fn new(
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

    /// Goes as far as it has to, and writes the cuts down.
    pub(super) fn cut(mut self, cuts: &mut [Cut]) {
        // No scope sees more than all pairs together: up to the least allowed, nothing need be compared.
        let least = self.allowed.iter().fold([NOT_ASKED; LANES], |least, most| {
            std::array::from_fn(|lane| least[lane].min(most[lane]))
        });
        // Scopes with the lanes that are yet to be cut.
        let lanes = |most: &Lanes| above(&[NOT_ASKED; LANES], most);
        let mut open: Vec<(usize, u32)> = self.allowed.iter().map(lanes).enumerate().collect();
        open.retain(|&(_, lanes)| lanes != 0);
        let mut comparing = false;
        for bounds in self.negatives.blocks().windows(2) {
            if open.is_empty() {
                return;
            }
            let block = bounds[0]..bounds[1];
            comparing = comparing || above(&self.all_with(block.clone()), &least) != 0;
            if !comparing {
                self.see(block);
                continue;
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
        for &pair in &self.negatives.pairs()[positions] {
            add(&mut all, &self.weights.pairs[pair as usize]);
        }
        all
    }

    fn see(&mut self, positions: Range<usize>) {
        let seen = &mut self.seen;
        for &pair in &self.negatives.pairs()[positions] {
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
            let pair = self.negatives.pairs()[position] as usize;
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
