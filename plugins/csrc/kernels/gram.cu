// gram.cu - the inner products with which a chunk of holes is solved without vectors.
//
// With u_i = unit(x[h_i]) and k_j = x[c_j], a chunk needs <u_i, k_j> for its own holes i, and the
// next two chunks need it for their holes i, to compute their start as soon as this chunk is solved
// (solver.cuh). So for the chunk's 32 matches j this kernel computes
//
//     plane 0    [j][i] = <u_i, k_j>, i over the 96 holes of this chunk and the next two
//     plane 1    [j][i] = <k_i, k_j>, likewise; only for cosines, which also need |y|
//
// with one block for every 32 of the 96. Holes past the last are zero rows. The first block of a
// chunk also unpacks the chunk's matches.
//
// Sections: kernel | launcher | instantiations.

#include "best.cuh"
#include "device.cuh"
#include "product.cuh"

namespace csakit {
namespace {

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
using GramTraits = ProductTraits<T, kChunk, kChunk>;

// Write the match and the score of the chunk's hole `rank`.
template <typename T>
__device__ void unpackMatch(const Attention<T>& a, size_t start, int32_t rank) {
  const unsigned long long best = a.best[start + rank];
  const int32_t position = a.holes[start + rank];
  const float scale = a.cosine ? a.inverse[start + position] : 1.0F;
  a.match[start + rank] = positionOf(best);
  a.score[start + rank] = scoreOf(best) * scale;
  if (a.matches != nullptr) {
    a.matches[start + position] = positionOf(best);
  }
}

template <typename T>
__global__ void __launch_bounds__(GramTraits<T>::kThreads) gramKernel(const Attention<T> a) {
  awaitPrevious();
  admitNext();
  using Traits = GramTraits<T>;
  __shared__ ProductTile<T, Traits::kRows, Traits::kColumns> tile;
  __shared__ float scales[Traits::kColumns];

  const int32_t chunk = static_cast<int32_t>(blockIdx.x);
  const int32_t plane = static_cast<int32_t>(blockIdx.y) / kBand;
  const int32_t distance = static_cast<int32_t>(blockIdx.y) % kBand;
  const int32_t image = static_cast<int32_t>(blockIdx.z);
  const int32_t first = chunk * kChunk;
  const int32_t holes = a.hole_count[image];
  if (first >= holes) {
    return;  // for the whole block
  }

  const size_t start = startOf(image, 1, a.positions);
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  if (thread < Traits::kRows) {
    const int32_t rank = first + thread;
    tile.positions[thread] = rank < holes ? positionOf(a.best[start + rank]) : -1;
    if (plane == 0 && distance == 0 && rank < holes) {
      unpackMatch(a, start, rank);
    }
  } else if (thread < Traits::kRows + Traits::kColumns) {
    const int32_t column = thread - Traits::kRows;
    const int32_t rank = first + distance * kChunk + column;
    int32_t position = -1;
    float scale = 1.0F;
    if (rank < holes) {
      position = plane == 0 ? a.holes[start + rank] : positionOf(a.best[start + rank]);
      scale = plane == 0 ? a.inverse[start + position] : 1.0F;
    }
    tile.positions[thread] = position;
    scales[column] = scale;
  }
  __syncthreads();
  multiplyTile(&tile, a.rows + startOf(image, a.positions, a.stride), a.stride);

  constexpr int32_t kProducts = Traits::kRows * Traits::kColumns;
  float* gram =
      a.gram + startOf((image * a.chunks + chunk) * a.planes + plane, kChunk, kGramLine) + distance;
#pragma unroll
  for (int32_t i = 0; i < kProducts; i += Traits::kThreads) {
    const int32_t row = (i + thread) / Traits::kColumns;
    const int32_t column = (i + thread) % Traits::kColumns;
    float* cell = gram + row * kGramLine + column * kGramCell;
    *cell = tile.products[row][column] * scales[column];
    if (distance == kBand - 1) {
      cell[1] = 0.0F;  // loaded with the others
    }
  }
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------
template <typename T>
cudaError_t launchGram(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(a.chunks, a.planes * kBand, a.batch);
  return launchNext(gramKernel<T>, grid, GramTraits<T>::kThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchGram<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchGram<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchGram<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
