// prepare.cu - everything that precedes the first product: holes, norms, rows.
//
// One launch does three independent things, because a launch costs as much as each of them. Block 0
// of an image lists its holes and known positions; every other block converts a tile of positions
// to rows, computes their norms, and copies the features to the output, including holes: these are
// overwritten at the end, and an image without holes or without known positions is complete.
//
// Sections: lists | kernel | launcher | instantiations.

#include "device.cuh"
#include "rows.cuh"

namespace csakit {
namespace {

// ---- lists ----------------------------------------------------------------------------

// List the positions of an image in ascending order, each warp a span of them, in two rounds:
// count, then write once the counts of all spans are known. Also reset the arrays that later steps
// add to.
template <typename T>
__device__ void listPositions(const Attention<T>& a, int32_t image) {
  constexpr int32_t kWarps = RowsTraits::kWarps;
  __shared__ int32_t counts[kWarps];
  const int32_t lane = laneOf(threadIdx.x);
  const int32_t warp = warpOf(threadIdx.x);
  const int32_t span = (a.positions + kWarps * kWarp - 1) / (kWarps * kWarp) * kWarp;
  const int32_t begin = min(a.positions, warp * span);
  const int32_t end = min(a.positions, begin + span);
  const size_t start = startOf(image, 1, a.positions);

  int32_t count = 0;
  for (int32_t p = begin; p < end; p += kWarp) {
    const bool hole = p + lane < end && isHole(a.hole, a.hole_dtype, start + p + lane);
    count += __popc(__ballot_sync(kAllLanes, hole));
  }
  if (lane == 0) {
    counts[warp] = count;
  }
  __syncthreads();

  int32_t before = 0;  // holes before position p
  int32_t total = 0;
#pragma unroll
  for (int32_t w = 0; w < kWarps; ++w) {
    before += w < warp ? counts[w] : 0;
    total += counts[w];
  }
  for (int32_t p = begin; p < end; p += kWarp) {
    const int32_t position = p + lane;
    const bool inside = position < end;
    const bool hole = inside && isHole(a.hole, a.hole_dtype, start + position);
    const unsigned int holes = __ballot_sync(kAllLanes, hole);
    const int32_t rank = before + __popc(holes & ((1U << lane) - 1U));
    if (hole) {
      a.holes[start + rank] = position;
    } else if (inside) {
      a.known[start + position - rank] = position;
    }
    if (inside) {
      a.best[start + position] = 0;  // below every packed score
      if (a.matches != nullptr) {
        a.matches[start + position] = position;
      }
    }
    before += __popc(holes);
  }
  if (threadIdx.x == 0) {
    a.hole_count[image] = total == a.positions ? 0 : total;  // nothing known, nothing filled
  }
}

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
__global__ void __launch_bounds__(RowsTraits::kThreads, 1) prepareKernel(const Attention<T> a) {
  admitNext();
  const int32_t image = static_cast<int32_t>(blockIdx.y);
  if (blockIdx.x == 0) {
    listPositions(a, image);
    return;
  }
  const RowsJob<T> job{
      a.channels, a.positions, a.stride, a.features, a.rows_in_place ? nullptr : a.packed,
      a.output,   a.inverse};
  makeRows(job, a.channels_last, image, static_cast<int32_t>(blockIdx.x) - 1);
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------
template <typename T>
cudaError_t launchPrepare(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(1 + ceilDivide(a.positions, RowsTraits::kTile), a.batch);
  return launch(prepareKernel<T>, grid, RowsTraits::kThreads, stream, a);
}

int32_t codeArchitecture() {
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, prepareKernel<float>);
  return error == cudaSuccess ? attributes.ptxVersion : 0;
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchPrepare<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchPrepare<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchPrepare<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
