// simt_check.h - what is checked while kernels run on a CPU; simt_check.cpp says how.
#ifndef CSAKIT_TESTS_SIMT_CHECK_H_
#define CSAKIT_TESTS_SIMT_CHECK_H_

#include <cstddef>
#include <cstdint>

namespace simt {

// Where execution is; two accesses are ordered by a barrier if their phases differ.
struct Place {
  uint32_t launch;
  uint32_t block;
  uint32_t phase;  // barriers that the block has passed
  uint32_t thread;
};

enum class Access {
  kRead,
  kWrite,
  kAtomic
};

struct Range {
  char* begin;
  size_t bytes;
};

Range sharedMemory();  // of the kernels: the thread-local segment of this library
void poisonShared();   // what a block has not written reads as NaN
void record(const Place& place, const void* address, size_t bytes, Access access);
bool findDevice(const void* pointer, int* device);
void report(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace simt

#endif  // CSAKIT_TESTS_SIMT_CHECK_H_
