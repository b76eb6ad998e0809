// Run CUDA C++ kernels on the host, to test them where there is no GPU. Included before the text of a .cu file and
// compiled with g++ (build.py).
//
// One fiber per CUDA thread of a block; blocks one after another. A fiber runs until it meets a barrier or a shuffle,
// then the next one of its warp runs; a warp runs until all its threads wait for the block, then the next warp runs.
// That goes from first to last (host_order 0) or from last to first (1), for threads, warps and blocks. A kernel
// without a race gives the same bits in both orders.
//
// Found and reported as an error of the launch: a barrier that some threads never reach, threads that meet at
// different barriers, a shuffle that names lanes which do not exist or do not come. Found by the results: shared memory
// that is read before it is written (it is filled with NaN, or -1, before each block). Found by a build with
// -fsanitize=address,undefined: reads and writes outside of arrays, overflow of signed numbers.
//
// Not here: extern __shared__, shuffles of part of a warp, cooperative groups, atomics, textures, tensor cores, inline
// PTX. What a kernel takes from CUDA's fast or approximate functions is not tested by this either.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#else
#define HOST_ASAN 0
#endif

// ---- keywords and built-in variables ----

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __constant__ static const
#if HOST_ASAN
#define __shared__ static  // the sanitizer guards static arrays, but not in a section of their own
#else
#define __shared__ __attribute__((section("cuda_shared"))) static  // one place, to be filled before each block
extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));
#endif

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

extern "C" {
int host_order = 0;  // order of threads and blocks: 0 forward, 1 reverse; results must not differ
}

namespace hostcuda {

// ---- fibers ----

constexpr size_t STACK_BYTES = 128 << 10;
constexpr int LANES = 32;

struct Fiber {
  ucontext_t context;
  jmp_buf place;  // where it was suspended
  char* stack = nullptr;
  bool started = false, done = false;
  dim3 thread;
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static jmp_buf scheduler_place;
static int threads;  // of a block
static int current;  // index of the running fiber
static bool progress;  // whether a thread finished or a barrier opened
static std::string failure;

static void (*call_kernel)(void*);
static void* call_arguments;

// Leave the running fiber until the scheduler comes back to it. Plain jumps are five times as fast as swapcontext,
// which asks the kernel for the signal mask; the address sanitizer follows only swapcontext.
static __attribute__((noinline)) void suspend() {
  Fiber& self = fibers[current];
  if (HOST_ASAN) {
    swapcontext(&self.context, &scheduler);
  } else if (_setjmp(self.place) == 0) {
    _longjmp(scheduler_place, 1);
  }
}

static __attribute__((noinline)) void resume(Fiber& fiber) {
  threadIdx = fiber.thread;
  if (HOST_ASAN) {
    swapcontext(&scheduler, &fiber.context);
  } else if (_setjmp(scheduler_place) == 0) {
    if (fiber.started) _longjmp(fiber.place, 1);
    fiber.started = true;
    setcontext(&fiber.context);
  }
}

// End the launch with a message. The fibers are thrown away; the kernel's threads own nothing.
static void fail(const std::string& message) {
  failure = message + ", thread (" + std::to_string(threadIdx.x) + ", " + std::to_string(threadIdx.y) + ", " +
            std::to_string(threadIdx.z) + ") of block (" + std::to_string(blockIdx.x) + ", " +
            std::to_string(blockIdx.y) + ", " + std::to_string(blockIdx.z) + ")";
  for (;;) suspend();
}

// ---- barriers ----

// The last thread to arrive opens the barrier by raising its generation.
struct Barrier {
  int members = 0, arrived = 0, finished = 0, line = 0;
  long generation = 0;

  void open_for(int count) { members = count, arrived = finished = 0; }

  void wait(int from_line, const char* name) {
    if (finished > 0) {
      fail(std::string(name) + " in line " + std::to_string(from_line) + " after another thread has returned");
    }
    if (arrived > 0 && line != from_line) {
      fail("divergent barriers: " + std::string(name) + " in line " + std::to_string(from_line) +
           " while other threads wait in line " + std::to_string(line));
    }
    line = from_line;
    const long mine = generation;
    if (++arrived == members) {
      arrived = 0;
      generation++;
      progress = true;
      return;
    }
    while (mine == generation) suspend();
  }

