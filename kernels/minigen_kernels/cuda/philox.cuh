// Philox4x32-10 and normal numbers on its words: what random.cu says. A file with these is compiled with -fmad=false.

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

// Box and Muller: each pair of numbers (k, a) makes radius(k) * cos and radius(k) * sin of the turn a.
__device__ Block<real> normal_block(unsigned long long seed, unsigned long long stream, unsigned long long position) {
  const Block<unsigned int> words = philox_block(seed, stream, position);
  Block<real> block;
#pragma unroll
  for (int k = 0; k < 16 / (int)sizeof(real); k += 2) {
    real r = radius(number(words, k)), c, s;
    cos_sin(number(words, k + 1), &c, &s);
    block.values[k] = r * c;
    block.values[k + 1] = r * s;
  }
  return block;
}
