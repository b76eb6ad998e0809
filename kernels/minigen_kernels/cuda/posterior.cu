// A draw from the Gaussian that an encoder describes, and its divergence. Specification: ../reference/posterior.py.
//
// Forwards a thread makes one block of 16 bytes of normal numbers, and the elements that go with them; the divergence is
// summed as in loss.cu. Backwards a thread keeps to one channel, as in activation.cu, once for each of the two biases.
// The normal numbers are those of random.cu, bit for bit: hence its option.
//
// Memory traffic for an element, with B = sizeof(real): reads 2 B, writes 4 B; backwards reads 4 B, writes 2 B.
// options: -fmad=false

#include "common.cuh"
#include "philox.cuh"
#include "gaussian.cuh"
#include "activation.cuh"

// m, v (n elements, rows of D), b_mean, b_logvar (D) -> z, mean, t, noise like m, and kl[0].
extern "C" __global__ void posterior_sample_kernel(const real* __restrict__ m, const real* __restrict__ v,
                                                   const real* __restrict__ b_mean, const real* __restrict__ b_logvar,
                                                   real* __restrict__ z, real* __restrict__ mean,
                                                   real* __restrict__ t, real* __restrict__ noise, double* partial,
                                                   unsigned int* counter, real* __restrict__ kl,
                                                   unsigned long long position,
                                                   const unsigned long long* __restrict__ offset_or_null,
                                                   unsigned long long seed, unsigned long long stream, long long n,
                                                   int D, real limit, double scale) {
  if (offset_or_null) position += *offset_or_null;  // see random.cu
  constexpr int NUMBERS = 16 / sizeof(real);
  double sum = 0;
  for (long long block = first_index(); block * NUMBERS < n; block += all_threads()) {
    const Block<real> drawn = normal_block(seed, stream, position + block);
#pragma unroll
    for (int k = 0; k < NUMBERS; k++) {
      const long long i = block * NUMBERS + k;
      if (i >= n) break;
      const int c = (int)(i % D);
      const real centre = m[i] + b_mean[c], bounded = tanh((v[i] + b_logvar[c]) / limit), logvar = bounded * limit;
      sum += gaussian_kl(centre, logvar);
      mean[i] = centre;
      t[i] = bounded;
      noise[i] = drawn.values[k];
      z[i] = centre + times_deviation(drawn.values[k], logvar);
    }
  }
  finish(sum, partial, counter, kl, scale);
}

// gz, mean, t, noise (N, D), gkl[0] -> gm, gv (N, D), and their sums over N.
extern "C" __global__ void posterior_sample_backward_kernel(
    const real* __restrict__ gz, const real* __restrict__ gkl, const real* __restrict__ mean,
    const real* __restrict__ t, const real* __restrict__ noise, real* __restrict__ gm, real* __restrict__ gv,
    double* parts, unsigned int* counters, real* __restrict__ gb_mean, real* __restrict__ gb_logvar, real limit,
    double scale, int C, int L, long long places, long long chunk, int width) {
  const real factor = (real)(gkl[0] * scale), half = (real)(gkl[0] * (scale / 2));
  channel_sums([&](long long n, long long c, int) { return gm[n * C + c] = gz[n * C + c] + mean[n * C + c] * factor; },
               parts, counters, gb_mean, C, L, places, chunk, width);
  channel_sums(
      [&](long long n, long long c, int) {
        const long long i = n * C + c;
        const real logvar = t[i] * limit;
        const real g = times_deviation(gz[i] * noise[i] / 2, logvar) + expm1(logvar) * half;
        return gv[i] = g * (1 - t[i] * t[i]);
      },
      parts + gridDim.y * (long long)C, counters + gridDim.x, gb_logvar, C, L, places, chunk, width);
}
