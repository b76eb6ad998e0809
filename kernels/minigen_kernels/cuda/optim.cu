// Optimizer updates, one step in place. Read beside ../reference/optim.py; ../cpu/optim.py takes the same steps.
//
// Thread mapping: up to MOST_ARRAYS parameters in one launch, by chunks (together.cuh); in a chunk one element and its
// state per thread and turn. Nothing is shared, and each array is read and written once. The scalars arrive rounded to
// real: a double among them would turn the whole formula into double arithmetic.
//
// What changes from step to step may also come from memory: if `scalars_or_null` is given, it is read in place of the
// first scalars, those that stand before it. So a launch that was recorded (a CUDA graph) can be repeated for the next
// step, after that step's numbers were written there. They are doubles, rounded here: the same bits.
//
// Memory traffic in bytes for a parameter, with B = sizeof(real):
//   sgd_update       reads 2 B, writes B; with momentum reads 3 B, writes 2 B
//   rmsprop_update   reads 3 B, writes 2 B; with momentum reads 4 B, writes 3 B
//   adam_update      reads 4 B, writes 3 B
//   clip_norm        reads 2 B, writes B

#include "common.cuh"
#include "together.cuh"

extern "C" __global__ void sgd_kernel(const Arrays p, const Arrays g, const Chunks chunks, real lr,
                                      const double* __restrict__ scalars_or_null, real weight_decay) {
  if (scalars_or_null) lr = real(scalars_or_null[0]);
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ pk = p.at[span.k];
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      pk[i] -= lr * (gk[i] + weight_decay * pk[i]);
    }
  }
}

// The step is lr * (own * g + kept * buffer): own = 0 and kept = 1, or with Nesterov own = 1 and kept = momentum.
extern "C" __global__ void sgd_momentum_kernel(const Arrays p, const Arrays g, const Arrays buffer,
                                               const Chunks chunks, real lr,
                                               const double* __restrict__ scalars_or_null, real momentum, real own,
                                               real kept, real weight_decay) {
  if (scalars_or_null) lr = real(scalars_or_null[0]);
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ pk = p.at[span.k];
    real* __restrict__ bk = buffer.at[span.k];
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      real gi = gk[i] + weight_decay * pk[i];
      real bi = momentum * bk[i] + gi;
      bk[i] = bi;
      pk[i] -= lr * (own * gi + kept * bi);
    }
  }
}

// rest = 1 - alpha, taken before alpha was rounded.
extern "C" __global__ void rmsprop_kernel(const Arrays p, const Arrays g, const Arrays square_avg, const Chunks chunks,
                                          real lr, const double* __restrict__ scalars_or_null, real alpha, real rest,
                                          real eps, real weight_decay) {
  if (scalars_or_null) lr = real(scalars_or_null[0]);
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ pk = p.at[span.k];
    real* __restrict__ sk = square_avg.at[span.k];
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      real gi = gk[i] + weight_decay * pk[i];
      real si = alpha * sk[i] + rest * (gi * gi);
      sk[i] = si;
      pk[i] -= lr * gi / (sqrt(si) + eps);
    }
  }
}

extern "C" __global__ void rmsprop_momentum_kernel(const Arrays p, const Arrays g, const Arrays square_avg,
                                                   const Arrays buffer, const Chunks chunks, real lr,
                                                   const double* __restrict__ scalars_or_null, real alpha, real rest,
                                                   real eps, real momentum, real weight_decay) {
  if (scalars_or_null) lr = real(scalars_or_null[0]);
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ pk = p.at[span.k];
    real* __restrict__ sk = square_avg.at[span.k];
    real* __restrict__ bk = buffer.at[span.k];
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      real gi = gk[i] + weight_decay * pk[i];
      real si = alpha * sk[i] + rest * (gi * gi);
      sk[i] = si;
      real bi = momentum * bk[i] + gi / (sqrt(si) + eps);
      bk[i] = bi;
      pk[i] -= lr * bi;
    }
  }
}

// step_size = lr / (1 - beta1^step) and root_scale = 1 / sqrt(1 - beta2^step) undo the bias of m and v; decoupled decay
// shrinks p by the factor `shrink`, coupled decay adds `decay` * p to the gradient.
extern "C" __global__ void adam_kernel(const Arrays p, const Arrays g, const Arrays m, const Arrays v,
                                       const Chunks chunks, real step_size, real root_scale, real shrink,
                                       const double* __restrict__ scalars_or_null, real beta1, real rest1, real beta2,
                                       real rest2, real eps, real decay) {
  if (scalars_or_null) {
    step_size = real(scalars_or_null[0]);
    root_scale = real(scalars_or_null[1]);
    shrink = real(scalars_or_null[2]);
  }
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ pk = p.at[span.k];
    real* __restrict__ mk = m.at[span.k];
    real* __restrict__ vk = v.at[span.k];
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) {
      real gi = gk[i] + decay * pk[i];
      real mi = beta1 * mk[i] + rest1 * gi;
      real vi = beta2 * vk[i] + rest2 * (gi * gi);
      mk[i] = mi;
      vk[i] = vi;
      pk[i] = shrink * pk[i] - step_size * mi / (sqrt(vi) * root_scale + eps);
    }
  }
}

// The sum of the squares that each block has seen, in double.
extern "C" __global__ void square_sums_kernel(const Arrays g, const Chunks chunks, double* __restrict__ sums) {
  double sum = 0;
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    const real* __restrict__ gk = g.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) sum += (double)gk[i] * gk[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block. The norm, and the factor min(1, limit / (norm + 1e-6)), which is NaN where the norm is.
extern "C" __global__ void norm_kernel(const double* __restrict__ sums, int n, real limit, real* __restrict__ norm,
                                       real* __restrict__ factor) {
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    const real root = sqrt(sum), least = limit / (root + real(1e-6));
    norm[0] = root;
    factor[0] = least >= 1 ? real(1) : least;
  }
}

extern "C" __global__ void scale_kernel(const Arrays y, const Arrays x, const Chunks chunks,
                                        const real* __restrict__ factor) {
  for (int chunk = blockIdx.x; chunk < chunks_of_all(chunks); chunk += gridDim.x) {
    const Span span = span_of(chunks, chunk);
    real* __restrict__ yk = y.at[span.k];
    const real* __restrict__ xk = x.at[span.k];
    for (long long i = span.start + threadIdx.x; i < span.stop; i += blockDim.x) yk[i] = xk[i] * factor[0];
  }
}
