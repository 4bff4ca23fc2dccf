//! False pairs in the order of their distances, and where thresholds lie among them.

use super::{
    lanes::{LANES, Lanes},
    scan::Scan,
    weights::Weights,
};

/// Most pairs of a block that is not a single run: fewer make for more comparisons, more for longer walks.
pub(super) const BLOCK: usize = 16;

/// False pairs of one draw, smallest distance first.
#[derive(Debug)]
pub(super) struct Negatives {
    distances: Vec<f64>,
    /// Index of each one's pair of families.
    pairs: Vec<u32>,
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

    /// Bounds of blocks of neighbours: no run of equal distances is in two, and a longer one has its own.
    pub(super) fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// Whether a distance differs from the one before.
    pub(super) fn starts_run(&self, position: usize) -> bool {
        position == 0 || self.distances[position - 1] != self.distances[position]
    }

    /// Cuts every scope where its weight first exceeds what is allowed; [`NOT_ASKED`](super::scan::NOT_ASKED) leaves a cut as it is.
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

/// A position or count of false pairs for use in lanes.
pub(super) fn narrow(position: usize) -> i32 {
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
