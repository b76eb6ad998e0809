// Run CUDA C++ kernels on the host, to test them where there is no GPU. Included before the text of a .cu file and
// compiled with g++ (build.py).
//
// Blocks run one after another, and in a block the threads of a warp. A thread that meets a barrier or a shuffle waits
// on its stack, a fiber, and the next thread of its warp runs on another; one that ends leaves its fiber to the next
// thread, so that kernels without barriers are a plain loop. A warp runs until all its threads wait for the block, then
// the next warp runs. That goes from first to last (host_order 0) or from last to first (1), for threads, warps and
// blocks. A kernel without a race gives the same bits in both orders.
//
// Found and reported as an error of the launch: a barrier that some threads never reach, threads that meet at
// different barriers, a shuffle that names lanes which do not exist or do not come. Found by the results: shared memory
// that is read before it is written (it is filled with NaN, or -1, when the first thread of each block comes to its
// declaration: build.py puts HOST_FILL behind it). Found by a build with
// -fsanitize=address,undefined: reads and writes outside of arrays, overflow of signed numbers.
//
// Blocks count themselves by atomicAdd on an unsigned int, to find the last one. Blocks run one after another here, so
// that another's writes are always seen; on a device they are only behind a fence. So an atomicAdd of a thread that has
// not called __threadfence() since its last atomicAdd is an error, and atomics on anything else are not there.
//
// Not here: extern __shared__, shuffles of part of a warp, cooperative groups, textures, tensor cores, inline PTX. What
// a kernel takes from CUDA's fast or approximate functions is not tested by this either.
#pragma once
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmath>
#include <type_traits>
#include <utility>

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
#define __shared__ static

template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}

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

// A place to jump back to: __builtin_setjmp saves three words, and the compiler all that it needs itself.
struct Place {
  void* words[5];
};

struct Fiber {
  ucontext_t context;
  Place place;  // where it was suspended
  char* stack = nullptr;
  bool started = false;
};

struct Barrier;

struct Thread {
  dim3 index;
  Fiber* fiber;  // on which it runs
  const Barrier* at;  // where it waits, for a generation after this one
  long generation;
  bool begun, done;
  bool fenced;  // whether it has called __threadfence() and no atomicAdd since

  bool runnable() const;
};

static Thread team[1024];  // the threads of a block
static Fiber* fibers[1024 + 1];  // all of them: one for each thread, and one that just becomes idle
static Fiber* idle[1024 + 1];
static int made, idles;  // how many these are
static Fiber scheduler;
static Fiber* running;
static int threads;  // of a block
static int current;  // index of the running thread
static char failure[512];  // what went wrong in this launch

static long blocks_begun;  // of all launches

static void (*call_kernel)(void*);
static void* call_arguments;

static void fiber_main();

static void prepare(Fiber& fiber) {
  if (!fiber.stack) fiber.stack = (char*)malloc(STACK_BYTES);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK_BYTES;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiber_main, 0);
  fiber.started = false;
}

static Fiber& idle_fiber() {
  if (idles) return *idle[--idles];
  fibers[made] = new Fiber();  // a context points into itself: fibers must not move
  prepare(*fibers[made]);
  return *fibers[made++];
}

// Leave the running fiber for another one, until somebody comes back. Plain jumps are many times as fast as swapcontext,
// which asks the kernel for the signal mask; the address sanitizer follows only swapcontext. The compiler must not look
// into these functions (OPAQUE): between two jumps the other threads change memory and all registers.
#define OPAQUE __attribute__((noinline, noipa))

static OPAQUE void jump(Fiber& fiber) {
  running = &fiber;
  if (fiber.started) __builtin_longjmp(fiber.place.words, 1);
  fiber.started = true;
  setcontext(&fiber.context);
}

static OPAQUE void switch_to(Fiber& fiber) {
#if HOST_ASAN
  Fiber& self = *running;
  running = &fiber;
  swapcontext(&self.context, &fiber.context);
#else
  if (__builtin_setjmp(running->place.words) == 0) jump(fiber);
#endif
}

// The first thread from `thread` on, in order and in the same warp as `current`, that does not wait; or -1.
static int next_runnable(int thread) {
  const int warp = current / LANES * LANES, step = host_order ? -1 : 1;
  for (; thread >= warp && thread < warp + LANES && thread < threads; thread += step) {
    if (team[thread].runnable()) return thread;
  }
  return -1;
}

static int following() { return next_runnable(host_order ? current - 1 : current + 1); }

// Let `thread` run, or for -1 the scheduler.
static void run(int thread) {
  if (thread < 0) return switch_to(scheduler);
  current = thread;
  threadIdx = team[thread].index;
  switch_to(team[thread].begun ? *team[thread].fiber : idle_fiber());
}

// End the launch with a message. The fibers are thrown away; the kernel's threads own nothing.
static void __attribute__((format(printf, 1, 2))) fail(const char* format, ...) {
  va_list rest;
  va_start(rest, format);
  const int length = vsnprintf(failure, sizeof(failure) / 2, format, rest);
  va_end(rest);
  snprintf(failure + min(length, (int)sizeof(failure) / 2 - 1), sizeof(failure) / 2,
           ", thread (%u, %u, %u) of block (%u, %u, %u)", threadIdx.x, threadIdx.y, threadIdx.z, blockIdx.x, blockIdx.y,
           blockIdx.z);
  for (;;) switch_to(scheduler);
}

// ---- barriers ----

// The last thread to arrive opens the barrier by raising its generation.
struct Barrier {
  int members = 0, arrived = 0, finished = 0, line = 0;
  long generation = 0;

  void open_for(int count) { members = count, arrived = finished = 0; }

