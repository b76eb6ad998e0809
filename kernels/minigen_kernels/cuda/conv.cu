// Convolution and its two adjoints. Read beside ../reference/conv.py.
// Shapes: x (N, C, H, W), w (K, C/groups, kh, kw), y or g (N, K, oh, ow).
//
// All three are one matrix product per group, whose second matrix is never built ("implicit GEMM"):
//
//     result[row, place] = sum over terms t of  matrix[row, t] * image[cell(t, place)]
//
//                     rows           places                      terms                  matrix   image
//     conv2d          k of K/groups  (n, i, j), cells of y       (c, u, v)              w        x
//     transposed      c of C/groups  (n, a, b), cells of gx      (k, u, v)              w        g
//     weight grad     k of K/groups  (c, u, v)                   (n, i, j)              g        x
//
// Which cell a term and a place meet in is a sum: each of them has an offset into the image (sample and channel) and a
// vertical and a horizontal position (struct Spot), and outside of the image there is zero. So one core serves all.
//
// The transposed one has a catch: with stride s, a cell of gx meets only each s-th offset of the kernel, and which ones
// depends on a mod s, b mod s. Blocks therefore work on one such *phase*: inside it, the offsets that count are met by
// every cell, nothing is multiplied with a zero in vain, and each cell of gx has one owner, which gathers.
//
// Thread mapping. `tile`: a block of 256 threads computes ROWS x PLACES results; terms pass through shared memory, 8 at
// a time, while the next 8 are on their way into registers; a thread keeps a small matrix of sums in registers.
// `direct`: one place per thread, 1 or 8 rows; for results or sums too narrow to fill a tile. blockIdx.x counts places,
// blockIdx.y rows, blockIdx.z groups and phases (or groups and parts of the sum).
//
// Memory traffic, with b bytes in a real. `tile`: a block reads b * terms * (ROWS + PLACES) bytes and writes
// b * ROWS * PLACES, so it reads b * (1/ROWS + 1/PLACES) / 2 bytes per operation (multiply or add), 0.05 for 64 x 128
// floats; neighbouring places share cells, so caches answer most of it. `direct`: b / (2 * rows) bytes per operation.
//
// What follows a convolution, bias and activation and an enlargement, is done before a result is written (struct End).
//
// Sums are taken in the order of the terms, parts of a long sum in the order of the parts: always the same bits. Zeros
// outside of an image are multiplied like any number: an infinite weight can make NaN where the reference has none.
//
// conv_spots.cuh has the rows, places and terms of the three, conv_tile.cuh the core; conv.py chooses the kernel.

#include "common.cuh"
#include "activation.cuh"
#include "conv_spots.cuh"
#include "conv_tile.cuh"

