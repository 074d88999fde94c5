// What the fake driver keeps: contexts, memory, streams and graphs, all in host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace fake {

using Status = int;  // CUresult
constexpr Status kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3;
constexpr Status kInvalidDevice = 101, kInvalidContext = 201, kInvalidSource = 300;
constexpr Status kInvalidHandle = 400, kNotFound = 500, kNotReady = 600;
constexpr Status kIllegalAddress = 700, kContextDestroyed = 709, kNotSupported = 801;
constexpr Status kCaptureUnsupported = 900, kCaptureInvalidated = 901;

constexpr int kDevices = 2;
constexpr size_t kGuard = 256;     // bytes on either side of a block
constexpr unsigned char kGuarded = 0xA5;
constexpr unsigned char kPoison = 0xFF;  // of fresh memory: NaN in every type

using Work = std::function<Status()>;

struct Context {
    int retained = 0;
};

// Work waits here until somebody synchronises: whoever forgets to finds old bytes.
struct Stream {
    std::deque<Work> work;
    uint64_t enqueued = 0, done = 0;
    bool capturing = false, invalidated = false;
    std::vector<Work> captured;
};

struct Event {
    Stream* stream = nullptr;
    uint64_t position = 0;
    double seconds = 0;
    bool recorded = false, timing = true;
};

struct Graph {
    std::vector<Work> work;
};

struct Block {
    size_t bytes;
    char* begin;  // of the guard before it
    bool device;
};

struct Driver {
    std::recursive_mutex lock;
    int process = 0;  // that initialised it
    Status broken = kSuccess;  // an error of work that was done later stays
    Context contexts[kDevices];
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<Graph*> graphs, programs;
    std::map<uintptr_t, Block> blocks;
    std::map<std::string, Status> failing;  // calls that a test lets fail, once
    size_t device_bytes = 0, limit = size_t{1} << 32;
    int violations = 0;
};

Driver& driver();
std::vector<Context*>& current();  // of this thread, the last is current

// As CU_STREAM_CAPTURE_MODE_THREAD_LOCAL has it; null where there is none.
Stream*& captured_by_this_thread();

// Why a call must not go on: not initialised, forked, no context, broken, or told to fail.
Status refuse(const char* name, bool needs_context = true);
// A call that is not allowed while this thread captures a stream.
Status refuse_while_capturing();
Status enqueue(Stream* stream, Work work);
Status drain(Stream* stream, uint64_t until);
// Whether all bytes lie in one block.
bool inside(uintptr_t address, size_t bytes);
Stream* stream_of(void* handle);

}  // namespace fake
