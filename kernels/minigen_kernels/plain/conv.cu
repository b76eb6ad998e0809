// Convolution and its two adjoints, one thread for each cell of the result. Read beside conv.py.
//
// A thread finds out which cell is its own, visits all pairs of cells whose products belong there, adds these up and
// writes once. So no two threads write to one cell, and no sum depends on the order of the threads. In conv.py the image's
// gradient is scattered: a cell of g adds to many cells of gx. Here each cell of gx gathers instead.
//
// Memory traffic, with B = sizeof(real): a thread reads up to 2 B for each term of its sum and writes B. Terms of a cell:
// of y C/groups kh kw, of gx up to K/groups kh kw, of gw N oh ow.

#include "common.cuh"

extern "C" __global__ void conv2d(const real* x, const real* w, real* y, int N, int C, int H, int W, int K, int kh,
                                  int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh, int dw, int groups) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= N * K * oh * ow) return;
  const int j = cell % ow, i = cell / ow % oh, k = cell / ow / oh % K, n = cell / ow / oh / K;
  const int Cg = C / groups, first = k / (K / groups) * Cg;
  real sum = 0;
  for (int c = 0; c < Cg; c++)
    for (int u = 0; u < kh; u++)
      for (int v = 0; v < kw; v++) {
        const int a = i * sh - ph + u * dh, b = j * sw - pw + v * dw;
        if (0 <= a && a < H && 0 <= b && b < W)
          sum += w[((k * Cg + c) * kh + u) * kw + v] * x[((n * C + first + c) * H + a) * W + b];
      }
  y[cell] = sum;
}

// The cells of g that meet (a, b): those with i * sh = a + ph - u * dh and j * sw = b + pw - v * dw.
extern "C" __global__ void conv_transpose2d(const real* g, const real* w, real* gx, int N, int C, int H, int W, int K,
                                            int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh,
                                            int dw, int groups) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= N * C * H * W) return;
  const int b = cell % W, a = cell / W % H, c = cell / W / H % C, n = cell / W / H / C;
  const int Cg = C / groups, Kg = K / groups, first = c / Cg * Kg;
  real sum = 0;
  for (int k = first; k < first + Kg; k++)
    for (int u = 0; u < kh; u++)
      for (int v = 0; v < kw; v++) {
        const int down = a + ph - u * dh, right = b + pw - v * dw, i = down / sh, j = right / sw;
        if (down >= 0 && down % sh == 0 && i < oh && right >= 0 && right % sw == 0 && j < ow)
          sum += w[((k * Cg + c % Cg) * kh + u) * kw + v] * g[((n * K + k) * oh + i) * ow + j];
      }
  gx[cell] = sum;
}

extern "C" __global__ void conv2d_weight_grad(const real* x, const real* g, real* gw, int N, int C, int H, int W, int K,
                                              int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh,
                                              int dw, int groups) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x, Cg = C / groups;
  if (cell >= K * Cg * kh * kw) return;
  const int v = cell % kw, u = cell / kw % kh, c = cell / kw / kh % Cg, k = cell / kw / kh / Cg;
  const int channel = k / (K / groups) * Cg + c;
  real sum = 0;
  for (int n = 0; n < N; n++)
    for (int i = 0; i < oh; i++)
      for (int j = 0; j < ow; j++) {
        const int a = i * sh - ph + u * dh, b = j * sw - pw + v * dw;
        if (0 <= a && a < H && 0 <= b && b < W)
          sum += g[((n * K + k) * oh + i) * ow + j] * x[((n * C + channel) * H + a) * W + b];
      }
  gw[cell] = sum;
}
