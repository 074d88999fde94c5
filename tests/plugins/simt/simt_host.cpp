// simt_host.cpp - what the host calls: launches, graphs, and questions about memory.
//
// A capture is as strict as CUDA's own: until the thread asks for tolerance it may neither ask
// where memory lies nor launch what is not loaded, and nothing is loaded when a capture begins.

#include <dlfcn.h>

#include <set>
#include <utility>
#include <vector>

#include "cuda_runtime.h"
#include "simt_check.h"

namespace simt {
namespace {

constexpr uint32_t kMostThreads = 1024;
constexpr uint32_t kMostBlocks = 65535;  // in y and z

struct Launch {
  dim3 grid;
  dim3 block;
  std::function<void()> kernel;
};
std::vector<Launch> graph;
std::set<const void*> loaded;
cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
bool capturing = false;
cudaError_t next_error = cudaSuccess;
bool refuses_overlap = false;

// Where the process has a driver, real or fake, what that allocated is device memory too.
bool isAllocatedByDriver(const void* pointer) {
  using Ask = int (*)(int*, int, const void*);
  static const auto ask = reinterpret_cast<Ask>(dlsym(RTLD_DEFAULT, "cuPointerGetAttribute"));
  constexpr int kDeviceOrdinal = 9;
  int device = 0;
  return ask != nullptr && ask(&device, kDeviceOrdinal, pointer) == 0 && device == 0;
}

bool isForbidden() { return capturing && mode != cudaStreamCaptureModeRelaxed; }

cudaError_t errorOf(const void* code, dim3 grid, dim3 block) {
  const bool possible = block.x <= kMostThreads && block.y == 1 && block.z == 1 && grid.x > 0 &&
                        grid.y > 0 && grid.y <= kMostBlocks && grid.z > 0 && grid.z <= kMostBlocks;
  if (!possible) {
    return cudaErrorInvalidConfiguration;
  }
  const bool is_new = loaded.insert(code).second;
  return is_new && isForbidden() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

}  // namespace

cudaError_t enqueue(const void* code, dim3 grid, dim3 block, std::function<void()> kernel) {
  cudaError_t error = std::exchange(next_error, cudaSuccess);
  if (error == cudaSuccess) {
    error = errorOf(code, grid, block);
  }
  if (error != cudaSuccess) {
    return error;
  }
  if (capturing) {
    graph.push_back({grid, block, std::move(kernel)});
  } else {
    run(grid, block, kernel);
  }
  return cudaSuccess;
}

bool refusesOverlap() { return refuses_overlap; }

}  // namespace simt

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 9;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(simt::mode, *mode);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  if (simt::isForbidden()) {
    return cudaErrorStreamCaptureUnsupported;
  }
  *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, const_cast<void*>(pointer)};
  int device = 0;
  if (simt::findDevice(pointer, &device) || simt::isAllocatedByDriver(pointer)) {
    *attributes = {cudaMemoryTypeDevice, device, const_cast<void*>(pointer), nullptr};
  }
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t) { return "an error that a test asked for"; }
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorOfTest"; }

// ---- what tests ask for ---------------------------------------------------------------
extern "C" {
#define SIMT_API __attribute__((visibility("default")))

SIMT_API void simt_fail_next_launch(int error) {
  simt::next_error = static_cast<cudaError_t>(error);
}

SIMT_API void simt_refuse_overlap(int refuse) { simt::refuses_overlap = refuse != 0; }

SIMT_API void simt_begin_capture() {
  simt::graph.clear();
  simt::loaded.clear();
  simt::capturing = true;
}

SIMT_API void simt_end_capture() { simt::capturing = false; }

SIMT_API int simt_capture_mode() { return simt::mode; }

SIMT_API void simt_replay() {
  for (const simt::Launch& launch : simt::graph) {
    simt::run(launch.grid, launch.block, launch.kernel);
  }
}

}  // extern "C"
