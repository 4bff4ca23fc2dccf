//! How many images go at a time where memory is the limit.

use crate::{Error, Result};

/// Sizes of batches on a device: doubled while they fit, halved when memory does not suffice.
#[derive(Debug, Clone)]
pub struct Batches {
    size: usize,
    /// Most images that have not failed yet.
    ceiling: usize,
}

impl Batches {
    /// Begins with batches of `size`, at least of 1.
    pub fn new(size: usize) -> Self {
        Self { size: size.max(1), ceiling: usize::MAX }
    }

    /// Images in the next batch when `left` are left.
    pub fn next(&self, left: usize) -> usize {
        self.size.min(left)
    }

    /// A batch of `count` went through: the next may be twice as large, below what has failed.
    pub fn fitted(&mut self, count: usize) {
        let twice = self.size.saturating_mul(2);
        if count == self.size && twice <= self.ceiling {
            self.size = twice;
        }
    }

    /// A batch of `count` failed: for want of memory the next has half as many.
    ///
    /// # Errors
    /// `error` itself, when it is another one or there is nothing to halve.
    pub fn failed(&mut self, count: usize, error: Error) -> Result<()> {
        if count <= 1 || !wants_memory(&error) {
            return Err(error);
        }
        self.size = count / 2;
        self.ceiling = count - 1;
        Ok(())
    }
}

/// Whether a device had too little memory, in the words of libtorch and of the libraries that it calls; a panic of its
/// infallible functions repeats them.
fn wants_memory(error: &Error) -> bool {
    let said = error.to_string();
    [
        "CUDA out of memory",
        "OutOfMemoryError",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
    ]
    .iter()
    .any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_memory() -> Error {
        Error::Torch("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …".to_owned())
    }

    #[test]
    fn batches_double_until_memory_ends_and_stay_below_what_failed() {
        let mut batches = Batches::new(8);
        let (mut left, mut sizes) = (400, Vec::new());
        while left > 0 {
            let count = batches.next(left);
            sizes.push(count);
            if count > 50 {
                batches.failed(count, out_of_memory()).unwrap();
            } else {
                batches.fitted(count);
                left -= count;
            }
        }
        assert_eq!(sizes, [8, 16, 32, 64, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 24]);
    }

    #[test]
    fn nothing_is_halved_but_for_want_of_memory() {
        let mut batches = Batches::new(4);
        assert!(batches.failed(4, Error::Torch("shapes differ".to_owned())).is_err());
        assert!(batches.failed(1, out_of_memory()).is_err());
        let message = "called `Result::unwrap()`: Torch(\"CUDA out of memory.\")".to_owned();
        assert!(batches.failed(4, Error::Panicked { message, place: String::new() }).is_ok());
        assert_eq!(batches.next(9), 2);
    }
}
