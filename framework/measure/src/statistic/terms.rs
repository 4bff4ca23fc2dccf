//! `n log2 n` in fixed point: entropies of counts whose sums are exact.

use std::{borrow::Cow, sync::OnceLock};

/// What `f64` counts without a gap, less some room for terms that were rounded up.
const LIMIT: f64 = ((1_u64 << 53) - (1 << 40)) as f64;

/// Digits after the binary point where the total allows it.
const FINEST: i32 = 40;

/// Digits down to which tables are kept: 35,000 queries and 1.1 MB in all.
const TABLED: i32 = 34;

/// `n log2 n` of the counts in a table of some total, as whole numbers of a unit.
///
/// The unit is 2^-40 bit up to totals of 842, and for larger ones the smallest power of two for which no sum of terms
/// leaves the whole numbers that `f64` holds without a gap. So every sum is exact, whatever its order, while vector
/// instructions add, compare and divide without a conversion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    total: u64,
    digits: i32,
}

impl Terms {
    pub(super) fn of(total: u64) -> Self {
        let bits = bits(total);
        let fits = |digits: &i32| bits * 2_f64.powi(*digits) <= LIMIT;
        Self { total, digits: (i32::MIN..=FINEST).rev().find(fits).unwrap_or(i32::MIN) }
    }

    /// The term of a count, which is no larger than the total.
    pub(super) fn term(self, n: u64) -> f64 {
        match self.table().map(|table| table.get(usize::try_from(n).unwrap_or(usize::MAX))) {
            Some(Some(&term)) => term,
            _ => computed(n, self.digits),
        }
    }

    /// The terms of all counts from 0 to the total at least.
    pub(super) fn all(self) -> Cow<'static, [f64]> {
        match self.table() {
            Some(table) => Cow::Borrowed(table),
            None => Cow::Owned((0..=self.total).map(|n| computed(n, self.digits)).collect()),
        }
    }

    /// The terms of all counts whose total has this unit, where they are few enough to be kept.
    fn table(self) -> Option<&'static [f64]> {
        const TABLES: usize = (FINEST - TABLED + 1) as usize;
        static KEPT: [OnceLock<Vec<f64>>; TABLES] = [const { OnceLock::new() }; TABLES];
        let kept = KEPT.get(usize::try_from(FINEST - self.digits).ok()?)?;
        let terms = || {
            let all = (0..).map(|n| computed(n, self.digits));
            all.take_while(|&term| term <= LIMIT).collect()
        };
        Some(kept.get_or_init(terms))
    }
}

fn bits(n: u64) -> f64 {
    if n == 0 { 0.0 } else { n as f64 * (n as f64).log2() }
}

fn computed(n: u64, digits: i32) -> f64 {
    (bits(n) * 2_f64.powi(digits)).round()
}

/// The distance of equation 8 by entropies in the same unit: `1 - information / min(row, column)`, in `[0, 1]`.
///
/// `+inf` where an entropy is zero. One division, of exact numbers, is all that is rounded.
#[inline(always)]
pub(super) fn normalised(row: f64, column: f64, information: f64) -> f64 {
    // Comparisons rather than `min` and `clamp`, whose care for NaN costs as much as the division.
    let least = if column < row { column } else { row };
    let rest = least - information;
    let rest = if rest > 0.0 { rest } else { 0.0 };
    let rest = if rest < least { rest } else { least };
    if least > 0.0 { rest / least } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_finest_whose_sums_are_exact() {
        for (total, digits) in [(1, 40), (500, 40), (842, 40), (843, 39), (20_000, 34)] {
            assert_eq!(Terms::of(total).digits, digits, "{total}");
        }
        for total in [842, 843, 35_000, 1 << 20, u64::from(u32::MAX), 1 << 45] {
            let terms = Terms::of(total);
            assert!(terms.term(total) <= LIMIT && 2.0 * terms.term(total) > LIMIT || total == 842);
        }
    }

    #[test]
    fn terms_are_whole_and_those_of_the_formula() {
        for total in [5_u64, 700, 20_000, 50_000] {
            let terms = Terms::of(total);
            let all = terms.all();
            for n in [0, 1, 2, 3, 5, total / 2, total - 1, total] {
                let term = terms.term(n);
                assert_eq!(term, all[usize::try_from(n).unwrap()]);
                assert_eq!(term, term.round());
                let expected = if n == 0 { 0.0 } else { n as f64 * (n as f64).log2() };
                let unit = 2_f64.powi(-terms.digits);
                assert!((term * unit - expected).abs() <= unit, "{n} of {total}");
            }
        }
    }

    #[test]
    fn an_entropy_of_zero_makes_the_distance_infinite() {
        assert_eq!(normalised(0.0, 8.0, 0.0), f64::INFINITY);
        assert_eq!(normalised(8.0, 0.0, 0.0), f64::INFINITY);
        assert_eq!(normalised(8.0, 16.0, 2.0), 0.75);
        assert_eq!(normalised(8.0, 16.0, 9.0), 0.0);
        assert_eq!(normalised(8.0, 16.0, -1.0), 1.0);
    }
}
