// Tell recorder.cpp what the threads do that a compiler does not see: where they begin and end, meet and exchange values.
// Included between cuda_host_shim.h and the text of a .cu file. Read next: recorder.cpp.
#pragma once

extern "C" {
void recorder_on(int thread);  // what follows is done by this thread
void recorder_off();
void recorder_begin(int thread, unsigned int x, unsigned int y, unsigned int z);
void recorder_end();
void recorder_meet(int kind);
void recorder_shared(const void* start, size_t bytes, const char* name);  // after each declaration (recording.py)
void recorder_fence();
void recorder_atomic(void* address, int size);
}

enum Meeting { SYNCTHREADS = 3, SYNCWARP = 4, SHUFFLE = 5 };  // as in recorder.cpp

#define RECORDED static inline __attribute__((always_inline))  // so that a call returns to the place in the kernel

namespace recording {

RECORDED void syncthreads(int line) {
  recorder_meet(SYNCTHREADS);
  hostcuda::block_barrier.wait(line, "__syncthreads()");
  recorder_on(hostcuda::current);
}

RECORDED void syncwarp(int line) {
  recorder_meet(SYNCWARP);
  hostcuda::warp_barrier().wait(line, "__syncwarp()");
  recorder_on(hostcuda::current);
}

RECORDED void fence() {
  recorder_fence();
  hostcuda::team[hostcuda::current].fenced = true;
}

template <class T>
RECORDED T shuffle(unsigned int mask, T value, int from_lane, int line) {
  recorder_meet(SHUFFLE);
  value = hostcuda::shuffle(mask, value, from_lane, line);
  recorder_on(hostcuda::current);
  return value;
}

RECORDED unsigned int add(unsigned int* address, unsigned int value, int line) {
  recorder_atomic(address, sizeof *address);
  value = hostcuda::add(address, value, line);
  recorder_on(hostcuda::current);
  return value;
}

// The kernel, between a beginning and an end.
template <auto kernel>
struct Recorded;

template <class... A, void (*kernel)(A...)>
struct Recorded<kernel> {
  static void run(A... arguments) {
    recorder_begin(hostcuda::current, blockIdx.x, blockIdx.y, blockIdx.z);
    kernel(arguments...);
    recorder_end();
  }
};

}  // namespace recording

// A device's compiler inlines what it can; and a value that a function returns into memory shows as an access.
#undef __device__
#define __device__ __attribute__((always_inline))

#undef __syncthreads
#undef __syncwarp
#undef __threadfence
#undef atomicAdd
#undef __shfl_sync
#undef __shfl_xor_sync
#undef __shfl_down_sync
#undef __shfl_up_sync
#define __syncthreads() recording::syncthreads(__LINE__)
#define __syncwarp() recording::syncwarp(__LINE__)
#define __threadfence() recording::fence()
#define atomicAdd(address, value) recording::add(address, value, __LINE__)
#define __shfl_sync(mask, value, source) recording::shuffle(mask, value, source, __LINE__)
#define __shfl_xor_sync(mask, value, bits) recording::shuffle(mask, value, hostcuda::lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, delta) recording::shuffle(mask, value, hostcuda::lane() + (delta), __LINE__)
#define __shfl_up_sync(mask, value, delta) recording::shuffle(mask, value, hostcuda::lane() - (delta), __LINE__)
