// Images at any other size, nearest and bilinear, and the two adjoints. Read beside ../reference/interpolate.py.
//
// Thread mapping: one thread owns one cell of the array that is written and gathers what belongs there; neighbouring
// threads own neighbouring cells. Planes of H * W pixels on one side, of oh * ow results on the other.
//
// Memory traffic in bytes for a cell that is written, with B = sizeof(real); cells read twice come from a cache:
//   interpolate_nearest2d           reads at most B, writes B
//   interpolate_nearest2d_adjoint   reads B oh ow / (H W), writes B
//   interpolate_bilinear2d          reads at most 4 B, writes B
//   interpolate_bilinear2d_adjoint  reads B oh ow / (H W), each result up to 4 times; writes B

#include "common.cuh"

// On one axis, the pixel of result i. The product is rounded to float, whatever `real` is; so is the reference's.
__device__ int nearest(int i, int size, float step) { return min((int)((float)i * step), size - 1); }

// On one axis, where result i looks, in pixels from the centre of the first one, clamped to the centre of the last one.
__device__ double place(int i, int size, double step, bool align_corners) {
  const double s = align_corners ? i * step : (i + 0.5) * step - 0.5;
  return min(max(s, 0.0), (double)(size - 1));
}

// The first result that may look at pixel a or beyond place a - 1: one too early at worst, and never too late. Places
// only grow with i, so the results of a pixel lie side by side.
__device__ int first_result(double beyond, int results, double step, double shift) {
  if (beyond <= 0) return 0;  // pixel 0 has all that were clamped to it; and a step of 0 never gets beyond
  return (int)min(max((beyond + shift) / step - shift - 2, 0.0), (double)results);
}

extern "C" __global__ void interpolate_nearest2d_kernel(const real* __restrict__ x, real* __restrict__ y,
                                                        long long planes, int H, int W, int oh, int ow, float step_h,
                                                        float step_w) {
  const long long n = planes * oh * ow;
  for (long long r = first_index(); r < n; r += all_threads()) {
    const int u = nearest((int)(r / ow % oh), H, step_h), v = nearest((int)(r % ow), W, step_w);
    y[r] = x[(r / ow / oh * H + u) * W + v];
  }
}

extern "C" __global__ void interpolate_nearest2d_adjoint_kernel(const real* __restrict__ g, real* __restrict__ gx,
                                                                long long planes, int H, int W, int oh, int ow,
                                                                float step_h, float step_w) {
  const long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads()) {
    const int v = (int)(cell % W), u = (int)(cell / W % H);
    const real* plane = g + cell / W / H * oh * ow;
    int i0 = first_result(u, oh, step_h, 0), j0 = first_result(v, ow, step_w, 0);
    while (i0 < oh && nearest(i0, H, step_h) < u) i0++;
    while (j0 < ow && nearest(j0, W, step_w) < v) j0++;
    real sum = 0;
    for (int i = i0; i < oh && nearest(i, H, step_h) == u; i++)
      for (int j = j0; j < ow && nearest(j, W, step_w) == v; j++) sum += plane[(long long)i * ow + j];
    gx[cell] = sum;
  }
}

extern "C" __global__ void interpolate_bilinear2d_kernel(const real* __restrict__ x, real* __restrict__ y,
                                                         long long planes, int H, int W, int oh, int ow, double step_h,
                                                         double step_w, bool align_corners) {
  const long long n = planes * oh * ow;
  for (long long r = first_index(); r < n; r += all_threads()) {
    const double s = place((int)(r / ow % oh), H, step_h, align_corners);
    const double t = place((int)(r % ow), W, step_w, align_corners);
    const int u = (int)s, v = (int)t, v1 = min(v + 1, W - 1);
    const real down = (real)(s - u), across = (real)(t - v);
    const real* row = x + (r / ow / oh * H + u) * W;
    const real* next = x + (r / ow / oh * H + min(u + 1, H - 1)) * W;
    const real left = (1 - down) * row[v] + down * next[v], right = (1 - down) * row[v1] + down * next[v1];
    y[r] = (1 - across) * left + across * right;
  }
}

// The weight of pixel a in a result that looks at s: a tent, 1 at the centre of the pixel and 0 at its neighbours'.
__device__ real tent(double s, int a) { return (real)max(1 - fabs(s - a), 0.0); }

extern "C" __global__ void interpolate_bilinear2d_adjoint_kernel(const real* __restrict__ g, real* __restrict__ gx,
                                                                 long long planes, int H, int W, int oh, int ow,
                                                                 double step_h, double step_w, bool align_corners) {
  const double shift = align_corners ? 0 : 0.5;
  const long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads()) {
    const int v = (int)(cell % W), u = (int)(cell / W % H);
    const real* plane = g + cell / W / H * oh * ow;
    const int j0 = first_result(v - 1, ow, step_w, shift);
    real sum = 0;
    for (int i = first_result(u - 1, oh, step_h, shift); i < oh; i++) {
      const double s = place(i, H, step_h, align_corners);
      if (s >= u + 1) break;
      real line = 0;
      for (int j = j0; j < ow; j++) {
        const double t = place(j, W, step_w, align_corners);
        if (t >= v + 1) break;
        line += tent(t, v) * plane[(long long)i * ow + j];
      }
      sum += tent(s, u) * line;
    }
    gx[cell] = sum;
  }
}
