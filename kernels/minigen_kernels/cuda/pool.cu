// Max and average pooling and their adjoints. Read beside ../reference/pool.py.
//
// Thread mapping: one thread owns one cell of the array that is written, and gathers what belongs there; neighbouring
// threads own neighbouring cells, so what is written is coalesced. One kernel differs: plane_scatter_any gives a whole
// plane to a warp.
//
// Memory traffic in bytes, with B = sizeof(real) and k = the cells of a window; what overlapping windows read twice
// comes from a cache:
//   max_pool2d            result: reads up to k B, writes B + 8
//   bias_act_max_pool2d   the same; its backward: reads 8 for each window over a cell and 2 B for each that names it,
//                         writes B
//   plane_gather          result: reads 8 + B, writes B
//   plane_scatter_window  cell:   reads 8 for each window over it and B for each that names it, writes B
//   plane_scatter_any     result: reads 8 + 2 B, writes B; cell: writes B
//   avg_pool2d            result: reads up to k B, writes B
//   avg_pool2d_adjoint    cell:   reads B for each window over it, writes B

#include "common.cuh"
#include "activation.cuh"

// The results whose windows cover a cell, along one axis: first, ..., last - 1. The window of result i begins with
// cell i * stride - padding and is `kernel` long.
__device__ int first_window(int cell, int kernel, int stride, int padding) {
  int beyond = cell + padding - kernel;  // a window that begins here, or before, does not reach the cell
  return beyond < 0 ? 0 : beyond / stride + 1;
}

__device__ int last_window(int cell, int stride, int padding, int results) {
  return min((cell + padding) / stride + 1, results);
}

// How many cells along one axis the mean of a window counts.
__device__ int counted(int result, int size, int kernel, int stride, int padding, bool count_include_pad) {
  int begin = result * stride - padding;
  int low = count_include_pad ? -padding : 0, high = count_include_pad ? size + padding : size;
  return min(begin + kernel, high) - max(begin, low);
}

// y = the largest cell of each window, index = its place in the plane; planes of H * W cells and oh * ow results. A cell
// is what `cell(plane, place)` reads.
template <class Cell>
__device__ __forceinline__ void largest_cells(Cell cell, real* __restrict__ y, long long* __restrict__ index,
                                              long long planes, int H, int W, int oh, int ow, int kh, int kw, int sh,
                                              int sw, int ph, int pw) {
  long long n = planes * oh * ow;
  for (long long r = first_index(); r < n; r += all_threads()) {
    int j = (int)(r % ow), i = (int)(r / ow % oh);
    long long plane = r / ow / oh;
    int top = max(i * sh - ph, 0), bottom = min(i * sh - ph + kh, H);
    int left = max(j * sw - pw, 0), right = min(j * sw - pw + kw, W);
    long long place = (long long)top * W + left;  // stays for a window of nothing but -inf
    real best = cell(plane, place);
    for (int u = top; u < bottom; u++)
      for (int v = left; v < right; v++) {
        long long at = (long long)u * W + v;
        real here = cell(plane, at);
        if (here > best || (here != here && best == best)) {  // NaN counts as the largest
          best = here;
          place = at;
        }
      }
    y[r] = best;
    index[r] = place;
  }
}

extern "C" __global__ void max_pool2d_kernel(const real* __restrict__ x, real* __restrict__ y,
                                             long long* __restrict__ index, long long planes, int H, int W, int oh,
                                             int ow, int kh, int kw, int sh, int sw, int ph, int pw) {
  largest_cells([&](long long plane, long long place) { return x[plane * H * W + place]; }, y, index, planes, H, W, oh,
                ow, kh, kw, sh, sw, ph, pw);
}

// The same of activation(x + b); C channels.
extern "C" __global__ void bias_act_max_pool2d_kernel(const real* __restrict__ x, const real* __restrict__ b,
                                                      real* __restrict__ y, long long* __restrict__ index,
                                                      int activation, real slope, int C, long long planes, int H,
                                                      int W, int oh, int ow, int kh, int kw, int sh, int sw, int ph,
                                                      int pw) {
  largest_cells(
      [&](long long plane, long long place) {
        return activate(x[plane * H * W + place] + b[plane % C], activation, slope);
      },
      y, index, planes, H, W, oh, ow, kh, kw, sh, sw, ph, pw);
}

// y[plane, r] = x[plane, index[plane, r]]. A place outside of the plane, which no pooling makes, gives NaN.
extern "C" __global__ void plane_gather_kernel(const real* __restrict__ x, const long long* __restrict__ index,
                                               real* __restrict__ y, long long planes, long long cells,
                                               long long results) {
  long long n = planes * results;
  for (long long r = first_index(); r < n; r += all_threads()) {
    long long at = index[r];
    y[r] = at >= 0 && at < cells ? x[r / results * cells + at] : (real)nan("");
  }
}

// The sum of g(r) over the results r of a plane whose index names the cell (u, v), where index comes from max_pool2d with
// this geometry: the cell asks the windows over it, in row-major order.
template <class G>
__device__ __forceinline__ real gathered(G g, const long long* __restrict__ index, long long plane, int u, int v, int W,
                                         int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw) {
  long long first_result = plane * oh * ow, place = (long long)u * W + v;
  int j0 = first_window(v, kw, sw, pw), j1 = last_window(v, sw, pw, ow);
  int i0 = first_window(u, kh, sh, ph), i1 = last_window(u, sh, ph, oh);
  real sum = 0;
  for (int i = i0; i < i1; i++)
    for (int j = j0; j < j1; j++) {
      long long r = first_result + (long long)i * ow + j;
      if (index[r] == place) sum += g(r);
    }
  return sum;
}

