// Of the scores of a GAN's discriminator: statistics, a critic's loss, and the penalty on its slope. Specification:
// ../reference/score.py.
//
// What is computed of scores is one block's work: there is one for each image of a batch. The norms of gradients are a
// block's each, their own gradient has an element per thread and turn. Sums are in double. Everything is read once.
//
// Memory traffic in bytes, with B = sizeof(real):
//   score_statistics      score:  reads B; writes 4 B in all
//   mean_difference       score:  reads B; writes B in all; its backward: score: writes B
//   unit_norm_penalty     number: reads B; sample: writes B for its norm, reads it back; writes B in all
//   its backward          number: reads B, and the norm of its sample out of the cache; writes B

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

// The sum of a vector, in every thread of the block.
__device__ double sum_of(const real* x, long long n) {
  double sum = 0;
  for (long long i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  return block_sum(sum);
}

extern "C" __global__ void mean_difference_kernel(const real* __restrict__ a, const real* __restrict__ b,
                                                  real* __restrict__ out, long long n, long long m) {
  const double mean_a = sum_of(a, n) / n, mean_b = sum_of(b, m) / m;
  if (threadIdx.x == 0) out[0] = (real)(mean_a - mean_b);
}

extern "C" __global__ void mean_difference_backward_kernel(const real* __restrict__ gy, real* __restrict__ ga,
                                                           real* __restrict__ gb, long long n, long long m) {
  for (long long i = first_index(); i < max(n, m); i += all_threads()) {
    if (i < n) ga[i] = gy[0] / n;
    if (i < m) gb[i] = -gy[0] / m;
  }
}

// norms (N,) of g (N, D): a block has a sample, then the one `gridDim.x` further on.
extern "C" __global__ void norms_kernel(const real* __restrict__ g, real* __restrict__ norms, long long N, long long D,
                                        double smallest) {
  for (long long n = blockIdx.x; n < N; n += gridDim.x) {
    double sum = 0;
    for (long long j = threadIdx.x; j < D; j += blockDim.x) sum += (double)g[n * D + j] * g[n * D + j];
    sum = block_sum(sum);
    if (threadIdx.x == 0) norms[n] = (real)sqrt(sum + smallest);
  }
}

extern "C" __global__ void unit_norm_penalty_kernel(const real* __restrict__ norms, real* __restrict__ out,
                                                    long long N) {
  double sum = 0;
  for (long long n = threadIdx.x; n < N; n += blockDim.x) sum += ((double)norms[n] - 1) * ((double)norms[n] - 1);
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[0] = (real)(sum / N);
}

extern "C" __global__ void unit_norm_penalty_backward_kernel(const real* __restrict__ gy, const real* __restrict__ g,
                                                             const real* __restrict__ norms, real* __restrict__ gg,
                                                             long long N, long long D) {
  for (long long i = first_index(); i < N * D; i += all_threads()) {
    const real norm = norms[i / D];
    gg[i] = gy[0] * 2 / N * (norm - 1) / norm * g[i];
  }
}
