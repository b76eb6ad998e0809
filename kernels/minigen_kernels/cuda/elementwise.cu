// Element-wise functions that NumPy and CuPy lack, or do in several passes. Specification: ../reference/elementwise.py.
//
// Thread mapping: a grid-stride loop, one element per thread and turn, neighbours by neighbours.
// Memory traffic per element, with b bytes in a real (4 or 8):
//     add_kernel  reads 2 b, writes b
//     erf_kernel, erfc_kernel, exp_excess_kernel, log_deficit_kernel  read b, write b
//     scale_where_kernel  reads b + 1 (the condition is one byte), writes b
//     leaky_relu_kernel   reads b, writes b; leaky_relu_backward_kernel reads 2 b, writes b
//     sigmoid_kernel, softplus_kernel  read b, write b; sigmoid_backward_kernel, tanh_backward_kernel read 2 b, write b
//     mix_kernel                       reads 2 b, writes b
//     reparameterize_kernel            reads 3 b, writes b; its backward reads 3 b, writes 2 b
// All do a few operations per element and so run at the speed of memory (erf in double nearly so).

#include "common.cuh"
#include "together.cuh"
#include "gaussian.cuh"

// y = a + b for up to MOST_ARRAYS pairs, by chunks (together.cuh).
extern "C" __global__ void add_kernel(const Arrays a, const Arrays b, const Arrays y, const Chunks chunks) {
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    const real* __restrict__ ak = a.at[span.k];
    const real* __restrict__ bk = b.at[span.k];
    real* __restrict__ yk = y.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) yk[i] = ak[i] + bk[i];
  }
}

// y = erf(x), by CUDA's own erf, which is within 2 units in the last place.
extern "C" __global__ void erf_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = erf(x[i]);
}

// y = erfc(x) = 1 - erf(x), by CUDA's own erfc, which keeps its relative accuracy in the tail.
extern "C" __global__ void erfc_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = erfc(x[i]);
}

// y = exp(x) - 1 - x; near 0 the series x^2 / 2! + x^3 / 3! + ..., summed up from its end.
extern "C" __global__ void exp_excess_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = exp_excess(x[i]);
}

// y = x - log(1 + x); near 0, with s = x / (2 + x), x s - 2 (s^3 / 3 + s^5 / 5 + ...).
extern "C" __global__ void log_deficit_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real v = x[i], s = v / (2 + v);
    real tail = 0;
    for (int k = sizeof(real) == 4 ? 17 : 35; k > 1; k -= 2) tail = tail * (s * s) + real(1) / k;
    y[i] = fabs(v) < real(0.5) ? v * s - 2 * s * s * s * tail : v - log1p(v);
  }
}

// y = x where the condition holds, else slope * x; for slope 0 exactly 0, even where x is infinite or NaN.
extern "C" __global__ void scale_where_kernel(const real* __restrict__ x, const bool* __restrict__ condition,
                                              real slope, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real other = slope == real(0) ? real(0) : slope * x[i];
    y[i] = condition[i] ? x[i] : other;
  }
}

// y = x where x > 0, else slope * x; for slope 0 exactly 0, but a NaN stays one.
extern "C" __global__ void leaky_relu_kernel(const real* __restrict__ x, real slope, real* __restrict__ y,
                                             long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = leaky_relu(x[i], slope);
}

// gx = gy where x > 0, else slope * gy; for slope 0 exactly 0.
extern "C" __global__ void leaky_relu_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                      real slope, real* __restrict__ gx, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) gx[i] = leaky_relu_gradient(gy[i], x[i], slope);
}

// y = 1 / (1 + exp(-x)), from exp(-|x|), which is at most 1 and so never overflows.
extern "C" __global__ void sigmoid_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real e = exp(-fabs(x[i]));
    y[i] = (x[i] >= 0 ? real(1) : e) / (1 + e);
  }
}

// y = log(1 + exp(x)). max would drop a NaN, and log1p(exp(-|x|)) has it still.
extern "C" __global__ void softplus_kernel(const real* __restrict__ x, real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = max(x[i], real(0)) + log1p(exp(-fabs(x[i])));
}

// gx = gy y (1 - y) for y = 1 / (1 + exp(-x)).
extern "C" __global__ void sigmoid_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                   real* __restrict__ gx, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) gx[i] = gy[i] * (y[i] * (1 - y[i]));
}

// gx = gy (1 - y^2) for y = tanh(x).
extern "C" __global__ void tanh_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                real* __restrict__ gx, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) gx[i] = gy[i] * (1 - y[i] * y[i]);
}

// y = w a + (1 - w) b, with a weight for each sample of D numbers.
extern "C" __global__ void mix_kernel(const real* __restrict__ a, const real* __restrict__ b,
                                      const real* __restrict__ weight, real* __restrict__ y, long long n, long long D) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real w = weight[i / D];
    y[i] = w * a[i] + (1 - w) * b[i];
  }
}

// z = mean + exp(logvar / 2) noise.
extern "C" __global__ void reparameterize_kernel(const real* __restrict__ mean, const real* __restrict__ logvar,
                                                 const real* __restrict__ noise, real* __restrict__ z, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) z[i] = mean[i] + times_deviation(noise[i], logvar[i]);
}

// glogvar = gz noise exp(logvar / 2) / 2, gnoise = gz exp(logvar / 2).
extern "C" __global__ void reparameterize_backward_kernel(const real* __restrict__ gz, const real* __restrict__ logvar,
                                                          const real* __restrict__ noise, real* __restrict__ glogvar,
                                                          real* __restrict__ gnoise, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    glogvar[i] = times_deviation(gz[i] * noise[i] / 2, logvar[i]);
    gnoise[i] = times_deviation(gz[i], logvar[i]);
  }
}
