// device.cuh - common device code of the kernels: storage types, wide loads, sums over a warp.
#ifndef CSAKIT_DEVICE_CUH_
#define CSAKIT_DEVICE_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "csakit.h"
#include "kernels.h"

namespace csakit {

constexpr unsigned int kAllLanes = 0xffffffffU;
constexpr float kNormEpsilon = 1e-8F;     // plugins/spec.py NORM_EPSILON
constexpr float kDenominatorMin = 1e-6F;  // plugins/spec.py DENOMINATOR_MIN
constexpr float kHoleThreshold = 0.5F;    // plugins/spec.py HOLE_THRESHOLD
constexpr float kLargest = 3.402823466e+38F;

// ---- storage types: arithmetic is float32, T is for storage only ------------------------
__device__ inline float toFloat(float value) { return value; }
__device__ inline float toFloat(__half value) { return __half2float(value); }
__device__ inline float toFloat(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename T>
__device__ inline T fromFloat(float value);
template <>
__device__ inline float fromFloat<float>(float value) {
  return value;
}
template <>
__device__ inline __half fromFloat<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ inline __nv_bfloat16 fromFloat<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// kBytes of consecutive elements, loaded and stored in one instruction.
template <typename T, int32_t kBytes>
struct alignas(kBytes) Pack {
  static constexpr int32_t kCount = kBytes / static_cast<int32_t>(sizeof(T));
  T values[kCount];
};

template <int32_t kBytes, typename T>
__device__ inline Pack<T, kBytes> loadPack(const T* from) {
  return *reinterpret_cast<const Pack<T, kBytes>*>(from);
}

// The same as words, to hold them in registers: 16-bit elements would take a register each.
template <int32_t kBytes>
using Words = Pack<uint32_t, kBytes>;

template <int32_t kBytes, typename T>
__device__ inline Words<kBytes> loadWords(const T* from) {
  return loadPack<kBytes>(reinterpret_cast<const uint32_t*>(from));
}

template <typename T, int32_t kBytes>
__device__ inline Pack<T, kBytes> unpack(const Words<kBytes>& words) {
  Pack<T, kBytes> pack;
  memcpy(&pack, &words, kBytes);
  return pack;
}

// ---- launches ------------------------------------------------------------------------
#if defined(__CUDACC__)
// Wait for the previous kernel, and see its writes. The first statement of a kernel, for all
// threads. Does nothing if launches do not overlap.
__device__ inline void awaitPrevious() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// Allow the next kernel to start once all blocks have called this.
__device__ inline void admitNext() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
#else  // compiled as plain C++ by the tests, which check that no memory is accessed before
#define awaitPrevious() simt::awaited(__FILE__, __LINE__)
inline void admitNext() {}
#endif

// ---- warps ----------------------------------------------------------------------------
__device__ inline int32_t laneOf(unsigned int thread) {
  return static_cast<int32_t>(thread) % kWarp;
}
__device__ inline int32_t warpOf(unsigned int thread) {
  return static_cast<int32_t>(thread) / kWarp;
}

// One instruction each, accurate to two units in the last place; denormal numbers count as zero.
// Volatile, so that the compiler does not move them behind a condition evaluated meanwhile.
#if defined(__CUDACC__)
__device__ inline float fastReciprocal(float value) {
  float result;
  asm volatile("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}
__device__ inline float fastRoot(float value) {
  float result;
  asm volatile("sqrt.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}
#else  // compiled as plain C++ by the tests
inline float fastReciprocal(float value) { return 1.0F / value; }
inline float fastRoot(float value) { return sqrtf(value); }
#endif

// Returns the sum in every lane.
__device__ inline float sumOverWarp(float value) {
#pragma unroll
  for (int32_t distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// The hole of an image in any of the three types; all threads take the same branch.
__device__ inline bool isHole(const void* hole, int32_t dtype, size_t index) {
  float value = 0.0F;
  if (dtype == CSAKIT_FLOAT32) {
    value = static_cast<const float*>(hole)[index];
  } else if (dtype == CSAKIT_FLOAT16) {
    value = toFloat(static_cast<const __half*>(hole)[index]);
  } else {
    value = toFloat(static_cast<const __nv_bfloat16*>(hole)[index]);
  }
  return value > kHoleThreshold;
}

// Where image `image` starts in a (B, rows, columns) array.
__device__ inline size_t startOf(int32_t image, int32_t rows, int32_t columns) {
  return static_cast<size_t>(image) * static_cast<size_t>(rows) * static_cast<size_t>(columns);
}

// Where a row of an image starts, from the image on; 32 bits are enough and cheaper.
static_assert(static_cast<int64_t>(CSAKIT_MAX_POSITIONS) * CSAKIT_MAX_CHANNELS < INT32_MAX);
__device__ inline int32_t rowAt(int32_t position, int32_t stride) { return position * stride; }

}  // namespace csakit

#endif  // CSAKIT_DEVICE_CUH_
