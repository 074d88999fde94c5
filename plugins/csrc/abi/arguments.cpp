// arguments.cpp - see arguments.h. Error texts state the argument, its rule and its value.

#include "arguments.h"

#include <cuda_runtime.h>

#include "status.h"

namespace csakit {
namespace {

constexpr uintptr_t kAlignment = 16;  // bytes: the widest load of one thread

struct Range {
  const char* name;
  int32_t value;
  int32_t last;  // the range is 0..last
};

csakit_status checkEnumerators(const csakit_attention_desc& desc) {
  const Range ranges[] = {{"dtype", desc.dtype, CSAKIT_BFLOAT16},
                          {"hole_dtype", desc.hole_dtype, CSAKIT_BFLOAT16},
                          {"similarity", desc.similarity, CSAKIT_COSINE},
                          {"layout", desc.layout, CSAKIT_NHWC},
                          {"chain", desc.chain, CSAKIT_SEQUENTIAL}};
  for (const Range& range : ranges) {
    if (range.value < 0 || range.value > range.last) {
      return fail(CSAKIT_INVALID_ARGUMENT, "desc->%s must be an enumerator in 0..%d; got %d",
                  range.name, range.last, range.value);
    }
  }
  return CSAKIT_OK;
}

csakit_status checkSizes(const csakit_attention_desc& desc) {
  const Range ranges[] = {{"batch", desc.batch, CSAKIT_MAX_BATCH},
                          {"channels", desc.channels, CSAKIT_MAX_CHANNELS},
                          {"height", desc.height, CSAKIT_MAX_POSITIONS},
                          {"width", desc.width, CSAKIT_MAX_POSITIONS}};
  for (const Range& range : ranges) {
    if (range.value < 1 || range.value > range.last) {
      return fail(range.value < 1 ? CSAKIT_INVALID_ARGUMENT : CSAKIT_UNSUPPORTED_SIZE,
                  "desc->%s must be in 1..%d; got %d", range.name, range.last, range.value);
    }
  }
  const int64_t positions = static_cast<int64_t>(desc.height) * desc.width;
  if (positions > CSAKIT_MAX_POSITIONS) {
    return fail(CSAKIT_UNSUPPORTED_SIZE,
                "desc->height * desc->width must be in 1..%d; got %d * %d = %lld",
                CSAKIT_MAX_POSITIONS, desc.height, desc.width, static_cast<long long>(positions));
  }
  return CSAKIT_OK;
}

csakit_status checkAddress(const Memory& m) {
  if (m.pointer == nullptr) {
    return m.optional ? CSAKIT_OK : fail(CSAKIT_INVALID_ARGUMENT, "%s must not be null", m.name);
  }
  const uintptr_t excess = reinterpret_cast<uintptr_t>(m.pointer) % kAlignment;
  if (excess != 0) {
    return fail(CSAKIT_INVALID_ARGUMENT, "%s must be aligned to %d bytes; got %p, %d past it",
                m.name, static_cast<int>(kAlignment), m.pointer, static_cast<int>(excess));
  }
  return CSAKIT_OK;
}

bool overlap(const Memory& a, const Memory& b) {
  const uintptr_t a_begin = reinterpret_cast<uintptr_t>(a.pointer);
  const uintptr_t b_begin = reinterpret_cast<uintptr_t>(b.pointer);
  return a_begin < b_begin + b.bytes && b_begin < a_begin + a.bytes;
}

csakit_status checkOverlap(const Memory* memory, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < i; ++j) {
      const bool conflict = memory[i].written || memory[j].written;
      const bool present = memory[i].pointer != nullptr && memory[j].pointer != nullptr;
      if (conflict && present && overlap(memory[i], memory[j])) {
        return fail(CSAKIT_INVALID_ARGUMENT,
                    "%s may not overlap %s; got %zu bytes at %p and %zu bytes at %p",
                    memory[i].name, memory[j].name, memory[i].bytes, memory[i].pointer,
                    memory[j].bytes, memory[j].pointer);
      }
    }
  }
  return CSAKIT_OK;
}

// A kernel that accesses memory of the host or of another device destroys the whole CUDA context,
// so this query is worth its fraction of a microsecond. It is no stream operation, and
// CaptureTolerance permits it during strict captures.
csakit_status checkPlace(const Memory& m, int32_t device) {
  cudaPointerAttributes attributes{};
  const cudaError_t error = cudaPointerGetAttributes(&attributes, m.pointer);
  if (error != cudaSuccess) {
    return fromCuda(error, m.name);
  }
  if (attributes.type == cudaMemoryTypeDevice && attributes.device != device) {
    return fail(CSAKIT_INVALID_ARGUMENT,
                "%s must be memory of the current device, %d; got memory of device %d", m.name,
                device, attributes.device);
  }
  if (attributes.devicePointer == nullptr) {
    return fail(CSAKIT_INVALID_ARGUMENT,
                "%s must be memory of the current device, %d; got host memory at %p", m.name,
                device, m.pointer);
  }
  return CSAKIT_OK;
}

}  // namespace

size_t bytesOf(int32_t dtype) {
  switch (dtype) {
    case CSAKIT_FLOAT32: return 4;
    case CSAKIT_FLOAT16: return 2;
    case CSAKIT_BFLOAT16: return 2;
    default: return 0;
  }
}

size_t matchesBytes(const csakit_attention_desc& desc) {
  return sizeof(int32_t) * static_cast<size_t>(desc.batch) * desc.height * desc.width;
}

size_t holeBytes(const csakit_attention_desc& desc) {
  return bytesOf(desc.hole_dtype) * static_cast<size_t>(desc.batch) * desc.height * desc.width;
}

size_t tensorBytes(const csakit_attention_desc& desc) {
  return bytesOf(desc.dtype) * static_cast<size_t>(desc.batch) * desc.height * desc.width *
         desc.channels;
}

csakit_status checkDescription(const csakit_attention_desc* desc, const char* caller) {
  if (desc == nullptr) {
    return fail(CSAKIT_INVALID_ARGUMENT, "%s: desc must not be null", caller);
  }
  if (desc->struct_bytes != static_cast<int32_t>(sizeof(csakit_attention_desc))) {
    return fail(CSAKIT_INVALID_ARGUMENT,
                "desc->struct_bytes must be %d, the size of csakit_attention_desc; got %d",
                static_cast<int>(sizeof(csakit_attention_desc)), desc->struct_bytes);
  }
  const csakit_status status = checkEnumerators(*desc);
  return status == CSAKIT_OK ? checkSizes(*desc) : status;
}

csakit_status checkAddresses(const Memory* memory, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const csakit_status status = checkAddress(memory[i]);
    if (status != CSAKIT_OK) {
      return status;
    }
  }
  return checkOverlap(memory, count);
}

csakit_status checkPlaces(const Memory* memory, size_t count) {
  int32_t device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) {
    return fromCuda(error, "cudaGetDevice");
  }
  for (size_t i = 0; i < count; ++i) {
    const bool given = memory[i].pointer != nullptr;
    const csakit_status status = given ? checkPlace(memory[i], device) : CSAKIT_OK;
    if (status != CSAKIT_OK) {
      return status;
    }
  }
  return CSAKIT_OK;
}

}  // namespace csakit
