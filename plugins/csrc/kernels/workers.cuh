// workers.cuh - the eight warps of chain.cu that do the vectors, beside the one that solves.
//
// In each half of a chunk they stream 32 rows from the second-level cache while the solver does 16
// steps, about 1000 cycles. A half asks for the rows of the next, so that nobody waits for them.
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
  int32_t matches[ChainTraits::kLists][kChunk];     // likewise
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
  // Channel c of a row. A wide product is one instruction where an index takes five; float32, with
  // more in registers, would spill on sm_100.
  __device__ const T* at(uint32_t position, int32_t c) const {
    const std::conditional_t<sizeof(T) == 2, uint64_t, uint32_t> row = position;
    const char* first = reinterpret_cast<const char*>(rows + c);
    return reinterpret_cast<const T*>(first + row * static_cast<uint32_t>(a.stride * sizeof(T)));
  }
};

// What a thread fetches in the half before it is used.
template <typename T>
struct Ahead {
  static constexpr int32_t kCopyCount = 2;  // channels
  static constexpr int32_t kCopyBytes = kCopyCount * static_cast<int32_t>(sizeof(T));
  static constexpr int32_t kPieceBytes = 16;
  static constexpr int32_t kPieceCount = kPieceBytes / static_cast<int32_t>(sizeof(T));
  static constexpr int32_t kPieces = 2;  // of a row: 1 KB, C = 512 halves
  using Copy = Words<kCopyBytes>;
  using Piece = Words<kPieceBytes>;
  struct Rows {
    Piece pieces[kPieces][ChainTraits::kRowsPerWarp];
  };