// x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow), and what struct End adds: b (K,), large (N, K, oh * fh,
// ow * fw). blockIdx.z is the group.
extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_wide(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y,
                const real* __restrict__ b, real* __restrict__ large, int activation, real slope, int fh, int fw,
                int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw,
                int dh, int dw, int groups) {
  tile<WIDE_ROWS, WIDE_PLACES, 8>(convolution(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), w, x, y,
                                  {b, activation, slope, large, fh, fw});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_flat(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y,
                const real* __restrict__ b, real* __restrict__ large, int activation, real slope, int fh, int fw,
                int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw,
                int dh, int dw, int groups) {
  tile<FLAT_ROWS, FLAT_PLACES, 4>(convolution(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), w, x, y,
                                  {b, activation, slope, large, fh, fw});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_direct8(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y,
                   const real* __restrict__ b, real* __restrict__ large, int activation, real slope, int fh, int fw,
                   int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw,
                   int dh, int dw, int groups) {
  direct<8>(convolution(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), w, x, y,
            {b, activation, slope, large, fh, fw});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_direct1(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y,
                   const real* __restrict__ b, real* __restrict__ large, int activation, real slope, int fh, int fw,
                   int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw,
                   int dh, int dw, int groups) {
  direct<1>(convolution(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), w, x, y,
            {b, activation, slope, large, fh, fw});
}

// g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W), and what struct End adds: b (C,).
// blockIdx.z = (group * sh + phase of a) * sw + phase of b; step_h = sh / gcd(sh, dh), step_w alike.
extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv_transpose2d_wide(const real* __restrict__ g, const real* __restrict__ w, real* __restrict__ gx,
                          const real* __restrict__ b, int activation, real slope, int N, int C, int H, int W, int K,
                          int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh, int dw, int groups,
                          int step_h, int step_w) {
  tile<WIDE_ROWS, WIDE_PLACES, 8>(transposed(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, step_h, step_w, groups),
                                  w, g, gx, {b, activation, slope, nullptr, 0, 0});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv_transpose2d_flat(const real* __restrict__ g, const real* __restrict__ w, real* __restrict__ gx,
                          const real* __restrict__ b, int activation, real slope, int N, int C, int H, int W, int K,
                          int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh, int dw, int groups,
                          int step_h, int step_w) {
  tile<FLAT_ROWS, FLAT_PLACES, 4>(transposed(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, step_h, step_w, groups),
                                  w, g, gx, {b, activation, slope, nullptr, 0, 0});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv_transpose2d_direct8(const real* __restrict__ g, const real* __restrict__ w, real* __restrict__ gx,
                             const real* __restrict__ b, int activation, real slope, int N, int C, int H, int W, int K,
                             int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh, int dw, int groups,
                             int step_h, int step_w) {
  direct<8>(transposed(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, step_h, step_w, groups),
            w, g, gx, {b, activation, slope, nullptr, 0, 0});
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv_transpose2d_direct1(const real* __restrict__ g, const real* __restrict__ w, real* __restrict__ gx,
                             const real* __restrict__ b, int activation, real slope, int N, int C, int H, int W, int K,
                             int kh, int kw, int oh, int ow, int sh, int sw, int ph, int pw, int dh, int dw, int groups,
                             int step_h, int step_w) {
  direct<1>(transposed(blockIdx.z, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, step_h, step_w, groups),
            w, g, gx, {b, activation, slope, nullptr, 0, 0});
}

// x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw), by way of parts (grid.z / groups, K, C/groups, kh, kw);
// with one part, parts and gw are the same array. A counter for each tile of each group.
extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_weight_grad_wide(const real* __restrict__ x, const real* __restrict__ g, real* parts, real* gw,
                            unsigned int* counters, int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow,
                            int sh, int sw, int ph, int pw, int dh, int dw, int groups, long long part_terms) {
  weight_grad_tile<WIDE_ROWS, GRAD_PLACES, 4>(
      weight_grad(blockIdx.z % groups, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), g, x, parts, gw,
      counters, blockIdx.z % groups, blockIdx.z / groups, gridDim.z / groups, part_terms);
}

extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_weight_grad_flat(const real* __restrict__ x, const real* __restrict__ g, real* parts, real* gw,
                            unsigned int* counters, int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow,
                            int sh, int sw, int ph, int pw, int dh, int dw, int groups, long long part_terms) {
  weight_grad_tile<FLAT_ROWS, GRAD_PLACES, 2>(
      weight_grad(blockIdx.z % groups, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups), g, x, parts, gw,
      counters, blockIdx.z % groups, blockIdx.z / groups, gridDim.z / groups, part_terms);
}

// One block per weight (blockIdx.x counts (k, c, u, v)), which reads its plane of g and of x once: for a few weights.
extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT)
    conv2d_weight_grad_direct(const real* __restrict__ x, const real* __restrict__ g, real* __restrict__ gw, int N,
                              int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw, int ph,
                              int pw, int dh, int dw, int groups) {
  const int places = C / groups * kh * kw, Kg = K / groups, k = blockIdx.x / places;
  const WeightGrad sum = weight_grad(k / Kg, N, C, H, W, K, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups);
  const Spot place = sum.place(blockIdx.x % places);
  real total = 0;
  for (long long t = threadIdx.x; t < sum.terms; t += BLOCK) {
    const Spot term = sum.term(t);
    if (inside(term, place, H, W)) total += g[sum.row_start(k % Kg) + term.weight] * x[cell_of(term, place, W)];
  }
  total = block_sum(total);
  if (threadIdx.x == 0) gw[blockIdx.x] = total;
}
