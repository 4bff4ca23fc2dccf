//! Work written once and compiled for several widths of vector instructions.

/// Work on rows of bits, written for any number of 64-bit words that a register holds.
pub(crate) trait Work {
    /// What comes of it: the same to the bit, whatever the number of words.
    type Output;

    /// Does the work, `WORDS` (1, 2, 4 or 8) words at a time.
    ///
    /// An implementation and what it calls in its loops must be `#[inline(always)]`: that is how they come to be
    /// compiled for the instructions of the function they end up in.
    fn run<const WORDS: usize>(self) -> Self::Output;
}

/// A width of vector instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lanes(Width);

/// Only [`Lanes::available`] makes the wider ones, after it asked the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// What every processor of the target has: 128 bits on `x86_64` and `aarch64`.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Lanes {
    /// The widest lanes of this processor.
    pub(crate) fn widest() -> Self {
        Self::available().next().unwrap_or(Self(Width::Portable))
    }

    /// All lanes of this processor, widest first.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let counts = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt");
        #[cfg(target_arch = "x86_64")]
        let wider = [
            (is_x86_feature_detected!("avx512f") && counts, Width::Avx512),
            (is_x86_feature_detected!("avx2") && counts, Width::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let wider: [(bool, Width); 0] = [];
        let detected = wider.into_iter().filter_map(|(detected, width)| detected.then_some(width));
        detected.chain([Width::Portable]).map(Self)
    }

    /// Does `work` with the instructions of these lanes.
    #[expect(
        unsafe_code,
        reason = "only the caller knows whether the processor has the instructions"
    )]
    pub(crate) fn run<T: Work>(self, work: T) -> T::Output {
        match self.0 {
            Width::Portable => work.run::<2>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this width is made only after AVX2, BMI1 and POPCNT were detected.
            Width::Avx2 => unsafe { avx2(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this width is made only after AVX-512F, BMI1 and POPCNT were detected.
            Width::Avx512 => unsafe { avx512(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn avx2<T: Work>(work: T) -> T::Output {
    work.run::<4>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,bmi1,popcnt")]
fn avx512<T: Work>(work: T) -> T::Output {
    work.run::<8>()
}

/// Asks for the cache line in which `value` begins, and goes on; where there is no such instruction, does nothing.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the instruction takes a pointer, of which a reference is one")
)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86_64 processor has the instruction, and it changes nothing that a program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
