// What is kept over many steps, changed in place. Read beside ../reference/running.py.
//
// Thread mapping: up to MOST_ARRAYS arrays in one launch, by chunks (together.cuh); one element per thread and turn.
// Products are not contracted into sums, so that the numbers are those of the CPU.
//
// Memory traffic in bytes for a number, with B = sizeof(real):
//   average_update   reads 2 B, writes B; of what is only copied reads B, writes B
//   total_update     reads 8 + B, writes 8
//
// options: -fmad=false

#include "common.cuh"
#include "together.cuh"

// a <- a + (v - a) rest for the first `averaged` arrays, a <- v for the others. rest is computed in float, as NumPy does
// with a count in float32.
extern "C" __global__ void average_kernel(const Arrays a, const Arrays v, const Chunks chunks,
                                          const float* __restrict__ count, float decay, int averaged) {
  const float own = (1 + count[0]) / (10 + count[0]);
  const real rest = 1 - (own < decay ? own : decay);
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ ak = a.at[span.k];
    const real* __restrict__ vk = v.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      ak[i] = span.k < averaged ? ak[i] + (vk[i] - ak[i]) * rest : vk[i];
    }
  }
}

extern "C" __global__ void totals_kernel(const Doubles total, const Arrays term, const Chunks chunks, double weight) {
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    double* __restrict__ tk = total.at[span.k];
    const real* __restrict__ xk = term.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) tk[i] += xk[i] * weight;
  }
}
