// rows.cuh - convert feature maps to rows: the vectors of positions, contiguous and padded.
//
// (C, N) maps are transposed through shared memory, kWarp positions by kPass channels at a time:
// lanes run along positions while reading and along channels while writing, so both sides are
// coalesced. All loads of a pass are issued before the first is used; a pass of 256 channels keeps
// 16 loads per thread in flight, which hides memory latency.
// (N, C) maps are rows already; they are copied only if C does not fill whole cache lines.
#ifndef CSAKIT_ROWS_CUH_
#define CSAKIT_ROWS_CUH_

#include "device.cuh"

namespace csakit {

struct RowsTraits {
  static constexpr int32_t kThreads = 512;
  static constexpr int32_t kWarps = kThreads / kWarp;
  static constexpr int32_t kTile = kWarp;  // positions per block
  static constexpr int32_t kPass = 256;    // channels
  static constexpr int32_t kLoads = kPass / kWarps;
  static_assert(kPass % kWarps == 0 && kTile % kWarps == 0 && kTile == kWarp);
};

// The conversion of one tensor. The last three pointers may be null.
template <typename T>
struct RowsJob {
  int32_t channels;   // C
  int32_t positions;  // N
  int32_t stride;
  const T* source;  // (B, C, N) or (B, N, C)
  T* rows;          // (B, N, stride)
  T* copy;          // as source
  float* inverse;   // (B, N) 1 / (|x| + 1e-8)
};

__device__ inline float inverseNorm(float squares) {
  return 1.0F / (sqrtf(squares) + kNormEpsilon);
}

// Add the kWarps partial sums of each position, in a fixed order.
__device__ inline void finishNorms(float squares, int32_t positions, int32_t first,
                                   float* inverse) {
  __shared__ float partial[RowsTraits::kWarps][kWarp];
  const int32_t lane = laneOf(threadIdx.x);
  const int32_t warp = warpOf(threadIdx.x);
  partial[warp][lane] = squares;
  __syncthreads();
  if (warp == 0 && first + lane < positions) {
    float sum = 0.0F;
#pragma unroll
    for (int32_t w = 0; w < RowsTraits::kWarps; ++w) {
      sum += partial[w][lane];
    }
    inverse[first + lane] = inverseNorm(sum);
  }
}

// Rows of the kTile positions from `first` of a (C, N) map.
template <typename T>
__device__ void rowsFromPlanes(const RowsJob<T>& job, int32_t image, int32_t first) {
  using Traits = RowsTraits;
  constexpr int32_t kWordBytes = 4;  // a bank of shared memory
  using Word = Pack<T, kWordBytes>;
  // One word more than a pass, so that the lanes of a warp, one row apart, use different banks.
  __shared__ Word tile[Traits::kTile][Traits::kPass / Word::kCount + 1];

  const int32_t lane = laneOf(threadIdx.x);
  const int32_t warp = warpOf(threadIdx.x);
  const bool inside = first + lane < job.positions;
  const size_t start = startOf(image, job.channels, job.positions) + first + lane;
  T* rows = job.rows + startOf(image, job.positions, job.stride);
  float squares = 0.0F;
  for (int32_t pass = 0; pass < job.stride; pass += Traits::kPass) {
    T values[Traits::kLoads];
#pragma unroll
    for (int32_t k = 0; k < Traits::kLoads; ++k) {
      const int32_t c = pass + warp + k * Traits::kWarps;
      const size_t at = start + static_cast<size_t>(c) * job.positions;
      values[k] = inside && c < job.channels ? job.source[at] : fromFloat<T>(0.0F);
    }
#pragma unroll
    for (int32_t k = 0; k < Traits::kLoads; ++k) {
      const int32_t offset = warp + k * Traits::kWarps;
      const float value = toFloat(values[k]);
      squares += value * value;
      tile[lane][offset / Word::kCount].values[offset % Word::kCount] = values[k];
      if (job.copy != nullptr && inside && pass + offset < job.channels) {
        job.copy[start + static_cast<size_t>(pass + offset) * job.positions] = values[k];
      }
    }
    __syncthreads();
    const int32_t words = min(Traits::kPass, job.stride - pass) / Word::kCount;
    for (int32_t row = warp; row < Traits::kTile && first + row < job.positions;
         row += Traits::kWarps) {
      Word* to = reinterpret_cast<Word*>(rows + rowAt(first + row, job.stride) + pass);
      for (int32_t word = lane; word < words; word += kWarp) {
        to[word] = tile[row][word];
      }
    }
    __syncthreads();  // the next pass overwrites the tile
  }
  if (job.inverse != nullptr) {
    finishNorms(squares, job.positions, first, job.inverse + startOf(image, 1, job.positions));
  }
}

// Rows of the kTile positions from `first` of an (N, C) map, one warp per position, `kCount`
// channels per lane at once. `rows` is null if the map itself serves as rows.
template <typename T, int32_t kBytes>
__device__ void rowsFromRows(const RowsJob<T>& job, int32_t image, int32_t first) {
  using Piece = Pack<T, kBytes>;
  const int32_t lane = laneOf(threadIdx.x);
  for (int32_t row = warpOf(threadIdx.x); row < RowsTraits::kTile; row += RowsTraits::kWarps) {
    const int32_t position = first + row;
    if (position >= job.positions) {
      return;  // for the whole warp
    }
    const size_t from = startOf(image, job.positions, job.channels) + rowAt(position, job.channels);
    const size_t to = startOf(image, job.positions, job.stride) + rowAt(position, job.stride);
    float squares = 0.0F;
    for (int32_t c = lane * Piece::kCount; c < job.stride; c += kWarp * Piece::kCount) {
      const bool inside = c < job.channels;
      Piece piece{};
      if (inside) {
        piece = loadPack<kBytes>(job.source + from + c);
      }
#pragma unroll
      for (int32_t e = 0; e < Piece::kCount; ++e) {
        const float value = toFloat(piece.values[e]);
        squares += value * value;
      }
      if (job.rows != nullptr) {
        *reinterpret_cast<Piece*>(job.rows + to + c) = piece;
      }
      if (job.copy != nullptr && inside) {
        *reinterpret_cast<Piece*>(job.copy + from + c) = piece;
      }
    }
    squares = sumOverWarp(squares);
    if (job.inverse != nullptr && lane == 0) {
      job.inverse[startOf(image, 1, job.positions) + position] = inverseNorm(squares);
    }
  }
}

// Rows of one tile, in either layout.
template <typename T>
__device__ void makeRows(const RowsJob<T>& job, bool channels_last, int32_t image, int32_t tile) {
  const int32_t first = tile * RowsTraits::kTile;
  if (!channels_last) {
    rowsFromPlanes(job, image, first);
  } else if (job.rows == nullptr) {
    rowsFromRows<T, 16>(job, image, first);
  } else {
    rowsFromRows<T, sizeof(T)>(job, image, first);  // an odd C aligns rows to one element only
  }
}

}  // namespace csakit

#endif  // CSAKIT_ROWS_CUH_
