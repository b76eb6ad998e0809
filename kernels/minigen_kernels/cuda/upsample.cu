// Enlarging images by whole factors, nearest and bilinear, and the two adjoints. Read beside ../reference/upsample.py.
//
// Thread mapping: one thread owns one cell of the array that is written and gathers what belongs there; neighbouring
// threads own neighbouring cells. Planes of H * W cells on the small side, H * fh rows of W * fw on the large one.
//
// Memory traffic in bytes for a cell that is written, with B = sizeof(real); cells read twice come from a cache:
//   upsample_nearest2d            reads B / (fh fw), writes B
//   block_sum2d                   reads B fh fw, writes B
//   bias_act_upsample_backward    reads B fh fw and B, writes B
//   upsample_bilinear2d           reads B / (fh fw), each cell 4 fh fw times; writes B
//   upsample_bilinear2d_adjoint   reads B fh fw, each cell up to 4 times; writes B

#include "common.cuh"
#include "activation.cuh"

extern "C" __global__ void upsample_nearest2d_kernel(const real* __restrict__ x, real* __restrict__ y, long long planes,
                                                     int H, int W, int fh, int fw) {
  int ow = W * fw;
  long long n = planes * H * fh * ow;
  for (long long r = first_index(); r < n; r += all_threads())
    y[r] = x[r / ow / fh * W + (int)(r % ow) / fw];  // row r / ow of all planes, divided by fh: the row of x
}

// The sum of a block of fh x fw cells, in lines of `line` cells.
__device__ __forceinline__ real block_sum_of(const real* __restrict__ block, int line, int fh, int fw) {
  real sum = 0;
  for (int u = 0; u < fh; u++)
    for (int v = 0; v < fw; v++) sum += block[(long long)u * line + v];
  return sum;
}

extern "C" __global__ void block_sum2d_kernel(const real* __restrict__ g, real* __restrict__ gx, long long planes,
                                              int H, int W, int fh, int fw) {
  long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads()) {
    gx[cell] = block_sum_of(g + (cell / W * fh * W + cell % W) * fw, W * fw, fh, fw);
  }
}

// gx = the gradient of the activation whose result y was enlarged; gb = its sum over each channel.
extern "C" __global__ void bias_act_upsample_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                             real* __restrict__ gx, double* parts,
                                                             unsigned int* counters, real* __restrict__ gb,
                                                             int activation, real slope, int W, int fh, int fw, int C,
                                                             int L, long long places, long long chunk, int width) {
  channel_sums(
      [&](long long n, long long c, int l) {
        const long long plane = n * C + c, at = plane * L + l;
        const real sum = block_sum_of(gy + (plane * L * fh + (long long)(l / W) * fh * W + l % W) * fw, W * fw, fh, fw);
        return gx[at] = gradient(sum, y[at], activation, slope);
      },
      parts, counters, gb, C, L, places, chunk, width);
}

// Along one axis, the centre of result i is (2 i + 1) / (2 f) - 1/2 = m / (2 f) cells from the centre of cell 0, with
// the integer m = 2 i + 1 - f: between the cells a = m / (2 f), rounded down, and a + 1, which has the weight
// (m % (2 f)) / (2 f). Before the first and behind the last centre, m is clamped: the edge cell has the weight 1.
__device__ int clamped_centre(int i, int size, int f) { return min(max(2 * i + 1 - f, 0), 2 * f * (size - 1)); }

extern "C" __global__ void upsample_bilinear2d_kernel(const real* __restrict__ x, real* __restrict__ y,
                                                      long long planes, int H, int W, int fh, int fw) {
  int oh = H * fh, ow = W * fw;
  long long n = planes * oh * ow;
  for (long long r = first_index(); r < n; r += all_threads()) {
    int mh = clamped_centre((int)(r / ow % oh), H, fh), mw = clamped_centre((int)(r % ow), W, fw);
    int u = mh / (2 * fh), v = mw / (2 * fw);
    real below = (real)(mh % (2 * fh)) / (2 * fh), right = (real)(mw % (2 * fw)) / (2 * fw);
    const real* row = x + (r / ow / oh * H + u) * W;
    const real* next = x + (r / ow / oh * H + min(u + 1, H - 1)) * W;
    int v1 = min(v + 1, W - 1);
    real upper = (1 - right) * row[v] + right * row[v1], lower = (1 - right) * next[v] + right * next[v1];
    y[r] = (1 - below) * upper + below * lower;
  }
}

// The results that cell a takes part in along one axis, first to last - 1: those with |m - 2 f a| < 2 f, and at an edge
// also all that were clamped to it.
__device__ int first_result(int a, int f) { return a == 0 ? 0 : ((2 * a - 1) * f + 1) / 2; }
__device__ int last_result(int a, int size, int f) { return a == size - 1 ? size * f : ((2 * a + 3) * f) / 2; }

// 2 f times the weight of cell a in result i.
__device__ int tent(int i, int a, int size, int f) { return 2 * f - abs(clamped_centre(i, size, f) - 2 * f * a); }

extern "C" __global__ void upsample_bilinear2d_adjoint_kernel(const real* __restrict__ g, real* __restrict__ gx,
                                                              long long planes, int H, int W, int fh, int fw) {
  int oh = H * fh, ow = W * fw;
  real unit_h = (real)1 / (2 * fh), unit_w = (real)1 / (2 * fw);
  long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads()) {
    int v = (int)(cell % W), u = (int)(cell / W % H);
    const real* plane = g + cell / W / H * oh * ow;
    int j0 = first_result(v, fw), j1 = last_result(v, W, fw);
    real sum = 0;
    for (int i = first_result(u, fh); i < last_result(u, H, fh); i++) {
      real line = 0;
      for (int j = j0; j < j1; j++) line += tent(j, v, W, fw) * unit_w * plane[(long long)i * ow + j];
      sum += tent(i, u, H, fh) * unit_h * line;
    }
    gx[cell] = sum;
  }
}
