// cuda_runtime.h - the CUDA that the kernels use, as plain C++17, so that they run on a CPU.
//
// The kernels are compiled unchanged: this folder comes first on the include path, and this file
// stands in for CUDA's. Every CUDA thread is a fibre with its own stack; one operating system
// thread runs them in turn, block after block, switching where a thread waits for others
// (barriers and warp exchanges). simt.cpp has the machinery, simt_host.cpp what the host calls,
// simt_units.h the matrix unit and the asynchronous copies, simt_check.h what is checked on the
// way.
#ifndef CSAKIT_TESTS_SIMT_CUDA_RUNTIME_H_
#define CSAKIT_TESTS_SIMT_CUDA_RUNTIME_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
// Thread-local memory has a segment of its own, which the checks and the poison can find.
#define __shared__ static thread_local

struct uint3 {
  unsigned int x, y, z;
};
struct dim3 {
  unsigned int x, y, z;
  dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
};

extern uint3 threadIdx;  // set whenever a fibre goes on
extern uint3 blockIdx;
extern dim3 gridDim;
extern dim3 blockDim;

// ---- what the host calls --------------------------------------------------------------
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorInvalidKernelImage = 200,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2
};
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeDevice = 2
};
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};
using cudaStream_t = struct CUstream_st*;

enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor = 75
};
struct cudaFuncAttributes {
  int ptxVersion;
};
enum cudaLaunchAttributeID {
  cudaLaunchAttributeProgrammaticStreamSerialization = 6
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    int programmaticStreamSerializationAllowed;
  } val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned int numAttrs;
};

cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetLastError();
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);

namespace simt {

// Run the kernel, whose code is at `code`, or keep it for replay while a graph is captured.
cudaError_t enqueue(const void* code, dim3 grid, dim3 block, std::function<void()> kernel);
bool refusesOverlap();

// Let the kernel touch nothing of the device until the thread has waited for the one before.
void startEarly();
void awaited(const char* file, int line);

void run(dim3 grid, dim3 block, const std::function<void()>& kernel);  // block after block

void blockBarrier(const char* file, int line);
int blockBarrierOr(bool vote, const char* file, int line);
uint64_t exchange(uint64_t value, int source);  // with the lanes of a warp
unsigned int ballot(bool vote);

template <typename T>
T shuffle(T value, int source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = exchange(bits, source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace simt

template <typename Argument>
cudaError_t cudaLaunchKernel(void (*kernel)(Argument), dim3 grid, dim3 block, void** arguments,
                             size_t, cudaStream_t) {
  const Argument argument = *static_cast<Argument*>(arguments[0]);
  const void* const code = reinterpret_cast<const void*>(kernel);
  return simt::enqueue(code, grid, block, [kernel, argument] { kernel(argument); });
}

template <typename Argument>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Argument),
                               const Argument& argument) {
  if (simt::refusesOverlap()) {
    return cudaErrorNotSupported;
  }
  const auto early = [kernel, argument] {
    simt::startEarly();
    kernel(argument);
  };
  return simt::enqueue(reinterpret_cast<const void*>(kernel), config->gridDim, config->blockDim,
                       early);
}

template <typename Argument>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*)(Argument)) {
  attributes->ptxVersion = 90;
  return cudaSuccess;
}

// ---- what kernels call ----------------------------------------------------------------
#define __syncthreads() simt::blockBarrier(__FILE__, __LINE__)
#define __syncthreads_or(vote) simt::blockBarrierOr(vote, __FILE__, __LINE__)

#define __syncwarp() simt::ballot(true)

// All 32 lanes take part in every exchange of ours.
#define __shfl_sync(mask, value, lane) simt::shuffle(value, lane)
#define __shfl_xor_sync(mask, value, distance) \
  simt::shuffle(value, static_cast<int>(threadIdx.x % 32) ^ (distance))
#define __ballot_sync(mask, vote) simt::ballot(vote)

inline int __popc(unsigned int bits) { return __builtin_popcount(bits); }

inline unsigned int __float_as_uint(float value) {
  unsigned int bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float __uint_as_float(unsigned int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// In simt.cpp, so that they are not taken for the reading and writing that they are made of.
void atomicMax(unsigned long long* address, unsigned long long value);
void atomicAdd(float* address, float value);

inline float simtFma(float a, float b, float c) {  // the product of two floats is exact in double
  return static_cast<float>(static_cast<double>(a) * b + c);
}
#define fmaf simtFma  // libm's is a call of 20 ns where the machine has the instruction or not

using std::max;
using std::min;

#endif  // CSAKIT_TESTS_SIMT_CUDA_RUNTIME_H_
