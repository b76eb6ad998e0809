// Losses: elements, sums and the gradients of sums. Read beside ../reference/loss.py.
//
// Thread mapping: a grid-stride loop, one element per thread and turn. An element is computed in real and added in
// double; block_sum joins a block, which leaves one number in `partial`; the last block to come adds these up. How many
// blocks there are depends on the number of elements alone. The gradient gy of a sum is read by every thread from
// memory, so the host never waits for it.
//
// Memory traffic in bytes for an element, with B = sizeof(real):
//   bce_with_logits         reads 2 B, writes B
//   ..._sum                 reads 2 B (and 8 written and read for each block); mse_act writes B
//   ..._sum_backward        reads 2 B, writes B (gaussian_kl: 2 B)

#include "common.cuh"
#include "activation.cuh"
#include "gaussian.cuh"

// log(1 + exp(x)) - x y without overflow, and without the cancellation of large numbers. A NaN stays one in x y.
__device__ real bce(real x, real y) { return max(x, real(0)) - x * y + log1p(exp(-fabs(x))); }

extern "C" __global__ void bce_with_logits_kernel(const real* __restrict__ x, const real* __restrict__ y,
                                                  real* __restrict__ out, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) out[i] = bce(x[i], y[i]);
}

extern "C" __global__ void bce_with_logits_sum_kernel(const real* __restrict__ x, const real* __restrict__ y,
                                                      double* partial, unsigned int* counter, real* __restrict__ out,
                                                      long long n, double scale) {
  double sum = 0;
  for (long long i = first_index(); i < n; i += all_threads()) sum += bce(x[i], y[i]);
  finish(sum, partial, counter, out, scale);
}

extern "C" __global__ void mse_sum_kernel(const real* __restrict__ p, const real* __restrict__ t,
                                          double* partial, unsigned int* counter, real* __restrict__ out,
                                          long long n, double scale) {
  double sum = 0;
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real d = p[i] - t[i];
    sum += d * d;
  }
  finish(sum, partial, counter, out, scale);
}

// The difference d, kept within +-delta. A NaN stays one.
__device__ real within(real d, real delta) { return d < -delta ? -delta : d > delta ? delta : d; }

extern "C" __global__ void huber_sum_kernel(const real* __restrict__ p, const real* __restrict__ t, double* partial,
                                            unsigned int* counter, real* __restrict__ out, long long n, double scale,
                                            real delta) {
  double sum = 0;
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real d = p[i] - t[i], c = within(d, delta);
    sum += c * (d - c / 2);
  }
  finish(sum, partial, counter, out, scale);
}

// The sum of squares for y = sigmoid(x) or tanh(x), which is kept.
extern "C" __global__ void mse_act_sum_kernel(const real* __restrict__ x, const real* __restrict__ t, double* partial,
                                              unsigned int* counter, real* __restrict__ out, long long n, double scale,
                                              real* __restrict__ y, bool sigmoid) {
  double sum = 0;
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real p = y[i] = activate(x[i], sigmoid ? SIGMOID : TANH, real(0)), d = p - t[i];
    sum += d * d;
  }
  finish(sum, partial, counter, out, scale);
}

extern "C" __global__ void gaussian_kl_sum_kernel(const real* __restrict__ mean, const real* __restrict__ logvar,
                                                  double* partial, unsigned int* counter, real* __restrict__ out,
                                                  long long n, double scale) {
  double sum = 0;
  for (long long i = first_index(); i < n; i += all_threads()) sum += gaussian_kl(mean[i], logvar[i]);
  finish(sum, partial, counter, out, scale);
}

// gx = gy scale (sigmoid(x) - y).
extern "C" __global__ void bce_with_logits_sum_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                               const real* __restrict__ y, real* __restrict__ gx,
                                                               long long n, double scale) {
  const real factor = (real)(gy[0] * scale);
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real e = exp(-fabs(x[i]));  // at most 1: never overflows
    gx[i] = ((x[i] >= 0 ? real(1) : e) / (1 + e) - y[i]) * factor;
  }
}

// gp = gy scale 2 (p - t).
extern "C" __global__ void mse_sum_backward_kernel(const real* __restrict__ gy, const real* __restrict__ p,
                                                   const real* __restrict__ t, real* __restrict__ gp, long long n,
                                                   double scale) {
  const real factor = (real)(gy[0] * (2 * scale));
  for (long long i = first_index(); i < n; i += all_threads()) gp[i] = (p[i] - t[i]) * factor;
}

// gp = gy scale c, with c = p - t kept within +-delta.
extern "C" __global__ void huber_sum_backward_kernel(const real* __restrict__ gy, const real* __restrict__ p,
                                                     const real* __restrict__ t, real* __restrict__ gp, long long n,
                                                     double scale, real delta) {
  const real factor = (real)(gy[0] * scale);
  for (long long i = first_index(); i < n; i += all_threads()) gp[i] = within(p[i] - t[i], delta) * factor;
}

// gx = gy scale 2 (y - t) y', with the derivative y' told from y.
extern "C" __global__ void mse_act_sum_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                       const real* __restrict__ t, real* __restrict__ gx, long long n,
                                                       double scale, bool sigmoid) {
  const real factor = (real)(gy[0] * (2 * scale));
  for (long long i = first_index(); i < n; i += all_threads())
    gx[i] = gradient((y[i] - t[i]) * factor, y[i], sigmoid ? SIGMOID : TANH, real(0));
}

// gmean = gy scale mean, glogvar = gy scale expm1(logvar) / 2.
extern "C" __global__ void gaussian_kl_sum_backward_kernel(const real* __restrict__ gy, const real* __restrict__ mean,
                                                           const real* __restrict__ logvar, real* __restrict__ gmean,
                                                           real* __restrict__ glogvar, long long n, double scale) {
  const real factor = (real)(gy[0] * scale), half = (real)(gy[0] * (scale / 2));
  for (long long i = first_index(); i < n; i += all_threads()) {
    gmean[i] = mean[i] * factor;
    glogvar[i] = expm1(logvar[i]) * half;
  }
}
