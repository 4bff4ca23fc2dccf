//! Counts of several replicates side by side, one in each lane: one instruction works on several.

/// Replicates side by side: their counts fill a cache line.
pub(super) const LANES: usize = 16;

/// The largest count of weighted pairs: two of them can be added.
pub(super) const MOST: i32 = i32::MAX / 2;

/// A count for each replicate; signed, since that is what every processor compares in lanes.
pub(super) type Lanes = [i32; LANES];

/// Adds lane by lane, as one value, which compilers turn into lanes; wrapping, for the totals are known to fit.
#[inline(always)]
pub(super) fn add(to: &mut Lanes, weights: &Lanes) {
    *to = std::array::from_fn(|lane| to[lane].wrapping_add(weights[lane]));
}

/// The lanes above their limit, as bits; all are looked at, which takes a few instructions without a branch.
#[inline(always)]
pub(super) fn above(values: &Lanes, limits: &Lanes) -> u32 {
    let bits: Lanes =
        std::array::from_fn(|lane| -i32::from(values[lane] > limits[lane]) & (1 << lane));
    bits.iter().fold(0, |all, bit| all | bit).cast_unsigned()
}
