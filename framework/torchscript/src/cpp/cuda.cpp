// How libtorch computes on CUDA.

#include <ATen/Context.h>

extern "C" {

// Products in full 32-bit floats, and the same algorithm for the same shapes each time. Whether it is so now.
bool bertillon_exact_cuda() {
  auto& context = at::globalContext();
  try {
    context.setAllowTF32CuDNN(false);
    context.setAllowTF32CuBLAS(false);
    context.setBenchmarkCuDNN(false);
    context.setDeterministicCuDNN(true);
    return !context.allowTF32CuDNN() && !context.allowTF32CuBLAS() && !context.benchmarkCuDNN() &&
           context.deterministicCuDNN();
  } catch (...) {
    return false;
  }
}
}
