// image.cuh - sizes and pointers of one image, for the block that walks its holes.
#ifndef CSAKIT_IMAGE_CUH_
#define CSAKIT_IMAGE_CUH_

#include "device.cuh"

namespace csakit {

template <typename T>
struct Image {
  const Attention<T>& a;
  int32_t index;
  int32_t holes;   // M
  int32_t chunks;  // ceil(M / S)
  const T* rows;   // (N, stride)

  __device__ size_t start() const { return startOf(index, 1, a.positions); }
  template <bool kCosine>
  __device__ const float* gram(int32_t chunk) const {
    return a.gram + startOf(index * a.chunks + chunk, (kCosine ? 2 : 1) * kChunk, kGramLine);
  }
  // Channel c of a row. A wide product is one instruction, an index takes five; float32, which
  // holds more in registers, would spill on sm_100.
  __device__ const T* at(uint32_t position, int32_t c) const {
    const std::conditional_t<sizeof(T) == 2, uint64_t, uint32_t> row = position;
    const char* first = reinterpret_cast<const char*>(rows + c);
    return reinterpret_cast<const T*>(first + row * static_cast<uint32_t>(a.stride * sizeof(T)));
  }
};

}  // namespace csakit

#endif  // CSAKIT_IMAGE_CUH_