// gx[plane, cell] = sum of the g[plane, r] with index[plane, r] == cell.
extern "C" __global__ void plane_scatter_window_kernel(const real* __restrict__ g, const long long* __restrict__ index,
                                                       real* __restrict__ gx, long long planes, int H, int W, int oh,
                                                       int ow, int kh, int kw, int sh, int sw, int ph, int pw) {
  long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads())
    gx[cell] = gathered([&](long long r) { return g[r]; }, index, cell / W / H, (int)(cell / W % H), (int)(cell % W), W,
                        oh, ow, kh, kw, sh, sw, ph, pw);
}

// The same of the gradients of the activation whose largest results are y; gb = the sum over each channel.
extern "C" __global__ void bias_act_max_pool2d_backward_kernel(
    const real* __restrict__ gy, const real* __restrict__ y, const long long* __restrict__ index,
    real* __restrict__ gx, double* parts, unsigned int* counters, real* __restrict__ gb, int activation, real slope,
    int W, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int C, int L, long long places,
    long long chunk, int width) {
  channel_sums(
      [&](long long n, long long c, int l) {
        const long long plane = n * C + c;
        return gx[plane * L + l] =
                   gathered([&](long long r) { return gradient(gy[r], y[r], activation, slope); }, index, plane, l / W,
                            l % W, W, oh, ow, kh, kw, sh, sw, ph, pw);
      },
      parts, counters, gb, C, L, places, chunk, width);
}

// The same for any index, in the order of the results. A warp owns a plane and takes 32 results at a time, one a lane.
// Each lane starts from the sum that its cell has so far, looks at all 32 and adds those that name its cell; the first
// lane of each cell writes. So a cell adds its results in row-major order, whatever the index, at the price of a warp
// that looks at 32 times as many results as it has; and there are only as many warps at work as there are planes.
// Places outside of the plane are left out.
extern "C" __global__ void plane_scatter_any_kernel(const real* __restrict__ g, const long long* __restrict__ index,
                                                    real* gx, long long planes, long long cells, long long results) {
  int lane = threadIdx.x % WARP;
  for (long long plane = first_index() / WARP; plane < planes; plane += all_threads() / WARP) {
    real* sums = gx + plane * cells;
    for (long long cell = lane; cell < cells; cell += WARP) sums[cell] = 0;
    __syncwarp();
    for (long long start = 0; start < results; start += WARP) {
      long long r = plane * results + start + lane;
      long long at = start + lane < results ? index[r] : -1;
      bool inside = at >= 0 && at < cells;
      real value = inside ? g[r] : (real)0, sum = inside ? sums[at] : (real)0;
      int first = WARP;  // of the lanes with this cell
      for (int other = 0; other < WARP; other++) {
        long long its_place = __shfl_sync(ALL_LANES, at, other);
        real its_value = __shfl_sync(ALL_LANES, value, other);
        if (its_place == at) {
          sum += its_value;
          first = min(first, other);
        }
      }
      if (inside && first == lane) sums[at] = sum;
      __syncwarp();  // the next 32 see these sums
    }
  }
}

// y = the mean of each window; its cells are added in row-major order.
extern "C" __global__ void avg_pool2d_kernel(const real* __restrict__ x, real* __restrict__ y, long long planes, int H,
                                             int W, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw,
                                             bool count_include_pad) {
  long long n = planes * oh * ow;
  for (long long r = first_index(); r < n; r += all_threads()) {
    int j = (int)(r % ow), i = (int)(r / ow % oh);
    const real* plane = x + r / ow / oh * H * W;
    int top = max(i * sh - ph, 0), bottom = min(i * sh - ph + kh, H);
    int left = max(j * sw - pw, 0), right = min(j * sw - pw + kw, W);
    real sum = 0;
    for (int u = top; u < bottom; u++)
      for (int v = left; v < right; v++) sum += plane[(long long)u * W + v];
    y[r] = sum / ((real)counted(i, H, kh, sh, ph, count_include_pad) * counted(j, W, kw, sw, pw, count_include_pad));
  }
}

// gx = for each cell, the sum of the shares that the windows over it give: the last window first, in which the cell
// stands at the first place, as in the reference.
extern "C" __global__ void avg_pool2d_adjoint_kernel(const real* __restrict__ g, real* __restrict__ gx,
                                                     long long planes, int H, int W, int oh, int ow, int kh, int kw,
                                                     int sh, int sw, int ph, int pw, bool count_include_pad) {
  long long n = planes * H * W;
  for (long long cell = first_index(); cell < n; cell += all_threads()) {
    int v = (int)(cell % W), u = (int)(cell / W % H);
    const real* results = g + cell / W / H * oh * ow;
    int j0 = first_window(v, kw, sw, pw), j1 = last_window(v, sw, pw, ow);
    int i0 = first_window(u, kh, sh, ph), i1 = last_window(u, sh, ph, oh);
    real sum = 0;
    for (int i = i1 - 1; i >= i0; i--) {
      real height = (real)counted(i, H, kh, sh, ph, count_include_pad);
      for (int j = j1 - 1; j >= j0; j--)
        sum += results[(long long)i * ow + j] / (height * counted(j, W, kw, sw, pw, count_include_pad));
    }
    gx[cell] = sum;
  }
}
