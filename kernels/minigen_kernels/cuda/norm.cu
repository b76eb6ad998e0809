// Batch norm and layer norm, forward and backward. Read beside ../reference/norm.py.
//
// All sums are taken in double, so that float data with a large mean keep their variance, and in a fixed order: each
// thread adds its own values, then block_sum adds up the block. Variances are taken around a mean, never as
// E[x^2] - E[x]^2. What is done to each value on the way out is done in real.
//
// Batch norm, x (N, C, L): a channel has M = N * L values, in runs of L; value k is x[k / L, c, k % L]. Grid (C, chunks),
// a block has `chunk` values. Where one block has all of a channel, one launch does it. A long channel is cut, so that few
// channels still fill a device: a first kernel leaves two sums per chunk, the second adds these up (each block for
// itself, in the same order) and writes. The leaky ReLU that may follow (slope 1: none) costs no pass of its own; on the
// way back the sign of its argument is that of y.
// Layer norm, x (R, D): a block has one row. The sums over rows for gw and gb: a thread has a column, a block COLUMNS
// of them and a chunk of rows; a last kernel adds up the chunks.
//
// Memory traffic in bytes for a value of x, with B = sizeof(real); a chunk or a row that is read again comes from the
// cache (16 kB of a chunk in float):
//   batch_norm_statistics        reads B          batch_norm            reads B, writes B
//   batch_norm_backward_sums     reads 3 B        batch_norm_backward   reads 3 B, writes B (2 B without leaky ReLU)
//   group_norm                   reads B, writes B
//   group_norm_backward          reads 2 B, writes B
//   group_norm_backward_sums     reads 3 B, and 16 for each chunk and channel
// With L = 1 (after a dense layer) the values of a channel are C apart: a block uses B of the 32 bytes that each read
// moves, and the blocks of the neighbouring channels take the rest from the cache.

#include "common.cuh"
#include "activation.cuh"

// Walks over a thread's values of a chunk of a channel, in steps of the block, without a division for each.
struct Walk {
  long long at;    // place in x
  long long left;  // values of the chunk from here on, the skipped ones included
  long long row_step, line;
  int column, column_step, length;

  // Chunk blockIdx.y of channel blockIdx.x.
  __device__ Walk(long long M, int C, int L, int chunk) {
    long long first = (long long)blockIdx.y * chunk;
    long long k = first + threadIdx.x;
    left = min((long long)chunk, M - first) - threadIdx.x;
    line = (long long)C * L;
    row_step = blockDim.x / L * line;
    column_step = blockDim.x % L;
    column = (int)(k % L);
    length = L;
    at = k / L * line + (long long)blockIdx.x * L + column;
  }
  __device__ bool more() const { return left > 0; }
  __device__ void next() {
    left -= blockDim.x;
    at += row_step + column_step;
    column += column_step;
    if (column >= length) {
      column -= length;
      at += line - length;
    }
  }
};

// The sum of one value of each chunk of a channel, for every thread of the block.
__device__ double chunk_sum(const double* values, int chunks) {
  double sum = 0;
  for (int i = threadIdx.x; i < chunks; i += blockDim.x) sum += values[i];
  return block_sum(sum);
}

// The mean of a chunk, and the sum of squares around it, in every thread of its block.
struct Spread {
  double mean, squares;
};

__device__ Spread spread_of_chunk(const real* x, long long M, int C, int L, int chunk) {
  double sum = 0, squares = 0;
  for (Walk walk(M, C, L, chunk); walk.more(); walk.next()) sum += x[walk.at];
  const double mean = block_sum(sum) / min((long long)chunk, M - (long long)blockIdx.y * chunk);
  for (Walk walk(M, C, L, chunk); walk.more(); walk.next()) {
    const double d = x[walk.at] - mean;
    squares += d * d;
  }
  return {mean, block_sum(squares)};
}

// That of a whole channel from those of its chunks (Chan, Golub and LeVeque 1983).
__device__ Spread spread_of_channel(const double* means, const double* squares, int chunks, long long M, int chunk) {
  double weighted = 0, around = 0;
  for (int i = threadIdx.x; i < chunks; i += blockDim.x)
    weighted += means[i] * min((long long)chunk, M - (long long)i * chunk);
  const double mean = block_sum(weighted) / M;
  for (int i = threadIdx.x; i < chunks; i += blockDim.x) {
    const double d = means[i] - mean;
    around += d * d * min((long long)chunk, M - (long long)i * chunk);
  }
  return {mean, block_sum(around) + chunk_sum(squares, chunks)};
}

