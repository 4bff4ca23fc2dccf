//! Named streams of random numbers: everything random in a run comes from one.

use std::convert::Infallible;

use rand::{RngExt, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A reproducible stream of random numbers, keyed by a seed and a path of names.
///
/// The same seed and names give the same numbers on every machine, in any order of work and with any
/// number of threads; different names give independent streams (ChaCha8 keyed by a BLAKE3 of the names).
/// It is a [`rand::Rng`], so every distribution of `rand` can draw from it.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u8; 32],
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream of `seed` with the path `names`.
    pub fn named<S: AsRef<str>>(seed: u64, names: impl IntoIterator<Item = S>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("bertillon 2026 random stream");
        hasher.update(&seed.to_le_bytes());
        for name in names {
            update_framed(&mut hasher, name.as_ref().as_bytes());
        }
        Self::keyed(*hasher.finalize().as_bytes())
    }

    /// The stream of an arbitrary 32-byte key, such as a digest of an image.
    pub fn keyed(key: [u8; 32]) -> Self {
        Self { key, generator: ChaCha8Rng::from_seed(key) }
    }

    /// An independent stream below this one; how much of this one was used does not matter.
    pub fn child(&self, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        update_framed(&mut hasher, name.as_bytes());
        Self::keyed(*hasher.finalize().as_bytes())
    }

    /// The key of this stream, for recipes and cache keys.
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// A uniform integer below `bound`.
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.generator.random_range(0..bound)
    }

    /// A uniform number in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.generator.random()
    }

    /// Fills `out` with independent standard normal numbers.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for value in out {
            *value = self.generator.sample(StandardNormal);
        }
    }

    /// `count` distinct items of `items` at random, in random order.
    ///
    /// A smaller `count` gives a prefix of a larger one.
    ///
    /// # Panics
    /// When `count` exceeds the number of items.
    pub fn sample<T: Copy>(&mut self, items: &[T], count: usize) -> Vec<T> {
        assert!(count <= items.len(), "{count} of {} items", items.len());
        match u32::try_from(items.len()) {
            Ok(n) if is_sparse(items.len(), count) => {
                self.sample_few(n, count).into_iter().map(|i| items[i as usize]).collect()
            }
            _ => self.sample_many(items.to_vec(), count),
        }
    }

    /// `count` distinct indices below `n` at random, in random order; a smaller `count` gives a prefix.
    ///
    /// Few indices cost no more the more there are to choose from.
    ///
    /// # Panics
    /// When `count` exceeds `n` or `n` exceeds `u32`.
    pub fn sample_indices(&mut self, n: usize, count: usize) -> Vec<u32> {
        assert!(count <= n, "{count} of {n} indices");
        let all = u32::try_from(n).expect("indices fit in u32");
        match is_sparse(n, count) {
            true => self.sample_few(all, count),
            false => self.sample_many((0..all).collect(), count),
        }
    }

    /// The first `count` steps of Fisher and Yates' shuffle.
    fn sample_many<T>(&mut self, mut items: Vec<T>, count: usize) -> Vec<T> {
        for i in 0..count {
            let j = self.generator.random_range(i..items.len());
            items.swap(i, j);
        }
        items.truncate(count);
        items
    }

    /// As [`sample_many`](Self::sample_many) of `0..n`, keeping only the places that no longer hold their own index.
    fn sample_few(&mut self, n: u32, count: usize) -> Vec<u32> {
        let mut moved = Moved::new(count);
        let mut indices: Vec<u32> = (0..n).take(count).collect();
        for i in (0..n).take(count) {
            let j = self.generator.random_range(i..n);
            match indices.get(j as usize) {
                Some(_) => indices.swap(i as usize, j as usize),
                None => std::mem::swap(&mut indices[i as usize], moved.place(j)),
            }
        }
        indices
    }

    /// Shuffles `items` uniformly.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.generator.random_range(0..=i));
        }
    }
}

/// Whether a sample is so small that it costs less to look places up than to fill them all.
fn is_sparse(n: usize, count: usize) -> bool {
    count <= n / 8
}

/// What lies in those places of `0..` that have been touched: a hash table with open addressing.
struct Moved {
    /// A place and what lies in it; no place is `u32::MAX`.
    slots: Vec<(u32, u32)>,
    shift: u32,
}

impl Moved {
    const EMPTY: u32 = u32::MAX;

    fn new(places: usize) -> Self {
        // So sparse that most look-ups end where they begin, which the processor then foresees.
        let size = (4 * places).next_power_of_two().max(2);
        Self { slots: vec![(Self::EMPTY, 0); size], shift: u32::BITS - size.ilog2() }
    }

    /// What lies in `place`: at first its own index.
    fn place(&mut self, place: u32) -> &mut u32 {
        // Multiplication by 2^32 over the golden ratio spreads neighbours; its upper bits are the best mixed.
        let mut slot = (place.wrapping_mul(0x9e37_79b9) >> self.shift) as usize;
        let last = self.slots.len() - 1;
        while self.slots[slot].0 != place {
            if self.slots[slot].0 == Self::EMPTY {
                self.slots[slot] = (place, place);
                break;
            }
            slot = (slot + 1) & last;
        }
        &mut self.slots[slot].1
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.generator.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.generator.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.generator.try_fill_bytes(out)
    }
}

/// Hashes a name with its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
fn update_framed(hasher: &mut blake3::Hasher, name: &[u8]) {
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name);
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "shares of small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_framed() {
        let key = |names: &[&str]| Stream::named(1, names).key();
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(Stream::named(1, ["a"]).key(), Stream::named(2, ["a"]).key());
    }

    #[test]
    fn a_smaller_sample_is_a_prefix() {
        let draw = |count| Stream::named(7, ["draw"]).sample_indices(100, count);
        assert_eq!(draw(20), draw(50)[..20]);
        let mut all = draw(100);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn few_are_drawn_as_from_a_shuffle_of_all(
            seed in any::<u64>(), n in 1_u32..3000, share in 0.0..=1.0,
        ) {
            let count = (f64::from(n) * share) as usize;
            let stream = Stream::named(seed, ["draw"]);
            let (mut all, mut few, mut items) = (stream.clone(), stream.clone(), stream);
            let expected = all.sample_many((0..n).collect(), count);
            prop_assert_eq!(&few.sample_few(n, count), &expected);
            // The streams stand at the same place after.
            prop_assert_eq!(all.below(1 << 30), few.below(1 << 30));
            let labels: Vec<u64> = (0..u64::from(n)).map(|i| i * 7 + 1).collect();
            let drawn = items.sample(&labels, count);
            let picked: Vec<u64> = expected.iter().map(|&i| labels[i as usize]).collect();
            prop_assert_eq!(drawn, picked);
        }
    }

    #[test]
    fn a_child_does_not_depend_on_how_far_its_parent_went() {
        let parent = Stream::named(7, ["draw"]);
        let mut used = parent.clone();
        used.uniform();
        assert_eq!(parent.child("x").key(), used.child("x").key());
    }
}
