// Note what each thread of a kernel does to memory, and put the threads of a warp side by side.
//
// Nothing in a kernel's source is changed. g++ -fsanitize=thread puts a call before every access to memory, and
// -fsanitize-coverage=trace-pc one into every branch; these functions answer them, in place of the sanitizer's library.
// recording.h tells the rest. Accesses to the thread's own variables (its stack: registers on a device), to threadIdx
// and the like, and to a kernel's parameters are left out: only arrays that were announced, and shared memory, count.
//
// A warp executes one instruction for all of its lanes that are there. The host runs lane after lane, so when a block
// has ended its lanes are replayed together: of those that are not done, the ones that stand at the lowest address of
// the code, deepest call first, go on; lanes at a barrier or a shuffle wait until all are there. So lanes that a branch
// parted meet again behind it (Collange, "Stack-less SIMT reconvergence at low cost", 2011).
//
// Then each instruction of a warp is counted as the CUDA C++ Programming Guide says. Global memory: the 32-byte sectors
// and 128-byte lines that its lanes touch; arrays begin at a multiple of 256 bytes, as cudaMalloc gives them. Shared
// memory: 32 banks of 4 bytes; lanes that want different words of one bank take turns. Accesses of 8 bytes go by half
// warps, of 16 by quarters.

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace {

constexpr int LANES = 32, SECTOR = 32, LINE = 128, BANKS = 32, BANK_BYTES = 4;
constexpr int SHARED = -1;

enum Kind { BRANCH, READ, WRITE, SYNCTHREADS, SYNCWARP, SHUFFLE, ATOMIC, FENCE };

struct Event {
  uint64_t site;  // the place in the code, times 16, and which part of an access of more than 16 bytes
  uint64_t offset;
  int32_t array;  // the number of the array, or SHARED
  int16_t size;
  int8_t kind, depth;
};

struct Array {
  uint64_t start, bytes;
  std::vector<uint8_t> touched;  // for each byte: 1 read, 2 written
};

struct Shared {
  uint64_t start, bytes, offset;  // where it lies here, and in the shared memory of a device
  const char* name;
};

// One instruction of a warp.
struct Instruction {
  uint64_t site;
  int32_t kind, array, size, sectors, lines, passes, least, unused;
  uint32_t lanes;         // those that take part, a bit for each
  uint32_t wanted;         // different bytes
  uint64_t offset[LANES];  // in the array, or in shared memory
};

// All executions of one place in the code on one array, by all warps.
struct Total {
  uint64_t site;
  int32_t kind, array, size, unused;
  uint64_t instructions, accesses, wanted, sectors, lines, passes, least;
};

std::vector<Array> arrays;
std::vector<Shared> shared;
std::vector<Event> events[1024];
int depths[1024];
bool recording;
int thread;
unsigned int block[3], watched_block[3];
int watched_warp;
bool any;
std::vector<Instruction> watched;
std::map<std::tuple<uint64_t, int, int>, Total> totals;

// Of these places, each of `size` bytes: how many different units of `unit` bytes they touch.
int units_of(const uint64_t* places, int count, int size, int unit) {
  uint64_t found[LANES * 16];
  int n = 0;
  for (int i = 0; i < count; i++)
    for (uint64_t u = places[i] / unit; u <= (places[i] + size - 1) / unit; u++) found[n++] = u;
  std::sort(found, found + n);
  return std::unique(found, found + n) - found;
}

// The turns that lanes take for these places of shared memory: the most words that one bank has to give.
int turns_of(const uint64_t* places, int count, int size) {
  uint64_t words[LANES * 4];
  int n = 0, of_bank[BANKS] = {};
  for (int i = 0; i < count; i++)
    for (uint64_t w = places[i] / BANK_BYTES; w <= (places[i] + size - 1) / BANK_BYTES; w++) words[n++] = w;
  std::sort(words, words + n);
  n = std::unique(words, words + n) - words;
  for (int i = 0; i < n; i++) of_bank[words[i] % BANKS]++;
  return *std::max_element(of_bank, of_bank + BANKS);
}

// How many lanes shared memory serves at once.
int served_at_once(int size) { return size <= 4 ? LANES : size <= 8 ? LANES / 2 : LANES / 4; }

void count(Instruction& it) {
  uint64_t places[LANES];
  int n = 0;
  for (int l = 0; l < LANES; l++)
    if (it.lanes >> l & 1) places[n++] = it.offset[l];
  it.wanted = units_of(places, n, it.size, 1);
  if (it.array != SHARED) {
    it.sectors = units_of(places, n, it.size, SECTOR), it.lines = units_of(places, n, it.size, LINE);
    it.least = (it.wanted + SECTOR - 1) / SECTOR;
    return;
  }
  const int together = served_at_once(it.size);
  for (int first = 0; first < LANES; first += together) {
    n = 0;
    for (int l = first; l < first + together; l++)
      if (it.lanes >> l & 1) places[n++] = it.offset[l];
    if (n) it.passes += turns_of(places, n, it.size), it.least++;
  }
}

void add_up(Instruction& it) {
  if (it.kind == READ || it.kind == WRITE || it.kind == ATOMIC) count(it);
  if (watched_warp >= 0) watched.push_back(it);
  Total& total = totals[{it.site, it.array, it.kind}];
  total.site = it.site, total.kind = it.kind, total.array = it.array, total.size = it.size;
  total.instructions++;
  const int accesses = __builtin_popcount(it.lanes);
  total.accesses += accesses, total.wanted += it.wanted;
  total.sectors += it.sectors, total.lines += it.lines, total.passes += it.passes;
  total.least += it.least;
}

bool meets(const Event& event) { return event.kind >= SYNCTHREADS && event.kind <= SHUFFLE; }

void replay(int warp) {
  const std::vector<Event>* lanes = &events[warp * LANES];
  size_t at[LANES] = {};
  for (;;) {
    int best = -1, meeting = -1;
    for (int l = 0; l < LANES; l++) {
      if (at[l] == lanes[l].size()) continue;
      const Event& event = lanes[l][at[l]];
      if (meets(event)) {
        meeting = l;
        continue;
      }
      if (best >= 0) {
        const Event& other = lanes[best][at[best]];
        if (std::make_pair(-event.depth, event.site) >= std::make_pair(-other.depth, other.site)) continue;
      }
      best = l;
    }
    if (best < 0) best = meeting;
    if (best < 0) return;
    const Event first = lanes[best][at[best]];
    Instruction it = {};
    it.site = first.site, it.kind = first.kind, it.array = first.array, it.size = first.size;
    for (int l = 0; l < LANES; l++) {
      if (at[l] == lanes[l].size()) continue;
      const Event& event = lanes[l][at[l]];
      if (event.site != first.site || event.kind != first.kind || event.depth != first.depth ||
          event.array != first.array)
        continue;
      it.lanes |= 1u << l, it.offset[l] = event.offset;
      at[l]++;
    }
    if (it.kind != BRANCH) add_up(it);
  }
}

void end_of_block() {
  const bool here = any && !memcmp(block, watched_block, sizeof block);
  const int wanted = watched_warp;
  for (int warp = 0; any && warp < 1024 / LANES; warp++) {
    watched_warp = here && warp == wanted ? warp : -1;
    replay(warp);
  }
  watched_warp = wanted;
  for (auto& of_thread : events) of_thread.clear();
  memset(depths, 0, sizeof depths);
  any = false;
}

void note(int kind, uint64_t site, uint64_t offset = 0, int array = SHARED, int size = 0) {
  events[thread].push_back({site, offset, array, (int16_t)size, (int8_t)kind, (int8_t)depths[thread]});
}

void access(int kind, uint64_t site, uint64_t address, uint64_t size) {
  if (!recording) return;
  const uint64_t word = std::min<uint64_t>(16, size & -size);
  if (size > word) {  // an object is moved in words of its alignment, and of 16 bytes at most
    for (uint64_t done = 0; done < size; done += word)
      access(kind, site + std::min<uint64_t>(done / word, 15), address + done, word);
    return;
  }
  for (const Shared& one : shared)
    if (address >= one.start && address < one.start + one.bytes)
      return note(kind, site, one.offset + address - one.start, SHARED, size);
  for (size_t i = 0; i < arrays.size(); i++) {
    Array& array = arrays[i];
    if (address < array.start || address >= array.start + array.bytes) continue;
    const uint64_t offset = address - array.start;
    for (uint64_t b = offset; b < std::min(offset + size, array.bytes); b++)
      array.touched[b] |= kind == READ ? 1 : kind == WRITE ? 2 : 3;
    return note(kind, site, offset, i, size);
  }
}

}  // namespace

