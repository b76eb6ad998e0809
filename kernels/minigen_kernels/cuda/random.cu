// Philox4x32-10, and uniform and normal numbers on its words. Read beside ../reference/random.py.
//
// Thread mapping: one thread makes one block of 128 random bits from the block's number alone, and writes 16 bytes at
// once: four words, four floats or two doubles. Neighbouring threads write neighbouring blocks. Threads share nothing.
//
// Memory traffic: writes 16 bytes a block, reads nothing. Philox is 10 rounds of two 32 x 32 -> 64 bit products; two
// normal numbers more take a square root, two divisions and 18 (float) or 33 (double) multiply-adds.
//
// The reference demands its bits, so this file is compiled with -fmad=false: every + - * / and square root is rounded
// on its own, in the order of the reference. No float here is subnormal, so flushing those to zero changes nothing.
// options: -fmad=false

#include "common.cuh"
#include "philox.cuh"

// Each kernel fills `blocks` blocks of 16 bytes, from block number `position` on; positions wrap around at 2^64. What a
// recorded graph is given by value is the same in every replay, so what moves on can be read from the device: the
// number at offset_or_null is added to the position (random.py).

extern "C" __global__ void philox_kernel(unsigned int* __restrict__ out, unsigned long long position,
                                         const unsigned long long* __restrict__ offset_or_null, unsigned long long seed,
                                         unsigned long long stream, long long blocks) {
  if (offset_or_null) position += *offset_or_null;
  for (long long i = first_index(); i < blocks; i += all_threads())
    reinterpret_cast<Block<unsigned int>*>(out)[i] = philox_block(seed, stream, position + i);
}

// The upper 24 (53) bits of each number, times 2^-24 (2^-53).
extern "C" __global__ void uniform_kernel(real* __restrict__ out, unsigned long long position,
                                          const unsigned long long* __restrict__ offset_or_null,
                                          unsigned long long seed, unsigned long long stream, long long blocks) {
  if (offset_or_null) position += *offset_or_null;
  const real step = (real)1 / ((Word)1 << F::digits);
  for (long long i = first_index(); i < blocks; i += all_threads()) {
    Block<unsigned int> words = philox_block(seed, stream, position + i);
    Block<real> block;
#pragma unroll
    for (int k = 0; k < 16 / (int)sizeof(real); k++)
      block.values[k] = (real)(number(words, k) >> (F::bits - F::digits)) * step;
    reinterpret_cast<Block<real>*>(out)[i] = block;
  }
}

extern "C" __global__ void normal_kernel(real* __restrict__ out, unsigned long long position,
                                         const unsigned long long* __restrict__ offset_or_null, unsigned long long seed,
                                         unsigned long long stream, long long blocks) {
  if (offset_or_null) position += *offset_or_null;
  for (long long i = first_index(); i < blocks; i += all_threads()) {
    reinterpret_cast<Block<real>*>(out)[i] = normal_block(seed, stream, position + i);
  }
}

// 1 where the uniform float of the same draw is below p, else 0. Each block of words makes four of the n numbers.
__device__ float uniform_float(unsigned int word) { return (float)(word >> 8) * (1.0f / (1 << 24)); }

extern "C" __global__ void bernoulli_kernel(float* __restrict__ out, unsigned long long position,
                                            const unsigned long long* __restrict__ offset_or_null,
                                            unsigned long long seed, unsigned long long stream, long long n, float p) {
  if (offset_or_null) position += *offset_or_null;
  for (long long i = first_index(); 4 * i < n; i += all_threads()) {
    Block<unsigned int> words = philox_block(seed, stream, position + i);
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (4 * i + k < n) out[4 * i + k] = uniform_float(words.values[k]) < p ? 1.0f : 0.0f;
  }
}