// For channels of several chunks: means and squares (C, chunks).
extern "C" __global__ void batch_norm_statistics_kernel(const real* __restrict__ x, double* __restrict__ means,
                                                        double* __restrict__ squares, long long M, int C, int L,
                                                        int chunk) {
  const Spread own = spread_of_chunk(x, M, C, L, chunk);
  if (threadIdx.x == 0) {
    means[(long long)blockIdx.x * gridDim.y + blockIdx.y] = own.mean;
    squares[(long long)blockIdx.x * gridDim.y + blockIdx.y] = own.squares;
  }
}

// y, and the statistics (C,), which for channels of one chunk it computes itself. The running ones keep the share `keep`
// and get `momentum` of the mean and `unbiased` of the variance.
extern "C" __global__ void batch_norm_kernel(const real* __restrict__ x, const real* __restrict__ w,
                                             const real* __restrict__ b, const real* __restrict__ running_mean,
                                             const real* __restrict__ running_var, const double* __restrict__ means,
                                             const double* __restrict__ squares, real* __restrict__ y,
                                             real* __restrict__ mean, real* __restrict__ var,
                                             real* __restrict__ new_mean, real* __restrict__ new_var, long long M,
                                             int C, int L, int chunk, double eps, real keep, real momentum,
                                             real unbiased, real slope) {
  const int c = blockIdx.x, chunks = gridDim.y;
  const long long first = (long long)c * chunks;
  const Spread all = chunks == 1 ? spread_of_chunk(x, M, C, L, chunk)
                                 : spread_of_channel(means + first, squares + first, chunks, M, chunk);
  const double exact_var = all.squares / M, exact_scale = w[c] / sqrt(exact_var + eps);
  // Subtracting the mean rounded to real makes no error where the mean is large; what the rounding cut off is in shift.
  const real near = (real)all.mean, scale = (real)exact_scale, shift = (real)(b[c] - (all.mean - near) * exact_scale);
  for (Walk walk(M, C, L, chunk); walk.more(); walk.next())
    y[walk.at] = leaky_relu((x[walk.at] - near) * scale + shift, slope);
  if (blockIdx.y == 0 && threadIdx.x == 0) {
    mean[c] = near;
    var[c] = (real)exact_var;
    new_mean[c] = running_mean[c] * keep + near * momentum;
    new_var[c] = running_var[c] * keep + (real)exact_var * unbiased;
  }
}

// The gradient of batch norm's own result, at one place. Without a leaky ReLU, y is not read.
__device__ real through(const real* gy, const real* y, long long at, real slope) {
  return slope == real(1) ? gy[at] : leaky_relu_gradient(gy[at], y[at], slope);
}

// The sums over a chunk of g and of g * (x - mean), in every thread of its block.
struct Sums {
  double g, product;
};

__device__ Sums sums_of_chunk(const real* gy, const real* y, const real* x, real near, long long M, int C, int L,
                              int chunk, real slope) {
  double sum = 0, product = 0;
  for (Walk walk(M, C, L, chunk); walk.more(); walk.next()) {
    const real g = through(gy, y, walk.at, slope);
    sum += g;
    product += g * (x[walk.at] - near);
  }
  sum = block_sum(sum);
  return {sum, block_sum(product)};
}

// For channels of several chunks: sums and products (C, chunks).
extern "C" __global__ void batch_norm_backward_sums_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                           const real* __restrict__ x, const real* __restrict__ mean,
                                                           double* __restrict__ sums, double* __restrict__ products,
                                                           long long M, int C, int L, int chunk, real slope) {
  const Sums own = sums_of_chunk(gy, y, x, mean[blockIdx.x], M, C, L, chunk, slope);
  if (threadIdx.x == 0) {
    sums[(long long)blockIdx.x * gridDim.y + blockIdx.y] = own.g;
    products[(long long)blockIdx.x * gridDim.y + blockIdx.y] = own.product;
  }
}

