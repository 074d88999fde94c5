// backward.cu - the gradient dX = dY + A^T dY, with A as the forward steps found it.
//
// A known position receives its own dY once more (A is the identity there) and what flows to it
// from the holes that were copied from it. Holes send their gradient backwards along the chain:
//
//     u_i = v_{i+1} + dY[h_i]      v_i = w_i u_i      sums[c_i] += (1 - w_i) u_i
//
// Channels are independent, so a thread walks all holes of an image for its channel, 32 loads at
// a time. It alone adds to its channel of `sums`, in order: the result is the same each time, and
// the additions need no answer from memory, so the chain is two multiplications a hole.
//
// Sections: traits | kernels | launchers | instantiations.

#include "device.cuh"
#include "plan.cuh"
#include "rows.cuh"

namespace csakit {
namespace {

// ---- traits ---------------------------------------------------------------------------
struct ReverseTraits {
  static constexpr int32_t kThreads = 64;  // channels of a block; few, to use many processors
};
struct GradientTraits {
  static constexpr int32_t kTile = kWarp;  // positions and channels of a block
  static constexpr int32_t kThreads = 256;
  static constexpr int32_t kWarps = kThreads / kWarp;
};

// ---- kernels --------------------------------------------------------------------------
template <typename T>
__global__ void __launch_bounds__(RowsTraits::kThreads, 1) packGradientKernel(
    const Attention<T> a) {
  const int32_t tile = static_cast<int32_t>(blockIdx.x);
  const int32_t image = static_cast<int32_t>(blockIdx.y);
  const int32_t first = tile * RowsTraits::kTile;
  const size_t begin = startOf(image, a.positions, a.stride);
  const size_t last = startOf(min(first + RowsTraits::kTile, a.positions), 1, a.stride);
  for (size_t i = startOf(first, 1, a.stride) + threadIdx.x; i < last; i += RowsTraits::kThreads) {
    a.sums[begin + i] = 0.0F;
  }
  if (!a.rows_in_place) {
    const RowsJob<T> job{a.channels,        a.positions, a.stride, a.output_gradient,
                         a.packed_gradient, nullptr,     nullptr};
    makeRows(job, a.channels_last, image, tile);
  }
}

template <typename T>
__global__ void __launch_bounds__(ReverseTraits::kThreads) reverseKernel(const Attention<T> a) {
  __shared__ ChunkPlan plan;
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const int32_t channel = static_cast<int32_t>(blockIdx.x) * ReverseTraits::kThreads + thread;
  const int32_t image = static_cast<int32_t>(blockIdx.y);
  const int32_t holes = a.hole_count[image];
  const bool inside = channel < a.stride;
  const size_t start = startOf(image, a.positions, a.stride) + (inside ? channel : 0);
  float carried = 0.0F;  // v: what later holes send to the vector filled just before them
  for (int32_t chunk = (holes - 1) / kChunk; chunk >= 0 && holes > 0; --chunk) {
    const int32_t count = min(kChunk, holes - chunk * kChunk);
    loadPlans(a, image, chunk, count, &plan);
    __syncthreads();
    T gradients[kChunk];
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      const int32_t position = plan.positions[i < count ? i : 0];
      gradients[i] = a.gradient_rows[start + rowAt(position, a.stride)];
    }
#pragma unroll
    for (int32_t i = kChunk - 1; i >= 0; --i) {
      if (i < count && inside) {
        const float sum = carried + toFloat(gradients[i]);
        carried = plan.weights[i] * sum;
        atomicAdd(a.sums + start + rowAt(plan.matches[i], a.stride), sum - carried);
      }
    }
    __syncthreads();  // the chunk before overwrites the lists
  }
}

template <typename T>
__global__ void __launch_bounds__(GradientTraits::kThreads) inputGradientKernel(
    const Attention<T> a) {
  using Traits = GradientTraits;
  __shared__ float tile[Traits::kTile][Traits::kTile + 1];
  const int32_t first_position = static_cast<int32_t>(blockIdx.x) * Traits::kTile;
  const int32_t first_channel = static_cast<int32_t>(blockIdx.y) * Traits::kTile;
  const int32_t image = static_cast<int32_t>(blockIdx.z);
  const int32_t lane = laneOf(threadIdx.x);
  for (int32_t row = warpOf(threadIdx.x); row < Traits::kTile; row += Traits::kWarps) {
    const int32_t position = min(first_position + row, a.positions - 1);
    tile[row][lane] = a.sums[startOf(image, a.positions, a.stride) + rowAt(position, a.stride) +
                             first_channel + lane];
  }
  __syncthreads();
  const bool nothing_filled = a.hole_count[image] == 0;
  for (int32_t row = warpOf(threadIdx.x); row < Traits::kTile; row += Traits::kWarps) {
    const int32_t position = first_position + (a.channels_last ? row : lane);
    const int32_t channel = first_channel + (a.channels_last ? lane : row);
    if (position < a.positions && channel < a.channels) {
      const bool hole = isHole(a.hole, a.hole_dtype, startOf(image, 1, a.positions) + position);
      const size_t at = startOf(image, a.positions, a.channels) +
                        (a.channels_last ? rowAt(position, a.channels) + channel
                                         : rowAt(channel, a.positions) + position);
      const float own = toFloat(a.output_gradient[at]) * (hole && !nothing_filled ? 1.0F : 2.0F);
      const float sum = a.channels_last ? tile[row][lane] : tile[lane][row];
      a.input_gradient[at] = fromFloat<T>(own + sum);
    }
  }
}

}  // namespace

// ---- launchers ------------------------------------------------------------------------
template <typename T>
cudaError_t launchPackGradient(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(ceilDivide(a.positions, RowsTraits::kTile), a.batch);
  return launch(packGradientKernel<T>, grid, RowsTraits::kThreads, stream, a);
}

template <typename T>
cudaError_t launchReverse(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(ceilDivide(a.stride, ReverseTraits::kThreads), a.batch);
  return launch(reverseKernel<T>, grid, ReverseTraits::kThreads, stream, a);
}

template <typename T>
cudaError_t launchInputGradient(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(ceilDivide(a.positions, GradientTraits::kTile),
                  ceilDivide(a.channels, GradientTraits::kTile), a.batch);
  return launch(inputGradientKernel<T>, grid, GradientTraits::kThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
#define CSAKIT_INSTANTIATE(T)                                                    \
  template cudaError_t launchPackGradient<T>(const Attention<T>&, cudaStream_t); \
  template cudaError_t launchReverse<T>(const Attention<T>&, cudaStream_t);      \
  template cudaError_t launchInputGradient<T>(const Attention<T>&, cudaStream_t);
CSAKIT_INSTANTIATE(float)
CSAKIT_INSTANTIATE(__half)
CSAKIT_INSTANTIATE(__nv_bfloat16)

}  // namespace csakit
