// workers.cuh - the warps of chain.cu that compute vectors beside the solving one, if chunks are
// solved in order.
//
// In each half of a chunk they stream 32 rows from the L2 cache while the solver does 16 steps,
// about 1000 cycles.
#ifndef CSAKIT_WORKERS_CUH_
#define CSAKIT_WORKERS_CUH_

#include "device.cuh"
#include "image.cuh"

namespace csakit {

struct ChainTraits {
  static constexpr int32_t kWorkerWarps = 8;
  static constexpr int32_t kWorkers = kWorkerWarps * kWarp;
  static constexpr int32_t kRowsPerWarp = kChunk / kWorkerWarps;
  static constexpr int32_t kLists = 4;  // chunks in shared memory: b - 1 to b + 2
};

// The shared memory of a block.
template <bool kCosine>
struct ChainShared {
  static constexpr int32_t kPlanes = kCosine ? 2 : 1;
  alignas(16) float carry[kMaxChannels];       // the vector filled just before chunk b
  alignas(16) float weights[kChunk];           // of the previous chunk
  float dots[kPlanes][kChunk];                 // products of `carry` with the holes of chunk b + 2
  int32_t holes[ChainTraits::kLists][kChunk];  // positions; -1 past the last hole
  int32_t matches[ChainTraits::kLists][kChunk];  // likewise
};

// Sizes of a thread's reads of rows.
template <typename T>
struct RowReads {
  static constexpr int32_t kCopyCount = 2;  // channels
  static constexpr int32_t kCopyBytes = kCopyCount * static_cast<int32_t>(sizeof(T));
  static constexpr int32_t kPieceBytes = 16;
  static constexpr int32_t kPieceCount = kPieceBytes / static_cast<int32_t>(sizeof(T));
  using Copy = Words<kCopyBytes>;
  using Piece = Words<kPieceBytes>;
};

// Fetch the positions of a chunk's holes and matches; one warp.
template <typename T, bool kCosine>
__device__ void fetchLists(const Image<T>& image, int32_t chunk, ChainShared<kCosine>* shared) {
  const int32_t lane = laneOf(threadIdx.x);
  const int32_t rank = chunk * kChunk + lane;
  const bool inside = rank < image.holes;
  const int32_t slot = chunk % ChainTraits::kLists;
  shared->holes[slot][lane] = inside ? image.a.holes[image.start() + rank] : -1;
  shared->matches[slot][lane] = inside ? image.a.match[image.start() + rank] : -1;
}

// First half of a worker's work in chunk b: advance the vector before chunk b - 1 to the one before
// b, two channels per thread.
template <typename T, bool kCosine>
__device__ void advanceCarry(const Image<T>& image, int32_t chunk, int32_t worker,
                             ChainShared<kCosine>* shared) {
  constexpr int32_t kPair = RowReads<T>::kCopyCount;
  const int32_t* matches = shared->matches[(chunk + ChainTraits::kLists - 1) % ChainTraits::kLists];
  float* kept = image.a.carry + startOf(image.index * image.a.chunks + chunk, 1, image.a.stride);
  for (int32_t c = worker * kPair; c < image.a.stride; c += ChainTraits::kWorkers * kPair) {
    float first = chunk == 0 ? 0.0F : shared->carry[c];
    float second = chunk == 0 ? 0.0F : shared->carry[c + 1];
    if (chunk > 0) {
      constexpr int32_t kBatch = kChunk / 2;
#pragma unroll 1
      for (int32_t batch = 0; batch < kChunk; batch += kBatch) {
        typename RowReads<T>::Copy copies[kBatch];
#pragma unroll
        for (int32_t j = 0; j < kBatch; ++j) {
          copies[j] = loadWords<RowReads<T>::kCopyBytes>(image.at(max(matches[batch + j], 0), c));
        }
#pragma unroll
        for (int32_t j = 0; j < kBatch; ++j) {
          const float w = shared->weights[batch + j];
          const auto copied = unpack<T>(copies[j]);
          const float x = toFloat(copied.values[0]);
          const float z = toFloat(copied.values[1]);
          first = fmaf(w, first - x, x);
          second = fmaf(w, second - z, z);
        }
      }
    }
    shared->carry[c] = first;
    shared->carry[c + 1] = second;
    kept[c] = first;
    kept[c + 1] = second;
  }
}

// Multiply a warp's rows with the carried vector; then with `scales`, if not null.
template <typename T>
__device__ void multiplyRows(const Image<T>& image, const int32_t* positions, const float* scales,
                             const float* carry, float* dots) {
  using Piece = typename RowReads<T>::Piece;
  constexpr int32_t kCount = RowReads<T>::kPieceCount;
  constexpr int32_t kRows = ChainTraits::kRowsPerWarp;
  const int32_t lane = laneOf(threadIdx.x);
  float factors[kRows];  // loaded before they are needed
  float sums[kRows];
#pragma unroll
  for (int32_t r = 0; r < kRows; ++r) {
    factors[r] = scales == nullptr ? 1.0F : scales[max(positions[r], 0)];
    sums[r] = 0.0F;
  }
#pragma unroll 2
  for (int32_t c = lane * kCount; c < image.a.stride; c += kWarp * kCount) {
    Piece pieces[kRows];
#pragma unroll
    for (int32_t r = 0; r < kRows; ++r) {
      pieces[r] = loadWords<RowReads<T>::kPieceBytes>(image.at(max(positions[r], 0), c));
    }
#pragma unroll
    for (int32_t r = 0; r < kRows; ++r) {
      const auto piece = unpack<T>(pieces[r]);
#pragma unroll
      for (int32_t e = 0; e < kCount; ++e) {
        sums[r] = fmaf(toFloat(piece.values[e]), carry[c + e], sums[r]);
      }
    }
  }
#pragma unroll
  for (int32_t r = 0; r < kRows; ++r) {
    sums[r] = sumOverWarp(sums[r]) * factors[r];
  }
#pragma unroll
  for (int32_t r = 0; r < kRows; ++r) {
    if (lane == r) {
      dots[r] = positions[r] >= 0 ? sums[r] : 0.0F;
    }
  }
}

// Second half: the products of the vector with the rows of chunk b + 2.
template <typename T, bool kCosine>
__device__ void multiplyCarry(const Image<T>& image, int32_t chunk, int32_t worker,
                              ChainShared<kCosine>* shared) {
  const int32_t first = worker / kWarp * ChainTraits::kRowsPerWarp;
  const int32_t slot = (chunk + 2) % ChainTraits::kLists;
  if (worker < kWarp) {
    fetchLists(image, chunk + 3, shared);  // in place of those of chunk b - 1
  }
  if (chunk + 2 < image.chunks) {
    multiplyRows(image, shared->holes[slot] + first, image.a.inverse + image.start(), shared->carry,
                 shared->dots[0] + first);
    if constexpr (kCosine) {
      multiplyRows(image, shared->matches[slot] + first, nullptr, shared->carry,
                   shared->dots[1] + first);
    }
  }
}

}  // namespace csakit

#endif  // CSAKIT_WORKERS_CUH_
