// match.cu - the searching half: the best known position of every hole.
//
// One matrix product of holes and known positions; a tile's scores stay in shared memory, and only
// the best of each hole leaves the block, by one atomic maximum. Only the device knows the number
// of holes, so the grid has enough blocks for any number, and a block finds its tile by counting;
// blocks past the last tile end at once.
//
// Scores are float32 from the first product to the maximum, whatever T is.
//
// Sections: kernel | launcher | instantiations.

#include "best.cuh"
#include "device.cuh"
#include "product.cuh"

namespace csakit {
namespace {

// ---- kernel ---------------------------------------------------------------------------

// Tiles of 32 x 64 or 64 x 128.
template <typename T, int32_t kRows>
using MatchTraits = ProductTraits<T, kRows, 2 * kRows>;

// Neighbouring threads share a hole; each reads every kShare-th column of the tile.
template <typename T, int32_t kRows, int32_t kColumns>
__device__ unsigned long long bestOfTile(const ProductTile<T, kRows, kColumns>& tile,
                                         const float* inverse) {
  using Traits = ProductTraits<T, kRows, kColumns>;
  constexpr int32_t kShare = Traits::kThreads / kRows;
  const int32_t row = static_cast<int32_t>(threadIdx.x) / kShare;
  unsigned long long best = 0;
#pragma unroll
  for (int32_t i = 0; i < Traits::kColumns; i += kShare) {
    const int32_t column = i + static_cast<int32_t>(threadIdx.x) % kShare;
    const int32_t position = tile.positions[kRows + column];
    if (position >= 0) {
      best = max(best, packBest(tile.products[row][column] * inverse[column], position));
    }
  }
#pragma unroll
  for (int32_t distance = 1; distance < kShare; distance *= 2) {
    best = max(best, __shfl_xor_sync(kAllLanes, best, distance));
  }
  return best;
}

template <typename T, int32_t kRows>
__global__ void __launch_bounds__(MatchTraits<T, kRows>::kThreads) matchKernel(
    const Attention<T> a) {
  awaitPrevious();
  admitNext();
  using Traits = MatchTraits<T, kRows>;
  __shared__ ProductTile<T, kRows, Traits::kColumns> tile;
  __shared__ float inverse[Traits::kColumns];

  const int32_t image = static_cast<int32_t>(blockIdx.y);
  const int32_t holes = a.hole_count[image];
  const int32_t known = a.positions - holes;
  const int32_t across = max(1, (known + Traits::kColumns - 1) / Traits::kColumns);
  const int32_t first_hole = static_cast<int32_t>(blockIdx.x) / across * Traits::kRows;
  const int32_t first_known = static_cast<int32_t>(blockIdx.x) % across * Traits::kColumns;
  if (first_hole >= holes) {
    return;  // for the whole block
  }

  const size_t start = startOf(image, 1, a.positions);
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  static_assert(kRows + Traits::kColumns <= Traits::kThreads);
  if (thread < Traits::kRows) {
    const int32_t rank = first_hole + thread;
    tile.positions[thread] = rank < holes ? a.holes[start + rank] : -1;
  } else if (thread < Traits::kRows + Traits::kColumns) {
    const int32_t column = thread - Traits::kRows;
    const bool inside = first_known + column < known;
    const int32_t position = inside ? a.known[start + first_known + column] : -1;
    tile.positions[thread] = position;
    inverse[column] = inside ? a.inverse[start + position] : 0.0F;
  }
  __syncthreads();
  multiplyTile(&tile, a.rows + startOf(image, a.positions, a.stride), a.stride);

  const unsigned long long best = bestOfTile(tile, inverse);
  constexpr int32_t kShare = Traits::kThreads / kRows;
  const int32_t rank = first_hole + thread / kShare;
  if (thread % kShare == 0 && rank < holes) {
    atomicMax(a.best + start + rank, best);
  }
}

// The maximal number of tiles of an image: ceil(M / rows) ceil(K / columns) with M + K = N is
// largest for equal factors.
template <typename Traits>
int32_t mostTiles(int32_t positions) {
  const int64_t side = positions + Traits::kRows + Traits::kColumns;
  return static_cast<int32_t>(side * side / (4 * Traits::kRows * Traits::kColumns) + 1);
}

template <typename T, int32_t kRows>
cudaError_t launchTiles(const Attention<T>& a, cudaStream_t stream) {
  using Traits = MatchTraits<T, kRows>;
  const dim3 grid(mostTiles<Traits>(a.positions), a.batch);
  return launchNext(matchKernel<T, kRows>, grid, Traits::kThreads, stream, a);
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------

// Large tiles if there may be two or more for each multiprocessor of the largest GPUs. The choice
// depends on sizes only, not on the device or the mask, so that equal calls give equal bits.
template <typename T>
cudaError_t launchMatch(const Attention<T>& a, cudaStream_t stream) {
  constexpr int32_t kSmall = 32;
  constexpr int32_t kLarge = 64;
  constexpr int64_t kMany = 256;  // an H200 has 132 multiprocessors
  const int64_t tiles = mostTiles<MatchTraits<T, kLarge>>(a.positions);
  return a.batch * tiles >= kMany ? launchTiles<T, kLarge>(a, stream)
                                  : launchTiles<T, kSmall>(a, stream);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchMatch<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchMatch<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchMatch<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
