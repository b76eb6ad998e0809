// The two ways to take the sums of conv_spots.cuh: a tile of results for a block, or one place for a thread.

constexpr int BLOCK = 256;     // threads
constexpr int RESIDENT = 2;    // blocks that a multiprocessor holds at least: leaves 128 registers to a thread
constexpr int DEPTH = 8;       // terms in shared memory at once
constexpr int CHUNK = 64;      // the same, for `direct`
constexpr int WIDE_ROWS = 64;  // sizes of the tiles
constexpr int WIDE_PLACES = 128;
constexpr int FLAT_ROWS = 16;
constexpr int FLAT_PLACES = 256;
constexpr int GRAD_PLACES = 64;

// What one thread computes of a tile: `ROWS_EACH` rows by `PLACES_EACH` places. Neighbouring threads have neighbouring
// places, so that they write to neighbouring cells, and read shared memory without conflicts. The rows of a thread lie
// next to each other, so that it reads four floats of `left` at once, the same ones as its neighbours.
template <int ROWS, int PLACES, int ROWS_EACH>
struct Tile {
  static constexpr int PLACES_EACH = ROWS * PLACES / (BLOCK * ROWS_EACH);
  static constexpr int ACROSS = PLACES / PLACES_EACH;  // threads side by side
  real sums[ROWS_EACH][PLACES_EACH];

  // sums = terms first..end of the tile that begins at row0, place0
  template <class Sum>
  __device__ __forceinline__ void compute(const Sum& sum, const real* __restrict__ matrix,
                                          const real* __restrict__ image, int row0, long long place0, long long first,
                                          long long end) {
    constexpr int PAD = 4;  // a warp writes 8 terms x 4 rows of `left`: with the pad, to 32 different banks
    constexpr int LEFT_EACH = (ROWS * DEPTH + BLOCK - 1) / BLOCK, RIGHT_EACH = PLACES * DEPTH / BLOCK;
    __shared__ __align__(16) real left[DEPTH][ROWS + PAD];
    __shared__ real right[DEPTH][PLACES];
    __shared__ Spot terms[DEPTH];

    const int me = threadIdx.x, left_term = me % DEPTH, left_row = me / DEPTH;
    const int right_place = me % PLACES, right_term = me / PLACES;
    const Spot place = sum.place(place0 + right_place);
    real next_left[LEFT_EACH], next_right[RIGHT_EACH];

    auto fetch = [&](long long from) {  // terms `from` ... `from + DEPTH - 1` into registers
#pragma unroll
      for (int i = 0; i < LEFT_EACH; i++) {
        const int row = left_row + i * (BLOCK / DEPTH);
        const bool there = row < ROWS && row0 + row < sum.rows && from + left_term < end;
        next_left[i] = there ? matrix[sum.row_start(row0 + row) + terms[left_term].weight] : real(0);
      }
#pragma unroll
      for (int i = 0; i < RIGHT_EACH; i++) {
        const Spot& term = terms[right_term + i * (BLOCK / PLACES)];
        next_right[i] = inside(term, place, sum.height, sum.width) ? image[cell_of(term, place, sum.width)] : real(0);
      }
    };

#pragma unroll
    for (int i = 0; i < ROWS_EACH; i++)
#pragma unroll
      for (int j = 0; j < PLACES_EACH; j++) sums[i][j] = 0;
    if (me < DEPTH) terms[me] = first + me < end ? sum.term(first + me) : nowhere();
    __syncthreads();
    fetch(first);
    for (long long t = first; t < end; t += DEPTH) {
      __syncthreads();  // everybody has used the terms and the tile of the last turn
#pragma unroll
      for (int i = 0; i < LEFT_EACH; i++) {
        const int row = left_row + i * (BLOCK / DEPTH);
        if (row < ROWS) left[left_term][row] = next_left[i];
      }
#pragma unroll
      for (int i = 0; i < RIGHT_EACH; i++) right[right_term + i * (BLOCK / PLACES)][right_place] = next_right[i];
      if (me < DEPTH) terms[me] = t + DEPTH + me < end ? sum.term(t + DEPTH + me) : nowhere();
      __syncthreads();
      fetch(t + DEPTH);
#pragma unroll
      for (int k = 0; k < DEPTH; k++) {
#pragma unroll
        for (int i = 0; i < ROWS_EACH; i++)
#pragma unroll
          for (int j = 0; j < PLACES_EACH; j++)
            sums[i][j] += left[k][me / ACROSS * ROWS_EACH + i] * right[k][me % ACROSS + j * ACROSS];
      }
    }
  }

  // store(row, place, sum) for every result of the tile that exists
  template <class Sum, class Store>
  __device__ __forceinline__ void each(const Sum& sum, int row0, long long place0, Store store) const {
#pragma unroll
    for (int j = 0; j < PLACES_EACH; j++) {
      const long long place = place0 + threadIdx.x % ACROSS + j * ACROSS;
#pragma unroll
      for (int i = 0; i < ROWS_EACH; i++) {
        const int row = row0 + (int)threadIdx.x / ACROSS * ROWS_EACH + i;
        if (row < sum.rows && place < sum.places) store(row, place, sums[i][j]);
      }
    }
  }

  // visit(row, place) for the same results, in loops that are not unrolled
  template <class Sum, class Visit>
  static __device__ __forceinline__ void one_by_one(const Sum& sum, int row0, long long place0, Visit visit) {
#pragma unroll 1
    for (int k = 0; k < PLACES_EACH * ROWS_EACH; k++) {
      const long long place = place0 + threadIdx.x % ACROSS + k / ROWS_EACH * ACROSS;
      const int row = row0 + (int)threadIdx.x / ACROSS * ROWS_EACH + k % ROWS_EACH;
      if (row < sum.rows && place < sum.places) visit(row, place);
    }
  }
};

