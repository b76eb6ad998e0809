// Many arrays in one launch: their addresses and sizes are arguments, handed over by value (launch.py makes them).
//
// The elements of each array are cut into chunks, and the chunks of all arrays are numbered one after another. A block
// takes chunk blockIdx.x, then blockIdx.x + gridDim.x, ...; an array without elements has no chunk.

constexpr int MOST_ARRAYS = 32;
constexpr int CHUNK = 1024;

struct Arrays {
  real* at[MOST_ARRAYS];
};

struct Doubles {
  double* at[MOST_ARRAYS];
};

// Array k has size[k] elements, and the chunks first[k], ..., first[k + 1] - 1.
struct Chunks {
  long long size[MOST_ARRAYS];
  int first[MOST_ARRAYS + 1];
  int arrays;
};

// Elements start, ..., stop - 1 of array k.
struct Span {
  int k;
  long long start, stop;
};

__device__ __forceinline__ int chunks_of_all(const Chunks& chunks) { return chunks.first[chunks.arrays]; }

// What chunk number `chunk` is. All threads of a block look for the same one.
__device__ __forceinline__ Span span_of(const Chunks& chunks, int chunk) {
  int low = 0, high = chunks.arrays;  // first[low] <= chunk < first[high]
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (chunks.first[middle] <= chunk) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const long long start = (long long)(chunk - chunks.first[low]) * CHUNK, size = chunks.size[low];
  return {low, start, start + CHUNK < size ? start + CHUNK : size};
}
