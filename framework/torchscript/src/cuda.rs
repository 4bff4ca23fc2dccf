//! How libtorch computes on CUDA: tch has no switch for it.

/// Sets libtorch to multiply in full 32-bit floats on CUDA (no TF32, which keeps 10 bits of each factor), and to take the
/// same algorithms of cuDNN each time, not those that were fastest on a trial.
///
/// Holds for the whole process and needs no GPU. False where libtorch has no such switches.
pub fn exact_cuda() -> bool {
    #[expect(unsafe_code, reason = "C++ is called")]
    // SAFETY: it sets switches of libtorch, which are made to be set from any thread; no exception leaves it.
    unsafe {
        bertillon_exact_cuda()
    }
}

#[expect(unsafe_code, reason = "declared in src/cpp/cuda.cpp")]
unsafe extern "C" {
    fn bertillon_exact_cuda() -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switches_are_there_without_a_gpu() {
        assert!(exact_cuda());
    }
}
