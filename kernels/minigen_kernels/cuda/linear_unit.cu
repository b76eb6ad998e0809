// Linear units: silu, gelu, its tanh form, mish, hardswish; elu, selu and celu. Specification:
// ../reference/linear_unit.py.
//
// Thread mapping: a grid-stride loop, one element per thread and turn, neighbours by neighbours.
// Memory traffic per element, with b bytes in a real (4 or 8): forward reads b, writes b; backward reads 2 b, writes b.
// The slopes of PReLU, one for each channel, come from the cache; its backward keeps to a channel a block (activation.cuh).
// All do a few dozen operations per element at most and so run at the speed of memory in float; in double gelu does not.

#include "common.cuh"
#include "activation.cuh"

// The places of the units in UNITS of the reference.
constexpr int SILU = 0;
constexpr int GELU = 1;
constexpr int GELU_TANH = 2;
constexpr int MISH = 3;
constexpr int HARDSWISH = 4;

constexpr double STEEP = 1.5957691216057308;  // sqrt(8 / pi)
constexpr double CUBIC = 0.044715;
constexpr double FLAT = 30;  // beyond, the tanh form's gate is 0 or 1
constexpr double ROOT_HALF = 0.7071067811865476;
constexpr double DENSITY = 0.3989422804014327;  // 1 / sqrt(2 pi)

// What x is multiplied by, and its derivative.
struct Gate {
  real gate, slope;
};

// 1 / (1 + exp(-x)), from exp(-|x|), which is at most 1 and so never overflows.
static __device__ __forceinline__ real sigmoid(real x) {
  const real e = exp(-fabs(x));
  return (x >= 0 ? real(1) : e) / (1 + e);
}

static __device__ __forceinline__ Gate gate_of(real x, int unit) {
  if (unit == SILU) {
    const real s = sigmoid(x);
    return {s, s * (1 - s)};
  }
  if (unit == GELU) return {erfc(x * real(-ROOT_HALF)) / 2, exp(-x * x / 2) * real(DENSITY)};
  if (unit == GELU_TANH) {
    const real near = x < real(-FLAT) ? real(-FLAT) : x > real(FLAT) ? real(FLAT) : x;  // a NaN stays one
    const real square = real(STEEP * CUBIC) * near * near, s = sigmoid(near * (real(STEEP) + square));
    return {s, s * (1 - s) * (real(STEEP) + 3 * square)};
  }
  // MISH: tanh(log(1 + exp(x))) from e = exp(-|x|).
  const real e = exp(-fabs(x)), above = 1 + 2 * e * (1 + e), below = e * (e + 2) + 2;
  if (x > 0) return {1 - 2 * e * e / above, 4 * e * e * (1 + e) / (above * above)};
  return {e * (e + 2) / below, 4 * e * (1 + e) / (below * below)};
}

// y = x times the gate; of hardswish x min(max(x + 3, 0), 6) / 6.
extern "C" __global__ void linear_unit_kernel(const real* __restrict__ x, int unit, real* __restrict__ y,
                                              long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real v = x[i];
    if (unit == HARDSWISH)
      y[i] = v >= 3 ? v : v < -3 ? real(0) : v * (v + 3) * real(1.0 / 6);  // a NaN stays one
    else
      y[i] = v * gate_of(v, unit).gate;
  }
}

// gx = gy (gate + x slope); of hardswish gy, gy (2 x + 3) / 6 or 0.
extern "C" __global__ void linear_unit_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                       int unit, real* __restrict__ gx, long long n) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const real v = x[i];
    if (unit == HARDSWISH) {
      gx[i] = gy[i] * (v >= 3 ? real(1) : v >= -3 ? (2 * v + 3) * real(1.0 / 6) : real(0));
    } else {
      const Gate gate = gate_of(v, unit);
      gx[i] = gy[i] * (gate.gate + v * gate.slope);
    }
  }
}

// y = x where x > 0, else w x, for x (N, C, L) and w (C,).
extern "C" __global__ void prelu_kernel(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y,
                                        long long n, int C, int L) {
  for (long long i = first_index(); i < n; i += all_threads()) y[i] = x[i] > 0 ? x[i] : w[i / L % C] * x[i];
}

// gx = gy where x > 0, else w gy; and gw (C,), the sums of gy x over the other places, as in activation.cuh.
extern "C" __global__ void prelu_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                 const real* __restrict__ w, real* __restrict__ gx,
                                                 real* __restrict__ gw, double* parts, unsigned int* counters, int C,
                                                 int L, long long places, long long chunk, int width) {
  channel_sums(
      [&](long long n, long long c, int l) {
        const long long at = (n * C + c) * L + l;
        gx[at] = x[at] > 0 ? gy[at] : w[c] * gy[at];
        return x[at] > 0 ? real(0) : gy[at] * x[at];
      },
      parts, counters, gw, C, L, places, chunk, width);
}

// y = positive x where x > 0, else negative (exp(rate x) - 1).
extern "C" __global__ void elu_kernel(const real* __restrict__ x, real positive, real negative, real rate,
                                      real* __restrict__ y, long long n) {
  for (long long i = first_index(); i < n; i += all_threads())
    y[i] = x[i] > 0 ? positive * x[i] : negative * expm1(rate * x[i]);
}

// gx = gy positive where x > 0, else gy negative rate exp(rate x).
extern "C" __global__ void elu_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x, real positive,
                                               real negative, real rate, real* __restrict__ gx, long long n) {
  for (long long i = first_index(); i < n; i += all_threads())
    gx[i] = gy[i] * (x[i] > 0 ? positive : negative * rate * exp(rate * x[i]));
}
