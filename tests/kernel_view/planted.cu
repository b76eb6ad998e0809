// Accesses whose cost is known from a textbook (test_recording.py).

#include "common.cuh"

// x (32,) to every `stride`-th cell of shared memory, and on to every `stride`-th cell of y.
extern "C" __global__ void strided(const real* __restrict__ x, real* __restrict__ y, int stride) {
  __shared__ real cells[32 * 33];
  cells[threadIdx.x * stride] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x * stride] = cells[threadIdx.x * stride];
}

// In each of four turns every other lane reads.
extern "C" __global__ void parted(const real* __restrict__ x, real* __restrict__ y) {
  real sum = 0;
  for (int turn = 0; turn < 4; turn++)
    if ((threadIdx.x + turn) % 2 == 1) sum += x[32 * turn + threadIdx.x];
  y[threadIdx.x] = sum;
}

// Lane l takes l % 4 + 1 turns.
extern "C" __global__ void ragged(const real* __restrict__ x, real* __restrict__ y) {
  real sum = 0;
  for (int turn = 0; turn <= threadIdx.x % 4; turn++) sum += x[32 * turn + threadIdx.x];
  y[threadIdx.x] = sum;
}
