// Softmax over rows, one thread for each cell of the result: x (R, K) -> y (R, K).
//
// Each of the K threads of a row finds the row's largest cell and its sum again. The fast kernel shares this work among
// the threads of a warp.
//
// Memory traffic, with B = sizeof(real): a thread reads (2 K + 1) B and writes B.

#include "common.cuh"

extern "C" __global__ void softmax(const real* x, real* y, int R, int K) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= R * K) return;
  const real* row = x + cell / K * K;
  real largest = row[0];
  for (int k = 1; k < K; k++)
    if (row[k] > largest) largest = row[k];
  double total = 0;  // NaN, if one of the row is
  for (int k = 0; k < K; k++) total += exp(row[k] - largest);
  y[cell] = exp(row[cell % K] - largest) / total;
}