  void wait(int from_line, const char* name) {
    if (finished > 0) fail("%s in line %d after another thread has returned", name, from_line);
    if (arrived > 0 && line != from_line) {
      fail("divergent barriers: %s in line %d while other threads wait in line %d", name, from_line, line);
    }
    line = from_line;
    if (++arrived == members) {
      arrived = 0;
      generation++;
      return;
    }
    team[current].at = this;
    team[current].generation = generation;
    run(following());
    team[current].at = nullptr;
  }

  void leave(const char* name) {
    finished++;
    if (arrived > 0) fail("returned while others wait at %s in line %d", name, line);
  }
};

bool Thread::runnable() const { return !done && (!at || at->generation != generation); }

static Barrier block_barrier;
static Barrier warp_barriers[1024 / LANES];

static Barrier& warp_barrier() { return warp_barriers[current / LANES]; }

// What the lanes give in a shuffle, in turns: a place is written again two barriers later, when all have read it.
static uint64_t lane_values[2][1024];

template <class T>
T shuffle(unsigned int mask, T value, int from_lane, int line) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  if (mask != 0xffffffffu) fail("the host shim has no shuffles of part of a warp");
  const int first = current / LANES * LANES;
  uint64_t* const values = lane_values[warp_barrier().generation % 2];
  memcpy(&values[current], &value, sizeof(T));
  warp_barrier().wait(line, "a shuffle");
  T result = value;
  if (from_lane >= 0 && from_lane < LANES) {  // beyond the warp a lane keeps its own value
    if (first + from_lane >= threads) fail("a shuffle from a lane that the block does not have");
    memcpy(&result, &values[first + from_lane], sizeof(T));
  }
  return result;
}

static int lane() { return current % LANES; }

static unsigned int add(unsigned int* address, unsigned int value, int line) {
  if (!team[current].fenced) {
    fail("atomicAdd in line %d without __threadfence() before it: no other block sees what this one has written", line);
  }
  team[current].fenced = false;
  const unsigned int before = *address;
  *address += value;
  return before;
}

// ---- launch ----

// Run threads that begin, one after another, until the next of the warp is already on a fiber of its own.
static void fiber_main() {
  for (;;) {
    Fiber* const self = running;
    int next = current;
    do {
      current = next;
      threadIdx = team[current].index;
      team[current].begun = true;
      team[current].fiber = self;
      call_kernel(call_arguments);
      team[current].done = true;
      block_barrier.leave("__syncthreads()");
      warp_barrier().leave("a shuffle or __syncwarp()");
      next = following();
    } while (next >= 0 && !team[next].begun);
    idle[idles++] = self;
    run(next);
  }
}

// Run a warp as far as it gets without the others, which is what hardware may do. Return whether it got anywhere.
static bool run_warp(int warp) {
  const int first = warp * LANES, last = min(first + LANES, threads) - 1;
  bool any = false;
  while (!failure[0]) {
    current = host_order ? last : first;
    const int thread = next_runnable(current);
    if (thread < 0) break;
    any = true;
    run(thread);
  }
  return any;
}

static void run_block() {
  block_barrier.open_for(threads);
  for (int w = 0; w * LANES < threads; w++) warp_barriers[w].open_for(min(LANES, threads - w * LANES));
  for (int i = 0; i < threads; i++) team[i].at = nullptr, team[i].begun = team[i].done = team[i].fenced = false;
  blocks_begun++;
  const int warps = (threads + LANES - 1) / LANES;
  while (block_barrier.finished < threads && !failure[0]) {
    bool any = false;
    for (int w = 0; w < warps; w++) any |= run_warp(host_order ? warps - 1 - w : w);
    if (!any && !failure[0]) strcpy(failure, "deadlock: threads wait at barriers that never open");
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
  failure[0] = 0;
  running = &scheduler;
  scheduler.started = true;
  for (unsigned int i = 0; i < unsigned(threads); i++) {
    team[i].index = {i % block[0], i / block[0] % block[1], i / (block[0] * block[1])};
  }
  const long blocks = (long)grid[0] * grid[1] * grid[2];
  for (long b = 0; b < blocks && !failure[0]; b++) {
    const long at = host_order ? blocks - 1 - b : b;
    blockIdx = {unsigned(at % grid[0]), unsigned(at / grid[0] % grid[1]), unsigned(at / ((long)grid[0] * grid[1]))};
    run_block();
  }
  if (!failure[0]) return nullptr;
  for (idles = 0; idles < made; idles++) prepare(*(idle[idles] = fibers[idles]));  // abandon what is still suspended
  return failure;
}

}  // namespace hostcuda

// ---- functions ----

#define HOST_FILL(name)                              \
  {                                                  \
    static long filled_for;                          \
    if (filled_for != hostcuda::blocks_begun) {      \
      filled_for = hostcuda::blocks_begun;           \
      memset((void*)&name, 0xff, sizeof name);       \
    }                                                \
  }

#define __syncthreads() hostcuda::block_barrier.wait(__LINE__, "__syncthreads()")
#define __syncwarp() hostcuda::warp_barrier().wait(__LINE__, "__syncwarp()")
#define __threadfence() (hostcuda::team[hostcuda::current].fenced = true)
#define atomicAdd(address, value) hostcuda::add(address, value, __LINE__)
#define __shfl_sync(mask, value, source) hostcuda::shuffle(mask, value, source, __LINE__)
#define __shfl_xor_sync(mask, value, bits) hostcuda::shuffle(mask, value, hostcuda::lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, delta) hostcuda::shuffle(mask, value, hostcuda::lane() + (delta), __LINE__)
#define __shfl_up_sync(mask, value, delta) hostcuda::shuffle(mask, value, hostcuda::lane() - (delta), __LINE__)

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)(((uint64_t)a * b) >> 32); }
