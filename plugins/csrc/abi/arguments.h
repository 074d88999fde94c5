// arguments.h - every precondition of the C interface, checked in one place.
#ifndef CSAKIT_ARGUMENTS_H_
#define CSAKIT_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>

#include "csakit.h"

namespace csakit {

// One of the caller's pointers: its name, and the number of bytes used behind it.
struct Memory {
  const char* name;
  const void* pointer;
  size_t bytes;
  bool written;
  bool optional;  // may be null
};

size_t bytesOf(int32_t dtype);                          // of one element; 0 if unknown
size_t tensorBytes(const csakit_attention_desc& desc);  // of the features
size_t holeBytes(const csakit_attention_desc& desc);
size_t matchesBytes(const csakit_attention_desc& desc);

// Sizes and enumerators.
csakit_status checkDescription(const csakit_attention_desc* desc, const char* caller);

// Null pointers, alignment, overlap with outputs: all checks that need no call of CUDA.
csakit_status checkAddresses(const Memory* memory, size_t count);

// Memory of the current device.
csakit_status checkPlaces(const Memory* memory, size_t count);

}  // namespace csakit

#endif  // CSAKIT_ARGUMENTS_H_