  Copy copies[kChunk];  // for the first half
  Rows rows;            // for the second
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

// Fetch two channels, from channel c, of a chunk's matches.
template <typename T>
__device__ void fetchCopies(const Image<T>& image, const int32_t* matches, int32_t c,
                            typename Ahead<T>::Copy* copies) {
#pragma unroll
  for (int32_t j = 0; j < kChunk && c < image.a.stride; ++j) {
    copies[j] = loadWords<Ahead<T>::kCopyBytes>(image.at(max(matches[j], 0), c));
  }
}

// Carry the vector before chunk - 1 on to the vector before `chunk`; two channels a thread.
template <typename T, bool kCosine>
__device__ void advanceCarry(const Image<T>& image, int32_t chunk, int32_t worker,
                             typename Ahead<T>::Copy* copies, ChainShared<kCosine>* shared) {
  constexpr int32_t kPair = Ahead<T>::kCopyCount;
  const int32_t* matches = shared->matches[(chunk + ChainTraits::kLists - 1) % ChainTraits::kLists];
  float* kept = image.a.carry + startOf(image.index * image.a.chunks + chunk, 1, image.a.stride);
  for (int32_t c = worker * kPair; c < image.a.stride; c += ChainTraits::kWorkers * kPair) {
    float first = chunk == 0 ? 0.0F : shared->carry[c];
    float second = chunk == 0 ? 0.0F : shared->carry[c + 1];
    if (chunk > 0) {
      if (c >= ChainTraits::kWorkers * kPair) {
        fetchCopies(image, matches, c, copies);
      }
#pragma unroll
      for (int32_t j = 0; j < kChunk; ++j) {
        const float w = shared->weights[j];
        const auto copied = unpack<T>(copies[j]);
        const float x = toFloat(copied.values[0]);
        const float z = toFloat(copied.values[1]);
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

// Fetch a piece of each of four rows, from channel c.
template <typename T>
__device__ void fetchPieces(const Image<T>& image, const int32_t* positions, int32_t c,
                            typename Ahead<T>::Piece* pieces) {
  if (c < image.a.stride) {
#pragma unroll
    for (int32_t r = 0; r < ChainTraits::kRowsPerWarp; ++r) {
      pieces[r] = loadWords<Ahead<T>::kPieceBytes>(image.at(max(positions[r], 0), c));
    }
  }
}

// Fetch the first pieces of four rows.
template <typename T>
__device__ void fetchRows(const Image<T>& image, const int32_t* positions,
                          typename Ahead<T>::Rows* rows) {
#pragma unroll
  for (int32_t k = 0; k < Ahead<T>::kPieces; ++k) {
    const int32_t c = (k * kWarp + laneOf(threadIdx.x)) * Ahead<T>::kPieceCount;
    fetchPieces(image, positions, c, rows->pieces[k]);
  }
}

// Multiply four rows, their first pieces fetched, with the carried vector; then with `scales`, if
// there are such. A warp.
template <typename T>
__device__ void multiplyRows(const Image<T>& image, const int32_t* positions, const float* scales,
                             typename Ahead<T>::Rows* fetched, const float* carry, float* dots) {
  using Piece = typename Ahead<T>::Piece;
  constexpr int32_t kCount = Ahead<T>::kPieceCount;
  constexpr int32_t kRows = ChainTraits::kRowsPerWarp;
  const int32_t lane = laneOf(threadIdx.x);
  float factors[kRows];  // loaded before they are needed
  float sums[kRows];
#pragma unroll
  for (int32_t r = 0; r < kRows; ++r) {
    factors[r] = scales == nullptr ? 1.0F : scales[max(positions[r], 0)];
    sums[r] = 0.0F;
  }
  const auto add = [&](const Piece* pieces, int32_t c) {
#pragma unroll
    for (int32_t r = 0; r < kRows; ++r) {
      const auto piece = unpack<T>(pieces[r]);
#pragma unroll
      for (int32_t e = 0; e < kCount; ++e) {
        sums[r] = fmaf(toFloat(piece.values[e]), carry[c + e], sums[r]);
      }
    }
  };
  int32_t c = lane * kCount;
#pragma unroll
  for (int32_t k = 0; k < Ahead<T>::kPieces; ++k, c += kWarp * kCount) {
    if (c < image.a.stride) {
      add(fetched->pieces[k], c);
    }
  }
#pragma unroll 2
  for (; c < image.a.stride; c += kWarp * kCount) {
    Piece pieces[kRows];
    fetchPieces(image, positions, c, pieces);
    add(pieces, c);
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
__device__ void workFirstHalf(const Image<T>& image, int32_t chunk, Ahead<T>* ahead,
                              ChainShared<kCosine>* shared) {
  const int32_t worker = static_cast<int32_t>(threadIdx.x) - kWarp;
  const int32_t first = (warpOf(threadIdx.x) - 1) * ChainTraits::kRowsPerWarp;
  if (chunk + 1 < image.chunks) {
    fetchGram(image, chunk + 1, worker, shared);
    fetchRows(image, shared->holes[(chunk + 1) % ChainTraits::kLists] + first, &ahead->rows);
  }
  if (worker < kWarp) {
    fetchLists(image, chunk + 2, shared);
  }
  advanceCarry(image, chunk, worker, ahead->copies, shared);
}

// The second half.
template <typename T, bool kCosine>
__device__ void workSecondHalf(const Image<T>& image, int32_t chunk, Ahead<T>* ahead,
                               ChainShared<kCosine>* shared) {
  const int32_t worker = static_cast<int32_t>(threadIdx.x) - kWarp;
  const int32_t first = (warpOf(threadIdx.x) - 1) * ChainTraits::kRowsPerWarp;
  const int32_t slot = (chunk + 1) % ChainTraits::kLists;
  if (chunk + 1 < image.chunks) {
    fetchCopies(image, shared->matches[chunk % ChainTraits::kLists], worker * Ahead<T>::kCopyCount,
                ahead->copies);
    multiplyRows(image, shared->holes[slot] + first, image.a.inverse + image.start(), &ahead->rows,
                 shared->carry, shared->dots[0] + first);
    if constexpr (kCosine) {
      const int32_t* matches = shared->matches[slot] + first;
      fetchRows(image, matches, &ahead->rows);
      multiplyRows(image, matches, nullptr, &ahead->rows, shared->carry, shared->dots[1] + first);
    }
  }
  asyncWait<0>();
}

}  // namespace csakit

#endif  // CSAKIT_WORKERS_CUH_
