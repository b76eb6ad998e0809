// Softmax and its logarithm over rows, forward and backward. Read beside ../reference/softmax.py.
//
// Thread mapping: a block has one row at a time, its threads share the row in steps of the block; block_sum and
// block_largest join what they found. The sums are taken in double.
//
// Memory traffic in bytes for an element, with B = sizeof(real); what a row reads again comes from the cache:
//   softmax       reads B, writes B      softmax_backward      reads 2 B, writes B
//   log_softmax   reads B, writes B      log_softmax_backward  reads 2 B, writes B

#include "common.cuh"

// The largest of a value of each thread of a block, in every thread. A NaN may be passed over: it shows in the sum.
__device__ real block_largest(real value) {
  __shared__ real of_warp[WARP];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
  for (int step = WARP / 2; step > 0; step /= 2) value = max(value, __shfl_xor_sync(ALL_LANES, value, step));
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  value = of_warp[0];
  for (int i = 1; i < (int)blockDim.x / WARP; i++) value = max(value, of_warp[i]);
  __syncthreads();  // of_warp may be written again by the next call
  return value;
}

// The largest number of a row of K.
__device__ real row_largest(const real* x, int K) {
  real largest = x[0];
  for (int k = threadIdx.x; k < K; k += blockDim.x) largest = max(largest, x[k]);
  return block_largest(largest);
}

// The sum of exp(x - largest) over a row.
__device__ double row_sum_exp(const real* x, real largest, int K) {
  double sum = 0;
  for (int k = threadIdx.x; k < K; k += blockDim.x) sum += exp(x[k] - largest);
  return block_sum(sum);
}

extern "C" __global__ void softmax_kernel(const real* __restrict__ x, real* __restrict__ y, long long R, int K) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    const real* row = x + r * K;
    const real largest = row_largest(row, K);
    const real scale = (real)(1 / row_sum_exp(row, largest, K));
    for (int k = threadIdx.x; k < K; k += blockDim.x) y[r * K + k] = exp(row[k] - largest) * scale;
  }
}

extern "C" __global__ void log_softmax_kernel(const real* __restrict__ x, real* __restrict__ y, long long R, int K) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    const real* row = x + r * K;
    const real largest = row_largest(row, K);
    const real shift = (real)log(row_sum_exp(row, largest, K));
    for (int k = threadIdx.x; k < K; k += blockDim.x) y[r * K + k] = row[k] - largest - shift;
  }
}

// gx = y (gy - sum gy y).
extern "C" __global__ void softmax_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                   real* __restrict__ gx, long long R, int K) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    double sum = 0;
    for (long long i = r * K + threadIdx.x; i < (r + 1) * K; i += blockDim.x) sum += gy[i] * y[i];
    const real mean = (real)block_sum(sum);
    for (long long i = r * K + threadIdx.x; i < (r + 1) * K; i += blockDim.x) gx[i] = y[i] * (gy[i] - mean);
  }
}

// gx = gy - exp(y) sum gy.
extern "C" __global__ void log_softmax_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                       real* __restrict__ gx, long long R, int K) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    double sum = 0;
    for (long long i = r * K + threadIdx.x; i < (r + 1) * K; i += blockDim.x) sum += gy[i];
    const real total = (real)block_sum(sum);
    for (long long i = r * K + threadIdx.x; i < (r + 1) * K; i += blockDim.x) gx[i] = gy[i] - exp(y[i]) * total;
  }
}
