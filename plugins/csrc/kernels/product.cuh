// product.cuh - inner products of gathered rows with other gathered rows, by one block.
//
// The similarities of holes and known positions and the Gram blocks of chunks are the same product
// of different lists. Both gather: a row is contiguous and a multiple of 128 bytes, so that
// gathering costs no more than sequential reading, and nothing needs to be compacted first.
//
// Tiles are small for a matrix product. The usual case, 225 holes and 799 known positions, has 104
// tiles of 32 x 64: nearly every multiprocessor of a large GPU gets one, and none gets two. Larger
// tiles would read less and finish later. 64 x 128 reads half as much per product, which pays if
// there are several tiles per multiprocessor, as in batches. Gram blocks are 32 x 32: there are few
// of them, and they are limited by memory latency.
//
// Stages of 128 bytes per row, 64 in the large tile, are loaded ahead: as many as fit into the
// shared memory available without opting in.
#ifndef CSAKIT_PRODUCT_CUH_
#define CSAKIT_PRODUCT_CUH_

#include "async.cuh"
#include "device.cuh"
#include "mma.cuh"

namespace csakit {

template <typename T, int32_t kRowCount, int32_t kColumnCount>
struct ProductTraits {
  static constexpr int32_t kRows = kRowCount;
  static constexpr int32_t kColumns = kColumnCount;
  static constexpr bool kIsLarge = kColumns > 64;
  static constexpr int32_t kWarpsAcross = kIsLarge ? 4 : 2;  // and two down
  static constexpr int32_t kThreads = 2 * kWarpsAcross * kWarp;
  static constexpr int32_t kUnitsDown = kRows / 2 / kUnitSide;
  static constexpr int32_t kUnitsAcross = kColumns / kWarpsAcross / kUnitSide;
  static constexpr int32_t kStageBytes = kIsLarge ? kRowBytes / 2 : kRowBytes;      // per row
  static constexpr int32_t kDepth = kStageBytes / static_cast<int32_t>(sizeof(T));  // channels
  static constexpr int32_t kPiece = kAsyncBytes / static_cast<int32_t>(sizeof(T));
  static constexpr int32_t kPieces = kDepth / kPiece;  // asynchronous copies per row
  static constexpr int32_t kLine = kDepth + kPiece;  // 16 bytes more: eight rows, eight bank groups
  static constexpr int32_t kStages = kColumns == 32 ? 5 : 3;
  static constexpr int32_t kProductLine = kColumns + 4;  // rows four apart are in other banks
  static constexpr int32_t kWarpRows = kUnitsDown * kUnitSide;
  static constexpr int32_t kWarpColumns = kUnitsAcross * kUnitSide;
  static_assert(2 * kWarpRows == kRows && kWarpsAcross * kWarpColumns == kColumns);
  static_assert((kRows + kColumns) * kPieces % kThreads == 0);
};

// The shared memory of a block: static, below the 48 KB available without opting in.
template <typename T, int32_t kRowCount, int32_t kColumnCount>
struct alignas(32) ProductTile {  // matrix units need 32-byte aligned tiles
  using Traits = ProductTraits<T, kRowCount, kColumnCount>;
  union {
    T stages[Traits::kStages][Traits::kRows + Traits::kColumns][Traits::kLine];
    float products[Traits::kRows][Traits::kProductLine];
  };
  int32_t positions[Traits::kRows + Traits::kColumns];  // rows, then columns; below 0: a zero row
};

// The float32 pipeline: kDown x 4 products per thread, interleaved so that the lanes of a warp read
// neighbouring lines of shared memory.
template <typename T, typename Traits>
class ScalarUnits {
 public:
  __device__ void clear() {
#pragma unroll
    for (int32_t i = 0; i < kDown * kAcross; ++i) {
      sums_[i] = 0.0F;
    }
  }

  __device__ void multiply(const T (*stage)[Traits::kLine]) {
#pragma unroll
    for (int32_t k = 0; k < Traits::kDepth; k += Traits::kPiece) {
      Pack<T, kAsyncBytes> columns[kAcross];
#pragma unroll
      for (int32_t c = 0; c < kAcross; ++c) {
        columns[c] = loadPack<kAsyncBytes>(&stage[Traits::kRows + column(c)][k]);
      }
#pragma unroll
      for (int32_t r = 0; r < kDown; ++r) {
        const Pack<T, kAsyncBytes> piece = loadPack<kAsyncBytes>(&stage[row(r)][k]);
#pragma unroll
        for (int32_t i = 0; i < kAcross * Traits::kPiece; ++i) {  // channels in order
          const float left = toFloat(piece.values[i / kAcross]);
          const float right = toFloat(columns[i % kAcross].values[i / kAcross]);
          float* sum = &sums_[r * kAcross + i % kAcross];
          *sum = fmaf(left, right, *sum);
        }
      }
    }
  }