// What ends a convolution: nothing (`activation` below 0), or the bias of its channel and an activation; and whether
// each result is also written as a block of fh x fw equal cells of `large` (fh 0: not). A thread has many sums in
// registers, which are addressed in unrolled loops. So only what is short is done to them there; the rest is done to
// results, one after another: the thread reads back what it has written.
struct End {
  const real* b;
  int activation;
  real slope;
  real* large;
  int fh, fw;

  __device__ __forceinline__ real short_part(const Window& sum, int row, real value) const {
    if (activation < 0) return value;
    value += b[sum.first_channel + row];
    return activation == LEAKY_RELU ? activate(value, LEAKY_RELU, slope) : value;
  }
  __device__ __forceinline__ bool has_more() const { return activation > LEAKY_RELU || fh > 0; }
  __device__ __forceinline__ void rest(const Window& sum, real* result, long long at) const {
    real value = result[at];
    if (activation > LEAKY_RELU) result[at] = value = activate(value, activation, slope);
    const int width = sum.result_width;
    real* block = fh > 0 ? large + (at / width * fh * width + at % width) * fw : nullptr;
    for (int u = 0; u < fh; u++)
      for (int v = 0; v < fw; v++) block[(long long)u * width * fw + v] = value;
  }
};

template <int ROWS, int PLACES, int ROWS_EACH>
__device__ __forceinline__ void tile(const Window& sum, const real* __restrict__ matrix, const real* __restrict__ image,
                                     real* result, const End& end) {
  const int row0 = blockIdx.y * ROWS;
  const long long place0 = (long long)blockIdx.x * PLACES;
  if (place0 >= sum.places) return;  // the whole block: this phase is smaller than the largest one
  Tile<ROWS, PLACES, ROWS_EACH> mine;
  mine.compute(sum, matrix, image, row0, place0, 0, sum.terms);
  mine.each(sum, row0, place0, [&](int row, long long place, real value) {
    result[sum.result_at(place) + row * sum.result_row] = end.short_part(sum, row, value);
  });
  if (end.has_more())
    mine.one_by_one(sum, row0, place0, [&](int row, long long place) {
      end.rest(sum, result, sum.result_at(place) + row * sum.result_row);
    });
}

// One place per thread, ROWS rows. The weights and terms pass through shared memory, where all threads read the same
// number at the same time; the image is read straight from the caches.
template <int ROWS>
static __device__ __forceinline__ void direct(const Window& sum, const real* __restrict__ matrix,
                                              const real* __restrict__ image, real* result, const End& end) {
  __shared__ Spot terms[CHUNK];
  __shared__ real weights[CHUNK][ROWS];
  const int row0 = blockIdx.y * ROWS;
  const long long p = (long long)blockIdx.x * BLOCK + threadIdx.x;
  const Spot place = sum.place(p);
  real sums[ROWS] = {};
  for (int t0 = 0; t0 < sum.terms; t0 += CHUNK) {
    const int count = min(CHUNK, sum.terms - t0);
    __syncthreads();  // everybody has used the last chunk
    for (int i = threadIdx.x; i < count; i += BLOCK) terms[i] = sum.term(t0 + i);
    __syncthreads();
    for (int i = threadIdx.x; i < count * ROWS; i += BLOCK) {
      const int t = i / ROWS, row = row0 + i % ROWS;
      weights[t][i % ROWS] = row < sum.rows ? matrix[sum.row_start(row) + terms[t].weight] : real(0);
    }
    __syncthreads();
    for (int t = 0; t < count; t++) {
      const Spot term = terms[t];
      const real value = inside(term, place, sum.height, sum.width) ? image[cell_of(term, place, sum.width)] : real(0);
#pragma unroll
      for (int row = 0; row < ROWS; row++) sums[row] += weights[t][row] * value;
    }
  }
  if (p >= sum.places) return;
  const long long at = sum.result_at(p);
#pragma unroll
  for (int row = 0; row < ROWS; row++)
    if (row0 + row < sum.rows)
      result[at + (row0 + row) * sum.result_row] = end.short_part(sum, row0 + row, sums[row]);
  if (end.has_more())
#pragma unroll 1
    for (int row = row0; row < min(row0 + ROWS, sum.rows); row++) end.rest(sum, result, at + row * sum.result_row);
}

// One of `count` parts of the sums of a weight gradient in one group: terms part * part_terms and on, to parts[part] (K,
// C/groups, kh, kw). The last block of a tile adds up its parts, in their order. With one part, `parts` is gw.
template <int ROWS, int PLACES, int ROWS_EACH>
__device__ __forceinline__ void weight_grad_tile(const WeightGrad& sum, const real* __restrict__ g,
                                                 const real* __restrict__ x, real* parts, real* gw,
                                                 unsigned int* counters, int group, int part, int count,
                                                 long long part_terms) {
  const int row0 = blockIdx.y * ROWS;
  const long long place0 = (long long)blockIdx.x * PLACES, first = part * part_terms;
  const long long size = sum.K * sum.places;
  Tile<ROWS, PLACES, ROWS_EACH> mine;
  mine.compute(sum, g, x, row0, place0, first, min(first + part_terms, sum.terms));
  mine.each(sum, row0, place0, [&](int row, long long place, real value) {
    parts[part * size + (sum.first_row + row) * sum.places + place] = value;
  });
  if (count == 1 || !last_to_come(&counters[(group * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x], count)) return;
  mine.one_by_one(sum, row0, place0, [&](int row, long long place) {
    const long long at = (sum.first_row + row) * sum.places + place;
    real total = 0;
    for (int p = 0; p < count; p++) total += parts[p * size + at];
    gw[at] = total;
  });
}
