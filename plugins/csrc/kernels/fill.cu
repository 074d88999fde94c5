// fill.cu - the vectors of the holes, from the weights and the vector before each chunk.
//
// With w known the recurrence is linear and every channel is on its own: a block makes the 32
// vectors of a chunk in 128 channels, a channel a thread, all loads before the first use. For
// (C, N) outputs they are transposed through shared memory, since neighbouring holes are mostly
// neighbours in memory there.
//
// Sections: traits | kernel | launcher | instantiations.

#include "device.cuh"
#include "plan.cuh"

namespace csakit {
namespace {

// ---- traits ---------------------------------------------------------------------------
struct FillTraits {
  static constexpr int32_t kThreads = 128;  // channels of a block
  static constexpr int32_t kWarps = kThreads / kWarp;
};

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
__global__ void __launch_bounds__(FillTraits::kThreads) fillKernel(const Attention<T> a) {
  constexpr int32_t kSkew = 4 / static_cast<int32_t>(sizeof(T));  // rows start in other banks
  __shared__ T tile[kChunk][FillTraits::kThreads + kSkew];
  __shared__ ChunkPlan plan;

  const int32_t chunk = static_cast<int32_t>(blockIdx.x);
  const int32_t first_channel = static_cast<int32_t>(blockIdx.y) * FillTraits::kThreads;
  const int32_t image = static_cast<int32_t>(blockIdx.z);
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const int32_t count = min(kChunk, a.hole_count[image] - chunk * kChunk);
  if (count <= 0) {
    return;  // for the whole block
  }
  loadPlan(a, image, chunk, count, &plan);
  __syncthreads();

  const int32_t channel = first_channel + thread;
  T* output = a.output + startOf(image, a.positions, a.channels);
  if (channel < a.channels) {
    const T* rows = a.rows + startOf(image, a.positions, a.stride) + channel;
    float y = a.carry[startOf(image * a.chunks + chunk, 1, a.stride) + channel];
    T copied[kChunk];
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      copied[i] = rows[rowAt(plan.matches[i < count ? i : 0], a.stride)];
    }
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      if (i < count) {
        const float x = toFloat(copied[i]);
        y = fmaf(plan.weights[i], y - x, x);
        if (a.channels_last) {
          output[rowAt(plan.positions[i], a.channels) + channel] = fromFloat<T>(y);
        } else {
          tile[i][thread] = fromFloat<T>(y);
        }
      }
    }
  }
  if (a.channels_last) {
    return;  // for all blocks
  }
  __syncthreads();
  const int32_t hole = laneOf(threadIdx.x);
  const int32_t last = min(FillTraits::kThreads, a.channels - first_channel);
  for (int32_t c = warpOf(threadIdx.x); c < last && hole < count; c += FillTraits::kWarps) {
    output[rowAt(first_channel + c, a.positions) + plan.positions[hole]] = tile[hole][c];
  }
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------
template <typename T>
cudaError_t launchFill(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(a.chunks, ceilDivide(a.channels, FillTraits::kThreads), a.batch);
  return launch(fillKernel<T>, grid, FillTraits::kThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchFill<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchFill<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchFill<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
