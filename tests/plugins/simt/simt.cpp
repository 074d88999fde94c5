// simt.cpp - run the threads of a block as fibres, one block after another.
//
// A fibre runs until it waits. The scheduler goes through the warps and, in each, through the
// lanes, until all of them wait for the block's barrier or have ended; then the barrier opens.
// A warp whose lanes wait for different things can never go on: that is a defect of the kernel
// and reported. Barriers can be taken away by file and line, to prove that each is needed, and
// the waits for asynchronous copies all at once.

#include <ucontext.h>
#include <csetjmp>
#include <deque>
#include <string>
#include <vector>

#include "cuda_fp16.h"
#include "simt_check.h"
#include "simt_units.h"

uint3 threadIdx{};
uint3 blockIdx{};
dim3 gridDim{};
dim3 blockDim{};

namespace simt {
namespace {

constexpr uint32_t kLanes = 32;
constexpr uint32_t kMostThreads = 1024;
constexpr size_t kStackBytes = 128 * 1024;

struct Copy {
  void* to;
  const void* from;
  bool valid;
};

enum class State {
  kReady,
  kWarp,
  kBlock,
  kDone
};

struct Fibre {
  std::vector<char> stack;
  jmp_buf context;
  bool begun = false;
  State state = State::kDone;
  bool is_early = false;   // the kernel before may still run
  uint32_t exchanges = 0;  // parity chooses the slots of the warp
  std::vector<Copy> open;  // copies of the group that is not committed yet
  std::deque<std::vector<Copy>> groups;
};

std::vector<Fibre> fibres(kMostThreads);
uint64_t slots[kMostThreads][2];
uint32_t running = 0;  // index of the fibre
Place place{};
const std::function<void()>* kernel = nullptr;
jmp_buf scheduler;
std::string dropped;  // "file:line" of a barrier that is taken away, or "asyncWait"
uint32_t opened = 0;  // barriers of the block so far
bool votes[2] = {};   // at the barrier that opens next, and at the one before it
bool orders = true;   // whether the barrier that opens next orders accesses

uint32_t threads() { return blockDim.x; }

void yield(State state) {
  fibres[running].state = state;
  if (_setjmp(fibres[running].context) == 0) {
    _longjmp(scheduler, 1);
  }
}

void fibreMain() {
  for (;;) {
    (*kernel)();
    fibres[running].open.clear();
    fibres[running].groups.clear();
    yield(State::kDone);
  }
}

// A fibre's stack is entered once with ucontext; from then on _longjmp, which makes no system
// call, goes to and fro.
void begin(Fibre* fibre) {
  fibre->begun = true;
  fibre->stack.resize(kStackBytes);
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fibre->stack.data();
  context.uc_stack.ss_size = kStackBytes;
  context.uc_link = nullptr;
  makecontext(&context, fibreMain, 0);
  setcontext(&context);
}

void resume(uint32_t index) {
  running = index;
  threadIdx = {index, 0, 0};
  place.thread = index;
  if (_setjmp(scheduler) == 0) {
    if (fibres[index].begun) {
      _longjmp(fibres[index].context, 1);
    }
    begin(&fibres[index]);
  }
}

// Run a warp until no lane can go on; tell whether any lane waits for the block's barrier.
bool runWarp(uint32_t first) {
  const uint32_t last = std::min(first + kLanes, threads());
  for (;;) {
    uint32_t exchanging = 0;
    bool at_barrier = false;
    for (uint32_t i = first; i < last; ++i) {
      if (fibres[i].state == State::kReady) {
        resume(i);
      }
      exchanging += fibres[i].state == State::kWarp ? 1 : 0;
      at_barrier = at_barrier || fibres[i].state == State::kBlock;
    }
    if (exchanging == 0) {
      return at_barrier;
    }
    if (exchanging != kLanes) {
      report("warp %u of block %u: %u of 32 lanes take part in an exchange", first / kLanes,
             place.block, exchanging);
    }
    for (uint32_t i = first; i < last; ++i) {
      if (fibres[i].state == State::kWarp) {
        fibres[i].state = State::kReady;
      }
    }
  }
}

void runBlock() {
  poisonShared();
  place.phase = 0;
  votes[0] = votes[1] = false;
  for (uint32_t i = 0; i < threads(); ++i) {
    fibres[i].state = State::kReady;
    fibres[i].exchanges = 0;
    fibres[i].is_early = false;
  }
  for (bool waiting = true; waiting;) {
    waiting = false;
    for (uint32_t first = 0; first < threads(); first += kLanes) {
      waiting = runWarp(first) || waiting;
    }
    uint32_t ended = 0;
    for (uint32_t i = 0; i < threads(); ++i) {
      ended += fibres[i].state == State::kDone ? 1 : 0;
      fibres[i].state = fibres[i].state == State::kBlock ? State::kReady : fibres[i].state;
    }
    if (waiting && ended != 0) {
      report("block %u: %u threads ended while others wait at a barrier", place.block, ended);
    }
    place.phase += orders ? 1 : 0;
    orders = true;
    votes[++opened % 2] = false;
  }
}

}  // namespace

void run(dim3 grid, dim3 block, const std::function<void()>& work) {
  kernel = &work;
  gridDim = grid;
  blockDim = block;
  ++place.launch;
  place.block = 0;
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x, ++place.block) {
        runBlock();
      }
    }
  }
}

