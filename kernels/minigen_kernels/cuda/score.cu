// Statistics of the scores of a GAN's discriminator. Specification: ../reference/score.py.
//
// One block: there is a score for each image of a batch. Sums are in double. Both vectors are read once.

#include "common.cuh"

// Of one thread's scores: their sum (or that of their probabilities), and how many lie above the threshold.
struct Share {
  double sum;
  int above;
};

__device__ Share share(const real* x, long long n, real threshold, bool logits) {
  Share own = {0, 0};
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    const real e = exp(-fabs(x[i]));  // at most 1: never overflows
    own.sum += logits ? (x[i] >= 0 ? real(1) : e) / (1 + e) : x[i];
    own.above += x[i] > threshold;
  }
  return own;
}

// out = mean of real, mean of fake, their difference, accuracy.
extern "C" __global__ void score_statistics_kernel(const real* __restrict__ scores_real,
                                                   const real* __restrict__ scores_fake, real* __restrict__ out,
                                                   long long n_real, long long n_fake, real threshold, bool logits) {
  const Share r = share(scores_real, n_real, threshold, logits), f = share(scores_fake, n_fake, threshold, logits);
  const double mean_real = block_sum(r.sum) / n_real, mean_fake = block_sum(f.sum) / n_fake;
  const double right_real = (double)block_sum(r.above) / n_real, wrong_fake = (double)block_sum(f.above) / n_fake;
  if (threadIdx.x == 0) {
    out[0] = (real)mean_real;
    out[1] = (real)mean_fake;
    out[2] = (real)mean_real - (real)mean_fake;
    out[3] = (real)((right_real + 1 - wrong_fake) / 2);
  }
}