  void leave(const char* name) {
    finished++;
    if (arrived > 0) fail("returned while others wait at " + std::string(name) + " in line " + std::to_string(line));
  }
};

static Barrier block_barrier;
static Barrier warp_barriers[1024 / LANES];

static Barrier& warp_barrier() { return warp_barriers[current / LANES]; }

static uint64_t lane_values[1024];

template <class T>
T shuffle(unsigned int mask, T value, int from_lane, int line) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  if (mask != 0xffffffffu) fail("the host shim has no shuffles of part of a warp");
  const int first = current / LANES * LANES;
  memcpy(&lane_values[current], &value, sizeof(T));
  warp_barrier().wait(line, "a shuffle");
  T result = value;
  if (from_lane >= 0 && from_lane < LANES) {  // beyond the warp a lane keeps its own value
    if (first + from_lane >= threads) fail("a shuffle from a lane that the block does not have");
    memcpy(&result, &lane_values[first + from_lane], sizeof(T));
  }
  warp_barrier().wait(line, "a shuffle");
  return result;
}

static int lane() { return current % LANES; }

// ---- launch ----

static void fiber_main() {
  for (;;) {
    call_kernel(call_arguments);
    fibers[current].done = true;
    progress = true;
    block_barrier.leave("__syncthreads()");
    warp_barrier().leave("a shuffle or __syncwarp()");
    suspend();
  }
}

static void prepare(Fiber& fiber) {
  if (!fiber.stack) fiber.stack = (char*)malloc(STACK_BYTES);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK_BYTES;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiber_main, 0);
  fiber.started = false;
}

// Run a warp as far as it gets without the others, which is what hardware may do. Return whether it got anywhere.
static bool run_warp(int warp) {
  const int first = warp * LANES, last = std::min(first + LANES, threads) - 1;
  bool any = false;
  do {
    progress = false;
    for (int i = first; i <= last && failure.empty(); i++) {
      current = host_order ? last - (i - first) : i;
      if (!fibers[current].done) resume(fibers[current]);
    }
    any |= progress;
  } while (progress && failure.empty());
  return any;
}

static void run_block() {
  block_barrier.open_for(threads);
  for (int w = 0; w * LANES < threads; w++) warp_barriers[w].open_for(std::min(LANES, threads - w * LANES));
  for (int i = 0; i < threads; i++) {
    fibers[i].done = false;
    fibers[i].thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
  }
#if !HOST_ASAN
  if (__start_cuda_shared) memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
#endif
  const int warps = (threads + LANES - 1) / LANES;
  while (block_barrier.finished < threads && failure.empty()) {
    bool any = false;
    for (int w = 0; w < warps; w++) any |= run_warp(host_order ? warps - 1 - w : w);
    if (!any && failure.empty()) failure = "deadlock: threads wait at barriers that never open";
  }
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

template <class... A>
struct Job {
  void (*kernel)(A...);
  void** arguments;
  static void run(void* self) {
    Job* job = static_cast<Job*>(self);
    call(job->kernel, job->arguments, std::index_sequence_for<A...>{});
  }
};

// Run a kernel; return what went wrong, or null.
template <class... A>
const char* launch(void (*kernel)(A...), const unsigned int* grid, const unsigned int* block, void** arguments) {
  Job<A...> job{kernel, arguments};
  call_kernel = &Job<A...>::run;
  call_arguments = &job;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  threads = block[0] * block[1] * block[2];
  failure.clear();
  for (int i = 0; i < threads; i++) {
    if (i == (int)fibers.size()) {
      fibers.reserve(1024);  // a context points into itself: fibers must not move
      fibers.emplace_back();
      prepare(fibers.back());
    }
  }
  const long blocks = (long)grid[0] * grid[1] * grid[2];
  for (long b = 0; b < blocks && failure.empty(); b++) {
    const long at = host_order ? blocks - 1 - b : b;
    blockIdx = {unsigned(at % grid[0]), unsigned(at / grid[0] % grid[1]), unsigned(at / ((long)grid[0] * grid[1]))};
    run_block();
  }
  if (failure.empty()) return nullptr;
  for (Fiber& fiber : fibers) prepare(fiber);  // abandon what is still suspended
  return failure.c_str();
}

}  // namespace hostcuda

// ---- functions ----

#define __syncthreads() hostcuda::block_barrier.wait(__LINE__, "__syncthreads()")
#define __syncwarp() hostcuda::warp_barrier().wait(__LINE__, "__syncwarp()")
#define __shfl_sync(mask, value, source) hostcuda::shuffle(mask, value, source, __LINE__)
#define __shfl_xor_sync(mask, value, bits) hostcuda::shuffle(mask, value, hostcuda::lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, delta) hostcuda::shuffle(mask, value, hostcuda::lane() + (delta), __LINE__)
#define __shfl_up_sync(mask, value, delta) hostcuda::shuffle(mask, value, hostcuda::lane() - (delta), __LINE__)

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)(((uint64_t)a * b) >> 32); }

using std::max;
using std::min;
