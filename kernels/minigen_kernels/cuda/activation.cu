// Bias and activation, and both of their gradients. Specification: ../reference/activation.py.
//
// x (N, C, L) is N rows of `columns` = C * L numbers. A block has COLUMNS columns, which are neighbours in memory, of
// `chunk` rows, of which its LANES lanes take every LANES-th; so a thread keeps to one column, and the division that
// tells the channel of a column is done once. Grid (columns / COLUMNS, chunks).
//
// On the way back each thread adds up its own gx, lane 0 adds up the lanes, and a last kernel, a block for each channel,
// adds up the columns and chunks of the channel: in double, and always in this order.
//
// Memory traffic for each number, with B = sizeof(real):
//     bias_act_kernel            reads B, writes B
//     bias_act_backward_kernel   reads 2 B, writes B, and 8 bytes for each column and chunk
//     bias_act_finish_kernel     reads these

#include "common.cuh"

constexpr int COLUMNS = 32;
constexpr int LANES = 8;

// The places of the activations in ACTIVATIONS of the reference.
constexpr int LEAKY_RELU = 1;
constexpr int SIGMOID = 2;
constexpr int TANH = 3;

static __device__ __forceinline__ real activate(real z, int activation, real slope) {
  if (activation == LEAKY_RELU) return z < real(0) ? (slope == real(0) ? real(0) : slope * z) : z;  // a NaN stays one
  if (activation == SIGMOID) {
    const real e = exp(z < real(0) ? z : -z);  // at most 1: never overflows
    return (z >= real(0) ? real(1) : e) / (real(1) + e);
  }
  return activation == TANH ? tanh(z) : z;
}

// The gradient of the argument from that of the result, g, and the result y.
static __device__ __forceinline__ real gradient(real g, real y, int activation, real slope) {
  if (activation == LEAKY_RELU) return y > real(0) ? g : (slope == real(0) ? real(0) : slope * g);
  if (activation == SIGMOID) return g * (y * (real(1) - y));
  return activation == TANH ? g * (real(1) - y * y) : g;
}

extern "C" __global__ void bias_act_kernel(const real* __restrict__ x, const real* __restrict__ b,
                                           real* __restrict__ y, int activation, real slope, long long N,
                                           long long columns, int L, long long chunk) {
  const long long j = (long long)blockIdx.x * COLUMNS + threadIdx.x;
  if (j >= columns) return;
  const real bias = b[j / L];
  const long long first = blockIdx.y * chunk, end = min(first + chunk, N);
  for (long long n = first + threadIdx.y; n < end; n += LANES)
    y[n * columns + j] = activate(x[n * columns + j] + bias, activation, slope);
}

// gx, and the sums over each chunk of rows: sums (chunks, columns).
extern "C" __global__ void bias_act_backward_kernel(const real* __restrict__ gy, const real* __restrict__ y,
                                                    real* __restrict__ gx, double* __restrict__ sums, int activation,
                                                    real slope, long long N, long long columns, long long chunk) {
  __shared__ double of_lane[LANES][COLUMNS];
  const long long j = (long long)blockIdx.x * COLUMNS + threadIdx.x;
  const long long first = blockIdx.y * chunk, end = min(first + chunk, N);
  double sum = 0;
  if (j < columns)
    for (long long n = first + threadIdx.y; n < end; n += LANES) {
      const real g = gradient(gy[n * columns + j], y[n * columns + j], activation, slope);
      gx[n * columns + j] = g;
      sum += g;
    }
  of_lane[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && j < columns) {
    for (int lane = 1; lane < LANES; lane++) sum += of_lane[lane][threadIdx.x];
    sums[blockIdx.y * columns + j] = sum;
  }
}

// gb: a block adds up all chunks and columns of its channel.
extern "C" __global__ void bias_act_finish_kernel(const double* __restrict__ sums, real* __restrict__ gb,
                                                  long long columns, int L, int chunks) {
  const double* own = sums + (long long)blockIdx.x * L;
  double sum = 0;
  for (long long i = threadIdx.x; i < (long long)chunks * L; i += blockDim.x) sum += own[i / L * columns + i % L];
  sum = block_sum(sum);
  if (threadIdx.x == 0) gb[blockIdx.x] = (real)sum;
}
