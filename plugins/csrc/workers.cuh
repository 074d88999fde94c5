// workers.cuh - the eight warps of chain.cu that do the vectors, beside the one that solves.
//
// What they multiply with is in registers and shared memory; what they stream, 32 rows in each
// half of a chunk, comes from the second-level cache, all loads of a thread before the first use.
// A half has about 1000 cycles, 16 steps of the solver; for C = 512 halves it streams 32 KB.
#ifndef CSAKIT_WORKERS_CUH_
#define CSAKIT_WORKERS_CUH_

#include "async.cuh"
#include "device.cuh"
#include "solver.cuh"

namespace csakit {

struct ChainTraits {
  static constexpr int32_t kWorkerWarps = 8;
  static constexpr int32_t kWorkers = kWorkerWarps * kWarp;
  static constexpr int32_t kThreads = kWarp + kWorkers;
  static constexpr int32_t kRowsPerWarp = kChunk / kWorkerWarps;
  static constexpr int32_t kLists = 4;  // chunks whose positions are at hand: b - 1 to b + 2
};

// The shared memory of a block.
template <bool kCosine>
struct ChainShared {
  static constexpr int32_t kPlanes = kCosine ? 2 : 1;
  alignas(kAsyncBytes) GramBlock gram[2][kPlanes];  // of chunk b and of chunk b + 1
  alignas(kAsyncBytes) float carry[kMaxChannels];   // the vector filled just before chunk b
  alignas(kAsyncBytes) float weights[kChunk];       // of the chunk solved last
  float dots[kPlanes][kChunk];                      // see Solver::advance
  int32_t holes[ChainTraits::kLists][kChunk];       // positions; -1 past the last hole
  int32_t matches[ChainTraits::kLists][kChunk];
};

// What a block knows of its image.
template <typename T>
struct Image {
  const Attention<T>& a;
  int32_t index;
  int32_t holes;   // M
  int32_t chunks;  // ceil(M / S)
  const T* rows;   // (N, stride)

  __device__ size_t start() const { return startOf(index, 1, a.positions); }
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

// Begin to fetch the Gram block of a chunk.
template <typename T, bool kCosine>
__device__ void fetchGram(const Image<T>& image, int32_t chunk, int32_t worker,
                          ChainShared<kCosine>* shared) {
  constexpr int32_t kFloats = kAsyncBytes / static_cast<int32_t>(sizeof(float));
  constexpr int32_t kBlock = ChainShared<kCosine>::kPlanes * kChunk * 2 * kChunk;
  const float* from = image.a.gram + startOf(image.index * image.a.chunks + chunk, 1, kBlock);
  float* to = &shared->gram[chunk % 2][0][0][0];
  for (int32_t i = worker * kFloats; i < kBlock; i += ChainTraits::kWorkers * kFloats) {
    asyncCopy(to + i, from + i, true);
  }
  asyncCommit();
}

// Carry the vector before chunk - 1 on to the vector before `chunk`; two channels a thread.
template <typename T, bool kCosine>
__device__ void advanceCarry(const Image<T>& image, int32_t chunk, int32_t worker,
                             ChainShared<kCosine>* shared) {
  constexpr int32_t kPair = 2;
  constexpr int32_t kPairBytes = kPair * static_cast<int32_t>(sizeof(T));
  using Pair = Pack<T, kPairBytes>;
  const int32_t* matches = shared->matches[(chunk + ChainTraits::kLists - 1) % ChainTraits::kLists];
  float* kept = image.a.carry + startOf(image.index * image.a.chunks + chunk, 1, image.a.stride);
  for (int32_t c = worker * kPair; c < image.a.stride; c += ChainTraits::kWorkers * kPair) {
    float first = chunk == 0 ? 0.0F : shared->carry[c];
    float second = chunk == 0 ? 0.0F : shared->carry[c + 1];
    if (chunk > 0) {
      Pair copied[kChunk];
#pragma unroll
      for (int32_t j = 0; j < kChunk; ++j) {
        copied[j] = loadPack<kPairBytes>(image.rows + rowAt(matches[j], image.a.stride) + c);
      }
#pragma unroll
      for (int32_t j = 0; j < kChunk; ++j) {
        const float w = shared->weights[j];
        const float x = toFloat(copied[j].values[0]);
        const float z = toFloat(copied[j].values[1]);
        first = fmaf(w, first - x, x);
        second = fmaf(w, second - z, z);
      }
    }
    shared->carry[c] = first;
    shared->carry[c + 1] = second;
    kept[c] = first;
    kept[c + 1] = second;
  }
}

// Multiply four rows with the carried vector, and the products with `scales` by position, if there
// are such; a warp.
template <typename T>
__device__ void multiplyRows(const Image<T>& image, const int32_t* positions, const float* scales,
                             const float* carry, float* dots) {
  constexpr int32_t kRows = ChainTraits::kRowsPerWarp;
  using Piece = Pack<T, 16>;
  const int32_t lane = laneOf(threadIdx.x);
  const T* rows[kRows];
  float factors[kRows];  // loaded before they are needed
  float sums[kRows];
#pragma unroll
  for (int32_t r = 0; r < kRows; ++r) {
    const int32_t position = max(positions[r], 0);
    rows[r] = image.rows + rowAt(position, image.a.stride);
    factors[r] = scales == nullptr ? 1.0F : scales[position];
    sums[r] = 0.0F;
  }
#pragma unroll 2
  for (int32_t c = lane * Piece::kCount; c < image.a.stride; c += kWarp * Piece::kCount) {
    Piece pieces[kRows];
#pragma unroll
    for (int32_t r = 0; r < kRows; ++r) {
      pieces[r] = loadPack<16>(rows[r] + c);
    }
#pragma unroll
    for (int32_t e = 0; e < Piece::kCount; ++e) {
#pragma unroll
      for (int32_t r = 0; r < kRows; ++r) {
        sums[r] = fmaf(toFloat(pieces[r].values[e]), carry[c + e], sums[r]);
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

// The first half of a worker's part in chunk b.
template <typename T, bool kCosine>
__device__ void workFirstHalf(const Image<T>& image, int32_t chunk, ChainShared<kCosine>* shared) {
  const int32_t worker = static_cast<int32_t>(threadIdx.x) - kWarp;
  if (chunk + 1 < image.chunks) {
    fetchGram(image, chunk + 1, worker, shared);
  }
  if (worker < kWarp) {
    fetchLists(image, chunk + 2, shared);
  }
  advanceCarry(image, chunk, worker, shared);
}

// The second half.
template <typename T, bool kCosine>
__device__ void workSecondHalf(const Image<T>& image, int32_t chunk, ChainShared<kCosine>* shared) {
  const int32_t first = (warpOf(threadIdx.x) - 1) * ChainTraits::kRowsPerWarp;
  const int32_t slot = (chunk + 1) % ChainTraits::kLists;
  if (chunk + 1 < image.chunks) {
    multiplyRows(image, shared->holes[slot] + first, image.a.inverse + image.start(), shared->carry,
                 shared->dots[0] + first);
    if constexpr (kCosine) {
      multiplyRows(image, shared->matches[slot] + first, nullptr, shared->carry,
                   shared->dots[1] + first);
    }
  }
  asyncWait<0>();
}

}  // namespace csakit

#endif  // CSAKIT_WORKERS_CUH_
