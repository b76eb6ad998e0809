// Optimizer updates, one step in place. Read beside ../reference/optim.py; ../cpu/optim.py takes the same steps.
//
// Thread mapping: a grid-stride loop, one parameter and its state per thread and turn; nothing is shared, and each
// array is read and written once. The scalars arrive rounded to real: a double among them would turn the whole formula
// into double arithmetic.
//
// Memory traffic in bytes for a parameter, with B = sizeof(real):
//   sgd_update       reads 2 B, writes B; with momentum reads 3 B, writes 2 B
//   rmsprop_update   reads 3 B, writes 2 B; with momentum reads 4 B, writes 3 B
//   adam_update      reads 4 B, writes 3 B

#include "common.cuh"

extern "C" __global__ void sgd_kernel(real* __restrict__ p, const real* __restrict__ g, long long n, real lr,
                                      real weight_decay) {
  for (long long i = first_index(); i < n; i += all_threads()) p[i] -= lr * (g[i] + weight_decay * p[i]);
}

// The step is lr * (own * g + kept * buffer): own = 0 and kept = 1, or with Nesterov own = 1 and kept = momentum.
extern "C" __global__ void sgd_momentum_kernel(real* __restrict__ p, const real* __restrict__ g,
                                               real* __restrict__ buffer, long long n, real lr, real momentum, real own,
                                               real kept, real weight_decay) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    real gi = g[i] + weight_decay * p[i];
    real bi = momentum * buffer[i] + gi;
    buffer[i] = bi;
    p[i] -= lr * (own * gi + kept * bi);
  }
}

// rest = 1 - alpha, taken before alpha was rounded.
extern "C" __global__ void rmsprop_kernel(real* __restrict__ p, const real* __restrict__ g,
                                          real* __restrict__ square_avg, long long n, real lr, real alpha, real rest,
                                          real eps, real weight_decay) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    real gi = g[i] + weight_decay * p[i];
    real si = alpha * square_avg[i] + rest * (gi * gi);
    square_avg[i] = si;
    p[i] -= lr * gi / (sqrt(si) + eps);
  }
}

extern "C" __global__ void rmsprop_momentum_kernel(real* __restrict__ p, const real* __restrict__ g,
                                                   real* __restrict__ square_avg, real* __restrict__ buffer,
                                                   long long n, real lr, real alpha, real rest, real eps, real momentum,
                                                   real weight_decay) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    real gi = g[i] + weight_decay * p[i];
    real si = alpha * square_avg[i] + rest * (gi * gi);
    square_avg[i] = si;
    real bi = momentum * buffer[i] + gi / (sqrt(si) + eps);
    buffer[i] = bi;
    p[i] -= lr * bi;
  }
}

// step_size = lr / (1 - beta1^step) and root_scale = 1 / sqrt(1 - beta2^step) undo the bias of m and v; decoupled decay
// shrinks p by the factor `shrink`, coupled decay adds `decay` * p to the gradient.
extern "C" __global__ void adam_kernel(real* __restrict__ p, const real* __restrict__ g, real* __restrict__ m,
                                       real* __restrict__ v, long long n, real step_size, real root_scale, real beta1,
                                       real rest1, real beta2, real rest2, real eps, real shrink, real decay) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    real gi = g[i] + decay * p[i];
    real mi = beta1 * m[i] + rest1 * gi;
    real vi = beta2 * v[i] + rest2 * (gi * gi);
    m[i] = mi;
    v[i] = vi;
    p[i] = shrink * p[i] - step_size * mi / (sqrt(vi) * root_scale + eps);
  }
}
