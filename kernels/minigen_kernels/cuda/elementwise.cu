// Element-wise functions that NumPy and CuPy lack, or do in several passes. Specification: ../reference/elementwise.py.
//
// Thread mapping: a grid-stride loop, one element per thread and turn, neighbours by neighbours.
// Memory traffic per element, with b bytes in a real (4 or 8):
//     erf_kernel          reads b, writes b
//     scale_where_kernel  reads b + 1 (the condition is one byte), writes b
// Both do a few operations per element and so run at the speed of memory (erf in double nearly so).

#include "common.cuh"

// y = erf(x), by CUDA's own erf, which is within 2 units in the last place.
extern "C" __global__ void erf_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = erf(x[i]);
}

// y = x where the condition holds, else slope * x; for slope 0 exactly 0, even where x is infinite or NaN.
extern "C" __global__ void scale_where_kernel(const real* __restrict__ x, const bool* __restrict__ condition,
                                              real slope, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real other = slope == real(0) ? real(0) : slope * x[i];
    y[i] = condition[i] ? x[i] : other;
  }
}
