// mma.cuh - products on the matrix units of a warp.
//
// float16 has them since sm_70, bfloat16 since sm_80; products of halves are exact, their sums in
// float32 are truncated instead of rounded, about once per 16 channels: near 1e-6 of a sum of 512
// positive ones, in the same direction for all, so that ratios hardly change. There is none for
// full float32 (TF32 drops 13 of 24 bits, and the best match is decided in the last ones). The
// tests replace this by simt_units.h to run kernels on a CPU.
#ifndef CSAKIT_MMA_CUH_
#define CSAKIT_MMA_CUH_

#include <type_traits>

#include "device.cuh"

namespace csakit {

constexpr int32_t kUnitSide = 16;  // rows, columns and channels of one instruction

// True if this compilation targets an architecture with matrix units for T.
template <typename T>
inline constexpr bool kHasMatrixUnit =
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    !std::is_same_v<T, float>;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
    std::is_same_v<T, __half>;
#else
    false;
#endif

}  // namespace csakit

#if !defined(__CUDACC__)
#include "simt_units.h"
#else

#include <mma.h>

namespace csakit {

// Products of 16 kDown rows with 16 kAcross columns, both given as rows in shared memory, `line`
// elements apart.
template <typename T, int32_t kDown, int32_t kAcross>
class MatrixUnit {
 public:
  __device__ void clear() {
#pragma unroll
    for (int32_t i = 0; i < kDown * kAcross; ++i) {
      nvcuda::wmma::fill_fragment(sums_[i], 0.0F);
    }
  }

  // Add the products of kUnitSide channels.
  __device__ void multiply(const T* rows, const T* columns, int32_t line) {
    Fragment<nvcuda::wmma::matrix_a, nvcuda::wmma::row_major> left[kDown];
    Fragment<nvcuda::wmma::matrix_b, nvcuda::wmma::col_major> right;
#pragma unroll
    for (int32_t r = 0; r < kDown; ++r) {
      nvcuda::wmma::load_matrix_sync(left[r], rows + r * kUnitSide * line, line);
    }
#pragma unroll
    for (int32_t c = 0; c < kAcross; ++c) {
      nvcuda::wmma::load_matrix_sync(right, columns + c * kUnitSide * line, line);
#pragma unroll
      for (int32_t r = 0; r < kDown; ++r) {
        auto& sum = sums_[r * kAcross + c];
        nvcuda::wmma::mma_sync(sum, left[r], right, sum);
      }
    }
  }

  __device__ void store(float* products, int32_t line) const {
#pragma unroll
    for (int32_t i = 0; i < kDown * kAcross; ++i) {
      float* to = products + i / kAcross * kUnitSide * line + i % kAcross * kUnitSide;
      nvcuda::wmma::store_matrix_sync(to, sums_[i], line, nvcuda::wmma::mem_row_major);
    }
  }

 private:
  template <typename Use, typename Order>
  using Fragment = nvcuda::wmma::fragment<Use, kUnitSide, kUnitSide, kUnitSide, T, Order>;

  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kUnitSide, kUnitSide, kUnitSide, float>
      sums_[kDown * kAcross];
};

}  // namespace csakit

#endif  // !__CUDACC__

#endif  // CSAKIT_MMA_CUH_
