// Max pooling, one thread for each window: x (planes, H, W) -> y and index (planes, oh, ow).
//
// Memory traffic, with B = sizeof(real): a thread reads up to kh kw B and writes B + 8.

#include "common.cuh"

extern "C" __global__ void max_pool2d(const real* x, real* y, long long* index, int planes, int H, int W, int oh,
                                      int ow, int kh, int kw, int sh, int sw, int ph, int pw) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= planes * oh * ow) return;
  const int j = cell % ow, i = cell / ow % oh, plane = cell / ow / oh;
  real best = 0;
  int place = -1;  // none yet
  for (int u = 0; u < kh; u++)
    for (int v = 0; v < kw; v++) {
      const int a = i * sh - ph + u, b = j * sw - pw + v;
      if (0 <= a && a < H && 0 <= b && b < W) {
        const real here = x[(plane * H + a) * W + b];
        if (here > best || (isnan(here) && !isnan(best)) || place < 0) {
          best = here;
          place = a * W + b;
        }
      }
    }
  y[cell] = best;
  index[cell] = place;
}