extern "C" __global__ void batch_norm_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                      const real* __restrict__ x, const real* __restrict__ w,
                                                      const real* __restrict__ mean, const real* __restrict__ var,
                                                      const double* __restrict__ sums,
                                                      const double* __restrict__ products, real* __restrict__ gx,
                                                      real* __restrict__ gw, real* __restrict__ gb, long long M, int C,
                                                      int L, int chunk, double eps, real slope) {
  const int c = blockIdx.x, chunks = gridDim.y;
  const long long first = (long long)c * chunks;
  const real near = mean[c];
  const Sums all = chunks == 1 ? sums_of_chunk(gy, y, x, near, M, C, L, chunk, slope)
                               : Sums{chunk_sum(sums + first, chunks), chunk_sum(products + first, chunks)};
  const double s = sqrt((double)var[c] + eps), exact_gw = all.product / s;
  const real scale = (real)(w[c] / s);
  const real inner = (real)(-w[c] * exact_gw / (s * s * M)), shift = (real)(-w[c] * all.g / (s * M));
  for (Walk walk(M, C, L, chunk); walk.more(); walk.next())
    gx[walk.at] = scale * through(gy, y, walk.at, slope) + inner * (x[walk.at] - near) + shift;
  if (blockIdx.y == 0 && threadIdx.x == 0) {
    gw[c] = (real)exact_gw;
    gb[c] = (real)all.g;
  }
}

// Rows (R, D): a row is a group of a sample, D = size * L for the `size` channels of a group; w and b (C,).
extern "C" __global__ void group_norm_kernel(const real* __restrict__ x, const real* __restrict__ w,
                                             const real* __restrict__ b, real* __restrict__ y, real* __restrict__ mean,
                                             real* __restrict__ var, long long R, int D, int groups, int size, int L,
                                             double eps) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    const real* row = x + r * D;
    const int first = (int)(r % groups) * size;
    double sum = 0, square = 0;
    for (int j = threadIdx.x; j < D; j += blockDim.x) sum += row[j];
    double exact_mean = block_sum(sum) / D;
    for (int j = threadIdx.x; j < D; j += blockDim.x) {
      double d = row[j] - exact_mean;
      square += d * d;
    }
    double exact_var = block_sum(square) / D, slope = 1 / sqrt(exact_var + eps);
    real near = (real)exact_mean, scale = (real)slope, shift = (real)((near - exact_mean) * slope);
    for (int j = threadIdx.x; j < D; j += blockDim.x) {
      const int c = first + j / L;
      y[r * D + j] = ((row[j] - near) * scale + shift) * w[c] + b[c];
    }
    if (threadIdx.x == 0) {
      mean[r] = near;
      var[r] = (real)exact_var;
    }
  }
}

// gx, and for the sums over channels scales = 1 / sqrt(var + eps), (R,).
extern "C" __global__ void group_norm_backward_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                      const real* __restrict__ w, const real* __restrict__ mean,
                                                      const real* __restrict__ var, real* __restrict__ gx,
                                                      real* __restrict__ scales, long long R, int D, int groups,
                                                      int size, int L, double eps) {
  for (long long r = blockIdx.x; r < R; r += gridDim.x) {
    real near = mean[r], scale = (real)(1 / sqrt((double)var[r] + eps));
    const int first = (int)(r % groups) * size;
    double sum = 0, product = 0;  // of gz and gz * z
    for (int j = threadIdx.x; j < D; j += blockDim.x) {
      real gz = gy[r * D + j] * w[first + j / L];
      sum += gz;
      product += gz * ((x[r * D + j] - near) * scale);
    }
    real shift = (real)(-block_sum(sum) / D), slope = (real)(-block_sum(product) / D);
    for (int j = threadIdx.x; j < D; j += blockDim.x) {
      real z = (x[r * D + j] - near) * scale;
      gx[r * D + j] = (gy[r * D + j] * w[first + j / L] + shift + slope * z) * scale;
    }
    if (threadIdx.x == 0) scales[r] = scale;
  }
}

// gw and gb: the sums of gy * z and of gy over each channel, as in activation.cuh.
extern "C" __global__ void group_norm_backward_sums_kernel(const real* __restrict__ gy, const real* __restrict__ x,
                                                           const real* __restrict__ mean,
                                                           const real* __restrict__ scales, real* __restrict__ gw,
                                                           real* __restrict__ gb, int groups, int size, double* parts,
                                                           unsigned int* counters, int C, int L, long long places,
                                                           long long chunk, int width) {
  channel_sums(
      [&](long long n, long long c, int l) {
        const long long at = (n * C + c) * L + l, r = n * groups + c / size;
        return gy[at] * ((x[at] - mean[r]) * scales[r]);
      },
      parts, counters, gw, C, L, places, chunk, width);
  channel_sums([&](long long n, long long c, int l) { return gy[(n * C + c) * L + l]; },
               parts + (long long)gridDim.y * C, counters + gridDim.x, gb, C, L, places, chunk, width);
}
