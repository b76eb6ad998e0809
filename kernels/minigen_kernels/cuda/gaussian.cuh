// Of normal distributions: their divergence from N(0, 1), and draws. Read after common.cuh.

// (mean^2 + exp(logvar) - 1 - logvar) / 2.
static __device__ __forceinline__ real gaussian_kl(real mean, real logvar) { return (mean * mean + exp_excess(logvar)) / 2; }

// The product a exp(logvar / 2), where 0 times infinity is 0.
static __device__ __forceinline__ real times_deviation(real a, real logvar) {
  const real deviation = exp(logvar / 2);
  return a == 0 && deviation == deviation ? real(0) : a * deviation;  // a NaN stays one
}
