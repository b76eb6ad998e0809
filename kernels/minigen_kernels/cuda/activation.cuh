// Activations, their gradients told from their results, and the sums of a bias's gradient. Read beside
// ../reference/activation.py, after common.cuh.

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

// gb (C,): the sum over each channel of f(n, c, l), for an array (N, C, L) of `places` = N * L numbers a channel.
//
// A block has `width` channels: 1, or 32 where L is 1, since then channels are what lies side by side in memory. It
// takes `chunk` places of them, each thread some of one channel. It adds up the threads, and the last block to come
// adds up the chunks: in double, and always in the same order. Grid (C / width, chunks), one-dimensional blocks of a
// power of 2; parts (chunks, C), a counter for each blockIdx.x.
template <class F>
static __device__ __forceinline__ void channel_sums(F f, double* parts, unsigned int* counters, real* gb, int C, int L,
                                                    long long places, long long chunk, int width) {
  __shared__ double of_thread[1024];
  const int me = threadIdx.x, threads = blockDim.x, lane = me / width, lanes = threads / width;
  const long long c = (long long)blockIdx.x * width + me % width;
  auto over_lanes = [&](double sum) {  // lane l adds l + lanes / 2, then l + lanes / 4, ...: lane 0 has the sum
    of_thread[me] = sum;
    __syncthreads();
    for (int half = threads / 2; half >= width; half /= 2) {
      if (me < half) of_thread[me] += of_thread[me + half];
      __syncthreads();
    }
    return of_thread[me];
  };
  double sum = 0;
  if (c < C) {
    const long long first = blockIdx.y * chunk + lane, end = min(blockIdx.y * chunk + chunk, places);
    long long n = first / L;
    int l = (int)(first % L);
    for (long long i = first; i < end; i += lanes) {
      sum += f(n, c, l);
      n += lanes / L;
      l += lanes % L;
      if (l >= L) l -= L, n++;
    }
  }
  sum = over_lanes(sum);
  if (gridDim.y > 1) {
    if (lane == 0 && c < C) parts[blockIdx.y * (long long)C + c] = sum;
    if (!last_to_come(&counters[blockIdx.x], gridDim.y)) return;
    sum = 0;
    if (c < C)
      for (int part = lane; part < (int)gridDim.y; part += lanes) sum += parts[part * (long long)C + c];
    sum = over_lanes(sum);
  }
  if (lane == 0 && c < C) gb[c] = (real)sum;
}
