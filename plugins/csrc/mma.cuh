// mma.cuh - the matrix unit of a warp, the only place that names it.
//
// float16 has one since sm_70, bfloat16 since sm_80; products of halves are exact and summed in
// float32. float32 has none that keeps its digits (TF32 drops 13 of 24 bits, and the best match
// is decided in the last ones). simt_units.h is the tests' twin, for running kernels on a CPU.
#ifndef CSAKIT_MMA_CUH_
#define CSAKIT_MMA_CUH_

#include <type_traits>

#include "device.cuh"

namespace csakit {

constexpr int32_t kUnitSide = 16;  // rows, columns and channels of one instruction
constexpr int32_t kUnitTiles = 2;  // instructions side by side: 16 rows, 32 columns a warp

// True where this pass of the compiler makes code that has a matrix unit for T.
template <typename T>
inline constexpr bool kHasMatrixUnit =
#if !defined(__CUDACC__)
    !std::is_same_v<T, float>;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
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

// Products of 16 rows with 32 columns, both given as rows in shared memory, `line` elements apart.
template <typename T>
class MatrixUnit {
 public:
  __device__ void clear() {
#pragma unroll
    for (int32_t t = 0; t < kUnitTiles; ++t) {
      nvcuda::wmma::fill_fragment(sums_[t], 0.0F);
    }
  }

  // Add the products of kUnitSide channels.
  __device__ void multiply(const T* rows, const T* columns, int32_t line) {
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, kUnitSide, kUnitSide, kUnitSide, T,
                           nvcuda::wmma::row_major>
        left;
    nvcuda::wmma::load_matrix_sync(left, rows, line);
#pragma unroll
    for (int32_t t = 0; t < kUnitTiles; ++t) {
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, kUnitSide, kUnitSide, kUnitSide, T,
                             nvcuda::wmma::col_major>
          right;
      nvcuda::wmma::load_matrix_sync(right, columns + t * kUnitSide * line, line);
      nvcuda::wmma::mma_sync(sums_[t], left, right, sums_[t]);
    }
  }

  __device__ void store(float* products, int32_t line) const {
#pragma unroll
    for (int32_t t = 0; t < kUnitTiles; ++t) {
      nvcuda::wmma::store_matrix_sync(products + t * kUnitSide, sums_[t], line,
                                      nvcuda::wmma::mem_row_major);
    }
  }

 private:
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kUnitSide, kUnitSide, kUnitSide, float>
      sums_[kUnitTiles];
};

}  // namespace csakit

#endif  // !__CUDACC__

#endif  // CSAKIT_MMA_CUH_