// The same with a probability for each.
extern "C" __global__ void bernoulli_each_kernel(float* __restrict__ out, unsigned long long position,
                                                 const unsigned long long* __restrict__ offset_or_null,
                                                 unsigned long long seed, unsigned long long stream, long long n,
                                                 const real* __restrict__ p) {
  if (offset_or_null) position += *offset_or_null;
  for (long long i = first_index(); 4 * i < n; i += all_threads()) {
    Block<unsigned int> words = philox_block(seed, stream, position + i);
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (4 * i + k < n) out[4 * i + k] = uniform_float(words.values[k]) < p[4 * i + k] ? 1.0f : 0.0f;
  }
}

// A permutation is the order of n random keys, found by merge sort. First runs of SORTED keys, each by one block of
// SORTED / 2 threads in shared memory; then pairs of runs are merged until there is one. Memory traffic of each step:
// 16 bytes written for a key, and 16 read (and log2(run) keys, mostly out of the cache) in a merge.

constexpr int SORTED = 1024;

// Makes the keys of a run and sorts them with their numbers, by Batcher's bitonic network: in each step, thread t
// compares two places `step` apart. What lies beyond n sorts behind everything. Where step is small, a warp reads every
// other key: half of the banks of shared memory, so that each access takes two turns (bank conflicts).
extern "C" __global__ void __launch_bounds__(512)
    sorted_keys_kernel(unsigned long long* __restrict__ keys, long long* __restrict__ order,
                       unsigned long long position, const unsigned long long* __restrict__ offset_or_null,
                       unsigned long long seed, unsigned long long stream, long long n) {
  if (offset_or_null) position += *offset_or_null;
  __shared__ unsigned long long key[SORTED];
  __shared__ int place[SORTED];
  const long long first = (long long)blockIdx.x * SORTED;
  const int left = (int)min((long long)SORTED, n - first), t = threadIdx.x;
  Block<unsigned int> words = philox_block(seed, stream, position + first / 2 + t);
#pragma unroll
  for (int k = 0; k < 2; k++) {
    const int at = 2 * t + k;
    const unsigned long long made = words.values[2 * k] | (unsigned long long)words.values[2 * k + 1] << 32;
    key[at] = at < left ? made : ~0ull;
    place[at] = at;
  }
  for (int size = 2; size <= SORTED; size *= 2)
    for (int step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      const int a = 2 * step * (t / step) + t % step, b = a + step;
      const bool swapped = key[b] < key[a] || (key[b] == key[a] && place[b] < place[a]);
      if (swapped == ((a & size) == 0)) {  // every second run of `size` is sorted downwards
        const unsigned long long larger = key[a];
        const int its_place = place[a];
        key[a] = key[b], place[a] = place[b];
        key[b] = larger, place[b] = its_place;
      }
    }
  __syncthreads();
  for (int at = t; at < left; at += blockDim.x) {
    keys[first + at] = key[at];
    order[first + at] = first + place[at];
  }
}

// Merges pairs of sorted runs: a key's new place is its own plus the number of keys of the other run that come before
// it. Numbers in the left run are smaller than those in the right one, so of equal keys the left one comes first.
extern "C" __global__ void merge_kernel(const unsigned long long* __restrict__ keys, const long long* __restrict__ order,
                                        unsigned long long* __restrict__ merged_keys,
                                        long long* __restrict__ merged_order, long long n, long long run) {
  for (long long i = first_index(); i < n; i += all_threads()) {
    const long long start = i / (2 * run) * (2 * run), middle = min(start + run, n);
    const bool from_left = i < middle;
    const long long others = from_left ? middle : start;
    long long low = others, high = from_left ? min(start + 2 * run, n) : middle;
    while (low < high) {  // the first of the other run that comes after this key
      const long long between = low + (high - low) / 2;
      if (keys[between] < keys[i] || (!from_left && keys[between] == keys[i]))
        low = between + 1;
      else
        high = between;
    }
    const long long to = (from_left ? i : i - (middle - start)) + (low - others);
    merged_keys[to] = keys[i];
    merged_order[to] = order[i];
  }
}