bool isDropped(const char* file, int line) {
  const char* name = std::strrchr(file, '/') == nullptr ? file : std::strrchr(file, '/') + 1;
  return !dropped.empty() && dropped == std::string(name) + ":" + std::to_string(line);
}

void startEarly() { fibres[running].is_early = true; }

void awaited(const char* file, int line) {
  fibres[running].is_early = fibres[running].is_early && isDropped(file, line);
}

void blockBarrier(const char* file, int line) {
  if (!isDropped(file, line)) {
    yield(State::kBlock);
  }
}

// Dropped, it still counts the votes, so that all threads go the same way.
int blockBarrierOr(bool vote, const char* file, int line) {
  bool* const vote_of_all = &votes[opened % 2];
  *vote_of_all = *vote_of_all || vote;
  orders = !isDropped(file, line);
  yield(State::kBlock);
  return *vote_of_all ? 1 : 0;
}

// Two slots a lane: nobody writes a slot again before all have passed the exchange after.
uint64_t exchange(uint64_t value, int source) {
  const uint32_t parity = fibres[running].exchanges++ % 2;
  slots[running][parity] = value;
  yield(State::kWarp);
  return slots[running / kLanes * kLanes + static_cast<uint32_t>(source) % kLanes][parity];
}

unsigned int ballot(bool vote) {
  const uint32_t parity = fibres[running].exchanges % 2;
  exchange(vote ? 1 : 0, 0);
  unsigned int votes = 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    votes |= static_cast<unsigned int>(slots[running / kLanes * kLanes + lane][parity]) << lane;
  }
  return votes;
}

// The checks are told of every access by the functions that the compiler calls for it.
void note(const void* address, size_t bytes, Access access) {
  if (kernel != nullptr) {
    int device = 0;
    if (fibres[running].is_early && findDevice(address, &device)) {
      report("a kernel touches memory before it waits for the one before it");
    }
    record(place, address, bytes, access);
  }
}

}  // namespace simt

// Only one fibre runs at a time: plain arithmetic is atomic.
void atomicMax(unsigned long long* address, unsigned long long value) {
  simt::record(simt::place, address, sizeof(value), simt::Access::kAtomic);
  *address = std::max(*address, value);
}

void atomicAdd(float* address, float value) {
  simt::record(simt::place, address, sizeof(value), simt::Access::kAtomic);
  *address += value;
}

namespace csakit {

void asyncCopy(void* to, const void* from, bool valid) {
  const bool aligned =
      (reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % kAsyncBytes == 0;
  if (!aligned) {
    simt::report("an asynchronous copy is not aligned to 16 bytes");
  }
  simt::record(simt::place, to, kAsyncBytes, simt::Access::kWrite);  // from now on it may land
  simt::fibres[simt::running].open.push_back({to, from, valid});
}

void asyncCommit() {
  simt::Fibre& fibre = simt::fibres[simt::running];
  fibre.groups.push_back(std::move(fibre.open));
  fibre.open.clear();
}

void asyncWaitUntil(int32_t pending) {
  simt::Fibre& fibre = simt::fibres[simt::running];
  if (simt::dropped == "asyncWait") {
    return;
  }
  for (; fibre.groups.size() > static_cast<size_t>(pending); fibre.groups.pop_front()) {
    for (const simt::Copy& copy : fibre.groups.front()) {
      simt::record(simt::place, copy.to, kAsyncBytes, simt::Access::kWrite);
      if (copy.valid) {
        simt::record(simt::place, copy.from, kAsyncBytes, simt::Access::kRead);
        std::memcpy(copy.to, copy.from, kAsyncBytes);
      } else {
        std::memset(copy.to, 0, kAsyncBytes);
      }
    }
  }
}

}  // namespace csakit

extern "C" __attribute__((visibility("default"))) void simt_drop_barrier(const char* site) {
  simt::dropped = site;
}
