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

// A block of results, aligned so that it is stored by one instruction.
template <class T>
struct alignas(16) Block {
  T values[16 / sizeof(T)];
};

// The integers of the size of a real, and the constants that go with it; B bits make one number.
template <int size>
struct Format;

template <>
struct Format<4> {
  typedef unsigned int Word;
  typedef int Whole;
  static constexpr int bits = 32, digits = 24, mantissa = 23, terms = 6;
  static constexpr int root_half = 0x3F3504F3;  // the bits of sqrt(1/2)
};

template <>
struct Format<8> {
  typedef unsigned long long Word;
  typedef long long Whole;
  static constexpr int bits = 64, digits = 53, mantissa = 52, terms = 11;
  static constexpr long long root_half = 0x3FE6A09E667F3BCDLL;
};

typedef Format<sizeof(real)> F;
typedef F::Word Word;    // unsigned
typedef F::Whole Whole;  // signed

// Block number `position` of a stream: counter (position, stream) under the key `seed`, low halves first.
__device__ Block<unsigned int> philox_block(unsigned long long seed, unsigned long long stream,
                                            unsigned long long position) {
  unsigned int c0 = (unsigned int)position, c1 = (unsigned int)(position >> 32);
  unsigned int c2 = (unsigned int)stream, c3 = (unsigned int)(stream >> 32);
  unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
#pragma unroll
  for (int i = 0; i < 10; i++) {
    unsigned long long p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    c0 = (unsigned int)(p1 >> 32) ^ c1 ^ k0;
    c1 = (unsigned int)p1;
    c2 = (unsigned int)(p0 >> 32) ^ c3 ^ k1;
    c3 = (unsigned int)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Number i of a block cut into numbers of B bits: a word for float, two words, the low one first, for double.
__device__ Word number(const Block<unsigned int>& block, int i) {
  if (sizeof(real) == 4) return (Word)block.values[i];
  return (Word)(block.values[2 * i] | (unsigned long long)block.values[2 * i + 1] << 32);
}

// sum_k coefficients[k] x^k by Horner's rule.
__device__ real polynomial(real x, const double* coefficients) {
  real total = (real)coefficients[F::terms - 1];
#pragma unroll
  for (int k = F::terms - 2; k >= 0; k--) total = total * x + (real)coefficients[k];
  return total;
}

// sqrt(-2 log u) for u = k / 2^B + 2^-(B + 1), with u = m 2^e and log m = 2 artanh(s) as in the reference. The exponent
// is cut out of the bits of u: subtracting those of sqrt(1/2) first makes it step there.
__device__ real radius(Word k) {
  constexpr double artanh[] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9, 1.0 / 11,
                               1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};
  const real unit = (real)1 / ((Word)1 << (F::bits - 1)) / 2;  // 2^-B
  real u = (real)k * unit + unit / 2;
  Whole bits;
  memcpy(&bits, &u, sizeof u);
  Whole e = (bits - (Whole)F::root_half) >> F::mantissa;
  bits -= e * ((Whole)1 << F::mantissa);
  real m;
  memcpy(&m, &bits, sizeof m);
  real s = (m - 1) / (m + 1);
  return sqrt(-2 * ((real)e * (real)0.6931471805599453 + 2 * s * polynomial(s * s, artanh)));  // log 2
}

// Cosine and sine of the turn a / 2^B. The nearest quarter turn is taken off in integers; the sum wraps, since a full
// turn is none.
__device__ void cos_sin(Word a, real* cosine, real* sine) {
  constexpr double cos_terms[] = {1.0,
                                  -1.0 / 2,
                                  1.0 / 24,
                                  -1.0 / 720,
                                  1.0 / 40320,
                                  -1.0 / 3628800,
                                  1.0 / 479001600,
                                  -1.0 / 87178291200,
                                  1.0 / 20922789888000,
                                  -1.0 / 6402373705728000,
                                  1.0 / 2432902008176640000};
  constexpr double sin_terms[] = {1.0,
                                  -1.0 / 6,
                                  1.0 / 120,
                                  -1.0 / 5040,
                                  1.0 / 362880,
                                  -1.0 / 39916800,
                                  1.0 / 6227020800,
                                  -1.0 / 1307674368000,
                                  1.0 / 355687428096000,
                                  -1.0 / 121645100408832000,
                                  1.0 / 51090942171709440000.0};
  const real turn = (real)(6.283185307179586 / 2 / ((Word)1 << (F::bits - 1)));  // 2 pi / 2^B
  Word quarter = (Word)(a + ((Word)1 << (F::bits - 3))) >> (F::bits - 2);
  real x = (real)(Whole)(a - (quarter << (F::bits - 2))) * turn;
  real c = polynomial(x * x, cos_terms), s = x * polynomial(x * x, sin_terms);
  real turned_c = quarter & 1 ? -s : c, turned_s = quarter & 1 ? c : s;
  *cosine = quarter & 2 ? -turned_c : turned_c;
  *sine = quarter & 2 ? -turned_s : turned_s;
}

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

// Box and Muller: each pair of numbers (k, a) makes radius(k) * cos and radius(k) * sin of the turn a.
extern "C" __global__ void normal_kernel(real* __restrict__ out, unsigned long long position,
                                         const unsigned long long* __restrict__ offset_or_null, unsigned long long seed,
                                         unsigned long long stream, long long blocks) {
  if (offset_or_null) position += *offset_or_null;
  for (long long i = first_index(); i < blocks; i += all_threads()) {
    Block<unsigned int> words = philox_block(seed, stream, position + i);
    Block<real> block;
#pragma unroll
    for (int k = 0; k < 16 / (int)sizeof(real); k += 2) {
      real r = radius(number(words, k)), c, s;
      cos_sin(number(words, k + 1), &c, &s);
      block.values[k] = r * c;
      block.values[k + 1] = r * s;
    }
    reinterpret_cast<Block<real>*>(out)[i] = block;
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
// compares two places `step` apart. What lies beyond n sorts behind everything.
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
