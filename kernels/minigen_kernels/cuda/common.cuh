// What every .cu file shares: the type `real`, indices of a grid-stride loop, and sums in a fixed order.
//
// A file is compiled twice, with -DREAL=float and with -DREAL=double. The launcher pastes this text where a file
// includes it (source.py says why).
//
// Determinism: a sum over threads takes the same tree every time, so its bits depend on the number of threads in the
// block alone, which the wrapper sets to a constant. A sum over blocks is taken by the block that comes last, whichever
// that is, in the order of the blocks. Atomics count blocks, and add up nothing.

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

constexpr int WARP = 32;
constexpr unsigned int ALL_LANES = 0xffffffffu;

// for (long long i = first_index(); i < n; i += all_threads()): thread by thread over n items, in 64 bits. Neighbouring
// threads take neighbouring items, so that a warp reads and writes whole lines of memory.
__device__ __forceinline__ long long first_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long all_threads() { return (long long)gridDim.x * blockDim.x; }

// exp(x) - 1 - x. Near 0 it is summed up as x^2 / 2! + x^3 / 3! + ..., from the end; elsewhere a finite x is never
// expm1(x), so equals are both infinite.
static __device__ __forceinline__ real exp_excess(real x) {
  if (fabs(x) < 1) {
    real tail = 1;
    for (int k = sizeof(real) == 4 ? 10 : 19; k > 2; k--) tail = tail * x / k + 1;
    return x * x / 2 * tail;
  }
  const real above = expm1(x);
  return above == x ? above : above - x;
}

// The element x where x > 0, else slope * x: for slope 0 exactly 0, but a NaN stays one. For slope 1 it is x.
static __device__ __forceinline__ real leaky_relu(real x, real slope) {
  return x > real(0) ? x : (slope == real(0) ? (x == x ? real(0) : x) : slope * x);
}

// Its gradient, from that of the result, g, and from x; or from the result in the place of x, where slope is not below 0.
static __device__ __forceinline__ real leaky_relu_gradient(real g, real x, real slope) {
  return x > real(0) ? g : (slope == real(0) ? real(0) : slope * g);
}

// The sum over the 32 lanes of a warp, in every lane. Lane l adds its partner l ^ 16, then l ^ 8, ...: a + b and b + a
// are the same bits, so all lanes end with the same ones. All 32 lanes must take part.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
  return value;
}

// The sum over all threads of a block, in every thread: first inside each warp, then over the warps' sums. The block
// is one-dimensional, a multiple of 32 threads, and all of them must take part.
template <typename T>
static __device__ __forceinline__ T block_sum(T value) {
  __shared__ T of_warp[WARP];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  value = warp_sum(value);
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  value = lane < (int)(blockDim.x / WARP) ? of_warp[lane] : T(0);
  value = warp_sum(value);
  __syncthreads();  // of_warp may be written again by the next call
  return value;
}

// Whether this is the last of `blocks` blocks to come here. If so, it sees what the others wrote before they came. All
// threads of the block must take part. The counter is 0 before and after: see `counters` in launch.py.
static __device__ __forceinline__ bool last_to_come(unsigned int* counter, unsigned int blocks) {
  __shared__ bool last;
  __syncthreads();  // all of this block have written
  if (threadIdx.x == 0) {
    __threadfence();  // what they wrote is seen before the count
    last = atomicAdd(counter, 1u) == blocks - 1;
    if (last) *counter = 0;
    __threadfence();  // and what others wrote is read after it
  }
  __syncthreads();
  return last;
}

// out[0] = what all threads of all blocks have added up, times scale.
static __device__ void finish(double sum, double* partial, unsigned int* counter, real* out, double scale) {
  sum = block_sum(sum);
  if (gridDim.x > 1) {
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
    if (!last_to_come(counter, gridDim.x)) return;
    sum = 0;
    for (int i = threadIdx.x; i < (int)gridDim.x; i += blockDim.x) sum += partial[i];
    sum = block_sum(sum);
  }
  if (threadIdx.x == 0) out[0] = (real)(sum * scale);
}
