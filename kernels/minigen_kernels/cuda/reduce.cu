// Sums over axes, in double, times a factor. Specification: ../reference/reduce.py.
//
// x is (A, R, B) and y (A, B): the sum i = (a, b) has the terms x[a, r, b]. `lanes` threads share a sum: 1, a warp, or the
// whole block; each takes every lanes-th term, and then they are added up in a tree. Grid (blocks, chunks): of few and
// long sums a block has `chunk` terms, leaves their sum in `partial` (sums, chunks), and a second kernel adds these up.
//
// Memory traffic: x is read once. With B = 1 a warp reads neighbours of one sum; with B > 1 and one lane, of 32 sums.
// Else neighbouring terms are B apart: a warp uses sizeof(real) of the 32 bytes that each read moves, and the warps of
// the neighbouring sums take the rest from the cache.

#include "common.cuh"

extern "C" __global__ void sum_kernel(const real* __restrict__ x, real* __restrict__ y, double* __restrict__ partial,
                                      long long sums, long long R, long long B, int lanes, long long chunk,
                                      double scale) {
  const int lane = threadIdx.x % lanes, each = blockDim.x / lanes;
  const long long first = blockIdx.y * chunk, end = min(first + chunk, R);
  // All threads of a block go round together, as the sums of warps and blocks ask for.
  for (long long start = (long long)blockIdx.x * each; start < sums; start += (long long)gridDim.x * each) {
    const long long i = start + threadIdx.x / lanes;
    double sum = 0;
    if (i < sums) {
      const real* terms = x + i / B * R * B + i % B;
      for (long long r = first + lane; r < end; r += lanes) sum += terms[r * B];
    }
    if (lanes == WARP) sum = warp_sum(sum);
    if (lanes > WARP) sum = block_sum(sum);
    if (lane == 0 && i < sums) {
      if (gridDim.y == 1) y[i] = (real)(sum * scale);
      else partial[i * gridDim.y + blockIdx.y] = sum;
    }
  }
}

// A block of one warp adds up the chunks of a sum.
extern "C" __global__ void sum_of_chunks_kernel(const double* __restrict__ partial, real* __restrict__ y, int chunks,
                                                double scale) {
  double sum = 0;
  for (int k = threadIdx.x; k < chunks; k += WARP) sum += partial[(long long)blockIdx.x * chunks + k];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) y[blockIdx.x] = (real)(sum * scale);
}
