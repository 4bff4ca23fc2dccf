//! Shares of a number of images.

use bertillon::{Error, Result};

/// Whole images in a share of `count`: `floor(share * count)`, by the share's decimals.
///
/// 0.29 of 100 is 29, although the product of the floats is a little less.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and `count`")]
pub(crate) fn whole(share: f64, count: usize) -> usize {
    (share * count as f64 + 1e-9).floor().max(0.0) as usize
}

/// Refuses a budget above the pool.
pub(crate) fn check_budget(pool: usize, budget: usize) -> Result<()> {
    match budget <= pool {
        true => Ok(()),
        false => Err(Error::Refused(format!(
            "a budget of {budget} queries exceeds the pool of {pool} images: lower the budget or enlarge the pool"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_by_their_decimals() {
        assert_eq!([whole(0.29, 100), whole(0.7, 100), whole(0.2, 999)], [29, 70, 199]);
        assert_eq!([whole(0.0, 5), whole(1.0, 5), whole(0.5, 5)], [0, 5, 2]);
    }
}
