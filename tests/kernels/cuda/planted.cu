// Kernels with mistakes, which the tests must find, each beside a right one. They run on the host only; the first one
// is right in every respect.

#include "common.cuh"

constexpr int TILE = 8;
constexpr int BOUND = 64;

// y[r] = sum over c of x[r, c]; a block takes one row after another. Right.
extern "C" __global__ void row_sum(const real* __restrict__ x, real* __restrict__ y, int rows, int columns) {
  for (int r = blockIdx.x; r < rows; r += gridDim.x) {
    real sum = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += x[(long long)r * columns + c];
    sum = block_sum(sum);
    if (threadIdx.x == 0) y[r] = sum;
  }
}

// Reverses each run of blockDim.x numbers through shared memory. `barrier` 0: without the barrier between writing and
// reading, a race.
extern "C" __global__ void __launch_bounds__(BOUND) reverse_runs(const real* __restrict__ x, real* __restrict__ y,
                                                                int barrier) {
  __shared__ real run[BOUND];
  const int i = threadIdx.x, n = blockDim.x;
  run[i] = x[blockIdx.x * n + i];
  if (barrier) __syncthreads();
  y[blockIdx.x * n + i] = run[n - 1 - i];
}

// y[0] = the last thread's number: every thread writes the same cell, a race between threads or between blocks.
extern "C" __global__ void last_wins(real* __restrict__ y) { y[0] = real(blockIdx.x * blockDim.x + threadIdx.x); }

// Sums in shared memory that nothing has cleared.
extern "C" __global__ void not_cleared(real* __restrict__ y) {
  __shared__ real sum[BOUND];
  sum[threadIdx.x] += real(1);
  y[threadIdx.x] = sum[threadIdx.x];
}

template <int N>
__device__ real* uncleared() {
  __shared__ real sum[N];
  return sum;
}

// The same, with the array in a template: compilers keep those elsewhere.
extern "C" __global__ void not_cleared_in_a_template(real* __restrict__ y) {
  real* sum = uncleared<BOUND>();
  sum[threadIdx.x] += real(1);
  y[threadIdx.x] = sum[threadIdx.x];
}

// Writes n cells; the array may be shorter.
extern "C" __global__ void fill(real* __restrict__ y, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = 1;
}

// Reads past the end of a shared array when the block has more than TILE threads.
extern "C" __global__ void beyond_shared(real* __restrict__ y) {
  __shared__ real tile[TILE];
  __shared__ real other[TILE];
  if (threadIdx.x < TILE) tile[threadIdx.x] = other[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// n + n overflows for a large n.
extern "C" __global__ void overflow(real* __restrict__ y, int n) { y[0] = real(n + n); }

// Only half of the threads reach the barrier: the others return (`way` 0), wait elsewhere (1), or are at a shuffle (2).
extern "C" __global__ void half_a_barrier(real* __restrict__ y, int way) {
  const bool half = threadIdx.x % 2 == 0;
  y[threadIdx.x] = 0;
  if (half) {
    __syncthreads();
  } else if (way == 1) {
    __syncthreads();
  } else if (way == 2) {
    y[threadIdx.x] = warp_sum(y[threadIdx.x]);
  }
}

// y[0] = the sum of all of x, n numbers for each block of one warp, by the block that comes last. `way` 0 is right; 1
// without a fence; 2 waits for a block too many; 3 leaves the counter; 4 the last block adds only what it has itself
// and the blocks before it, as if blocks came in order.
extern "C" __global__ void last_block_sums(const real* __restrict__ x, real* y, real* parts, unsigned int* counter,
                                           int n, int way) {
  real sum = threadIdx.x < n ? x[blockIdx.x * n + threadIdx.x] : real(0);
  sum = warp_sum(sum);
  if (threadIdx.x != 0) return;
  parts[blockIdx.x] = sum;
  if (way != 1) __threadfence();
  if (atomicAdd(counter, 1u) != gridDim.x - (way == 2 ? 0 : 1)) return;
  if (way != 3) *counter = 0;
  sum = 0;
  for (int i = 0; i < (way == 4 ? blockIdx.x + 1 : gridDim.x); i++) sum += parts[i];
  y[0] = sum;
}
