// The product of two matrices, one thread for each cell of the result: a (M, K), b (K, N) -> y (M, N).
//
// Memory traffic, with B = sizeof(real): a thread reads 2 K B and writes B. Neighbouring threads read neighbouring cells
// of b, and of a the same one.

#include "common.cuh"

extern "C" __global__ void matmul(const real* a, const real* b, real* y, int M, int K, int N) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= M * N) return;
  const int j = cell % N, i = cell / N;
  real sum = 0;
  for (int k = 0; k < K; k++) sum += a[i * K + k] * b[k * N + j];
  y[cell] = sum;
}
