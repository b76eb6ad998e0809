// Bias and activation, and both of their gradients. Specification: ../reference/activation.py.
//
// Forwards: x (N, C, L) is N rows of `columns` = C * L numbers. A block has COLUMNS columns, which are neighbours in
// memory, of `chunk` rows, of which its LANES lanes take every LANES-th; so a thread keeps to one column, and the
// division that tells the channel of a column is done once. Grid (columns / COLUMNS, chunks).
//
// Backwards a thread keeps to one channel, whose sum it has a part in: `channel_sums` in activation.cuh.
//
// Memory traffic for each number, with B = sizeof(real):
//     bias_act_kernel            reads B, writes B
//     bias_act_backward_kernel   reads 2 B, writes B, and 8 bytes for each chunk and channel

#include "common.cuh"
#include "activation.cuh"

constexpr int COLUMNS = 32;
constexpr int LANES = 8;

extern "C" __global__ void bias_act_kernel(const real* __restrict__ x, const real* __restrict__ b,
                                           real* __restrict__ y, int activation, real slope, long long N,
                                           long long columns, int L, long long chunk) {
  const long long j = (long long)blockIdx.x * COLUMNS + threadIdx.x;
  if (j >= columns) return;
  const real bias = b[j / L];
  const long long first = blockIdx.y * chunk, end = min(first + chunk, N);
  for (long long n = first + threadIdx.y; n < end; n += LANES)
    y[n * columns + j] = activate(x[n * columns + j] + bias, activation, slope);
}

extern "C" __global__ void bias_act_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                    real* __restrict__ gx, double* parts, unsigned int* counters,
                                                    real* __restrict__ gb, int activation, real slope, int C, int L,
                                                    long long places, long long chunk, int width) {
  channel_sums(
      [&](long long n, long long c, int l) {
        const long long at = (n * C + c) * L + l;
        return gx[at] = gradient(gy[at], y[at], activation, slope);
      },
      parts, counters, gb, C, L, places, chunk, width);
}