#define SITE ((uint64_t)__builtin_return_address(0) * 16)

extern "C" {

// ---- what Python calls ----

void recorder_start(const unsigned int* of_block, int warp) {
  arrays.clear(), shared.clear(), watched.clear(), totals.clear();
  memcpy(watched_block, of_block, sizeof watched_block);
  watched_warp = warp;
  for (auto& of_thread : events) of_thread.clear();
  memset(depths, 0, sizeof depths);
  recording = any = false;
}

void recorder_array(uint64_t start, uint64_t bytes) { arrays.push_back({start, bytes, std::vector<uint8_t>(bytes)}); }

// Shared array `number` of those that were used: its name and where it lies; null if there is none.
const char* recorder_shared_array(size_t number, uint64_t* place) {
  if (number >= shared.size()) return nullptr;
  place[0] = shared[number].offset, place[1] = shared[number].bytes;
  return shared[number].name;
}

// Where this library was loaded.
uint64_t recorder_base() {
  Dl_info found;
  return dladdr((void*)&recorder_base, &found) ? (uint64_t)found.dli_fbase : 0;
}

void recorder_finish(uint64_t* counts) {
  recording = false;
  end_of_block();
  counts[0] = watched.size(), counts[1] = totals.size();
}

void recorder_take(Instruction* instructions, Total* sums) {
  std::copy(watched.begin(), watched.end(), instructions);
  for (auto& entry : totals) *sums++ = entry.second;
}

const uint8_t* recorder_touched(int array) { return arrays[array].touched.data(); }

// ---- what recording.h calls ----

void recorder_on(int of_thread) { thread = of_thread, recording = true; }
void recorder_off() { recording = false; }
void recorder_begin(int of_thread, unsigned int x, unsigned int y, unsigned int z) {
  const unsigned int now[3] = {x, y, z};
  if (any && memcmp(now, block, sizeof block)) end_of_block();
  memcpy(block, now, sizeof block);
  any = true;
  recorder_on(of_thread);
}
void recorder_end() { recording = false; }
void recorder_meet(int kind) {
  note(kind, SITE);
  recording = false;
}
void recorder_shared(const void* start, size_t bytes, const char* name) {
  for (const Shared& one : shared)
    if (one.start == (uint64_t)start) return;
  const uint64_t offset = shared.empty() ? 0 : shared.back().offset + (shared.back().bytes + LINE - 1) / LINE * LINE;
  shared.push_back({(uint64_t)start, bytes, offset, name});
}
void recorder_fence() { note(FENCE, SITE); }
void recorder_atomic(void* address, int size) {
  access(ATOMIC, SITE, (uint64_t)address, size);
  recording = false;
}

// ---- what the compiler calls ----

void __tsan_init() {}
void __tsan_func_entry(void*) {
  if (recording) depths[thread]++;
}
void __tsan_func_exit() {
  if (recording) depths[thread]--;
}
void __tsan_vptr_update(void**, void*) {}
void __sanitizer_cov_trace_pc() {
  if (recording) note(BRANCH, SITE);
}

#define ACCESS(bytes)                                                                                  \
  void __tsan_read##bytes(void* at) { access(READ, SITE, (uint64_t)at, bytes); }                       \
  void __tsan_write##bytes(void* at) { access(WRITE, SITE, (uint64_t)at, bytes); }                     \
  void __tsan_unaligned_read##bytes(void* at) { access(READ, SITE, (uint64_t)at, bytes); }             \
  void __tsan_unaligned_write##bytes(void* at) { access(WRITE, SITE, (uint64_t)at, bytes); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __tsan_read_range(void* at, unsigned long size) { access(READ, SITE, (uint64_t)at, size); }
void __tsan_write_range(void* at, unsigned long size) { access(WRITE, SITE, (uint64_t)at, size); }
}