  __device__ void store(float (*products)[Traits::kProductLine]) const {
#pragma unroll
    for (int32_t i = 0; i < kDown * kAcross; ++i) {
      products[row(i / kAcross)][column(i % kAcross)] = sums_[i];
    }
  }

 private:
  static constexpr int32_t kAcross = 4;
  static constexpr int32_t kThreadsAcross = Traits::kColumns / kAcross;
  static constexpr int32_t kThreadsDown = Traits::kThreads / kThreadsAcross;
  static constexpr int32_t kDown = Traits::kRows / kThreadsDown;

  __device__ static int32_t row(int32_t r) {
    return static_cast<int32_t>(threadIdx.x) / kThreadsAcross + kThreadsDown * r;
  }
  __device__ static int32_t column(int32_t c) {
    return static_cast<int32_t>(threadIdx.x) % kThreadsAcross + kThreadsAcross * c;
  }

  float sums_[kDown * kAcross];
};

// The same interface on the matrix units of the block's warps, two down, two across.
template <typename T, typename Traits>
class MatrixUnits {
 public:
  __device__ void clear() { unit_.clear(); }

  __device__ void multiply(const T (*stage)[Traits::kLine]) {
#pragma unroll
    for (int32_t k = 0; k < Traits::kDepth; k += kUnitSide) {
      unit_.multiply(&stage[row()][k], &stage[Traits::kRows + column()][k], Traits::kLine);
    }
  }

  __device__ void store(float (*products)[Traits::kProductLine]) const {
    unit_.store(&products[row()][column()], Traits::kProductLine);
  }

 private:
  __device__ static int32_t row() {
    return warpOf(threadIdx.x) / Traits::kWarpsAcross * Traits::kWarpRows;
  }
  __device__ static int32_t column() {
    return warpOf(threadIdx.x) % Traits::kWarpsAcross * Traits::kWarpColumns;
  }

  MatrixUnit<T, Traits::kUnitsDown, Traits::kUnitsAcross> unit_;
};

// Begin to copy kDepth channels from channel `first` of all rows of the tile.
template <typename T, int32_t kRows, int32_t kColumns>
__device__ void copyStage(ProductTile<T, kRows, kColumns>* tile, int32_t stage, const T* rows,
                          int32_t stride, int32_t first) {
  using Traits = ProductTraits<T, kRows, kColumns>;
  constexpr int32_t kCopies = (Traits::kRows + Traits::kColumns) * Traits::kPieces;
#pragma unroll
  for (int32_t i = 0; i < kCopies; i += Traits::kThreads) {
    const int32_t copy = i + static_cast<int32_t>(threadIdx.x);
    const int32_t line = copy / Traits::kPieces;
    const int32_t offset = copy % Traits::kPieces * Traits::kPiece;
    const int32_t position = tile->positions[line];
    const T* from = rows + rowAt(max(position, 0), stride) + first + offset;
    asyncCopy(&tile->stages[stage][line][offset], from, position >= 0);
  }
}

// Compute tile->products, the products of all rows with all columns. The caller sets `positions`
// and passes a barrier before; another one precedes the return.
template <typename T, int32_t kRows, int32_t kColumns>
__device__ void multiplyTile(ProductTile<T, kRows, kColumns>* tile, const T* rows, int32_t stride) {
  using Traits = ProductTraits<T, kRows, kColumns>;
  constexpr int32_t kAhead = Traits::kStages - 1;
  std::conditional_t<kHasMatrixUnit<T>, MatrixUnits<T, Traits>, ScalarUnits<T, Traits>> unit;
  unit.clear();
  const int32_t steps = stride / Traits::kDepth;
  for (int32_t step = 0; step < kAhead; ++step) {
    if (step < steps) {
      copyStage(tile, step, rows, stride, step * Traits::kDepth);
    }
    asyncCommit();
  }
  for (int32_t step = 0; step < steps; ++step) {
    asyncWait<kAhead - 1>();
    __syncthreads();  // this stage has arrived, and the one to fill next is free
    if (step + kAhead < steps) {
      copyStage(tile, (step + kAhead) % Traits::kStages, rows, stride,
                (step + kAhead) * Traits::kDepth);
    }
    asyncCommit();
    unit.multiply(tile->stages[step % Traits::kStages]);
  }
  __syncthreads();  // the products overwrite the stages
  unit.store(tile->products);
  __syncthreads();
}

}  // namespace csakit

#endif  // CSAKIT_PRODUCT_CUH_
