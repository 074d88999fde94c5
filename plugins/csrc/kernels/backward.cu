// backward.cu - the gradient dX = dY + A^T dY, with A as the forward steps found it.
//
// A known position receives its own dY a second time (A is the identity there), and the gradients
// of the holes that were copied from it. Holes pass their gradient backwards along the chain:
//
//     u_i = w_{i+1} u_{i+1} + dY[h_i]      sums[c_i] += u_i - w_i u_i
//
// Channels are independent, so a lane walks all holes of an image for its channel. The chain costs
// one multiply-add per hole: while a chunk of 32 is walked, the gradients of the chunk before it
// and the lists of the one before that are being loaded, and all operands of a step are in
// registers. Only this lane adds to its channel of `sums`, in order: results are deterministic, and
// no addition waits for memory.
//
// Parallel chunks would not pay: their additions to `sums` need an order, so that another kernel
// would have to do them, at the same cost per hole as this one.
//
// Sections: traits | kernels | launchers | instantiations.

#include "device.cuh"
#include "plan.cuh"
#include "rows.cuh"

namespace csakit {
namespace {

// ---- traits ---------------------------------------------------------------------------
struct ReverseTraits {
  static constexpr int32_t kThreads = kWarp;  // channels per block; few, to use many processors
  static constexpr int32_t kPlans = 3;  // chunks whose lists are kept: this one and the next two
};
struct GradientTraits {
  static constexpr int32_t kTile = kWarp;  // positions and channels per block
  static constexpr int32_t kThreads = 256;
  static constexpr int32_t kWarps = kThreads / kWarp;
};

// ---- kernels --------------------------------------------------------------------------
template <typename T>
__global__ void __launch_bounds__(RowsTraits::kThreads, 1) packGradientKernel(
    const Attention<T> a) {
  awaitPrevious();
  admitNext();
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

// The row of a position. A wide product is one instruction; an index takes five.
template <typename U>
__device__ U* rowOf(U* rows, int32_t position, int32_t stride) {
  using Byte = std::conditional_t<std::is_const<U>::value, const char, char>;
  const int64_t bytes = static_cast<int64_t>(position) *
                        static_cast<int32_t>(static_cast<uint32_t>(stride) * sizeof(U));
  return reinterpret_cast<U*>(reinterpret_cast<Byte*>(rows) + bytes);
}

// The gradients of the first `count` holes of a chunk in one channel, padded with zeros.
template <typename T>
__device__ void loadGradients(const T* rows, const ChunkPlan& plan, int32_t stride, int32_t count,
                              T (&gradients)[kChunk]) {
#pragma unroll
  for (int32_t i = 0; i < kChunk; ++i) {
    gradients[i] = i < count ? *rowOf(rows, plan.positions[i], stride) : fromFloat<T>(0.0F);
  }
}

template <typename T>
__global__ void __launch_bounds__(ReverseTraits::kThreads) reverseKernel(const Attention<T> a) {
  awaitPrevious();
  admitNext();
  constexpr int32_t kPlans = ReverseTraits::kPlans;
  static_assert(ReverseTraits::kThreads == kChunk);
  __shared__ ChunkPlan plans[kPlans];
  const int32_t lane = static_cast<int32_t>(threadIdx.x);
  const int32_t image = static_cast<int32_t>(blockIdx.y);
  const int32_t holes = a.hole_count[image];
  if (holes == 0) {
    return;  // for the whole block
  }
  const size_t start = startOf(image, a.positions, a.stride) +
                       static_cast<int32_t>(blockIdx.x) * ReverseTraits::kThreads + lane;
  const T* rows = a.gradient_rows + start;
  float* sums = a.sums + start;
  const int32_t last = (holes - 1) / kChunk;
  HolePlan own = loadPlan(a, image, min(last * kChunk + lane, holes - 1));
  if (last * kChunk + lane >= holes) {
    own.weight = 0.0F;  // past the last hole; its gradient is zero too
  }
  storePlan(own, lane, plans + last % kPlans);
  if (last > 0) {
    storePlan(loadPlan(a, image, (last - 1) * kChunk + lane), lane, plans + (last - 1) % kPlans);
  }
  __syncthreads();
  T coming[kChunk];
  loadGradients(rows, plans[last % kPlans], a.stride, holes - last * kChunk, coming);
  float later = 0.0F;  // u of the hole filled next,
  float kept = 0.0F;   // and its w
  for (int32_t chunk = last; chunk >= 0; --chunk) {
    const ChunkPlan& plan = plans[chunk % kPlans];
    float gradients[kChunk];
    float weights[kChunk];
    float* targets[kChunk];
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      gradients[i] = toFloat(coming[i]);
      weights[i] = plan.weights[i];
      targets[i] = rowOf(sums, plan.matches[i], a.stride);
    }
    HolePlan lists{};
    if (chunk > 0) {
      loadGradients(rows, plans[(chunk - 1) % kPlans], a.stride, kChunk, coming);
    }
    if (chunk > 1) {
      lists = loadPlan(a, image, (chunk - 2) * kChunk + lane);
    }
#pragma unroll
    for (int32_t i = kChunk - 1; i >= 0; --i) {
      later = fmaf(kept, later, gradients[i]);
      kept = weights[i];
      atomicAdd(targets[i], fmaf(-kept, later, later));
    }
    if (chunk > 1) {  // replaces those of the chunk after this one
      storePlan(lists, lane, plans + (chunk - 2) % kPlans);
    }
    __syncthreads();
  }
}

template <typename T>
__global__ void __launch_bounds__(GradientTraits::kThreads) inputGradientKernel(
    const Attention<T> a) {
  awaitPrevious();
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
  return launchNext(packGradientKernel<T>, grid, RowsTraits::kThreads, stream, a);
}

template <typename T>
cudaError_t launchReverse(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(ceilDivide(a.stride, ReverseTraits::kThreads), a.batch);
  return launchNext(reverseKernel<T>, grid, ReverseTraits::kThreads, stream, a);
}

template <typename T>
cudaError_t launchInputGradient(const Attention<T>& a, cudaStream_t stream) {
  const dim3 grid(ceilDivide(a.positions, GradientTraits::kTile),
                  ceilDivide(a.channels, GradientTraits::kTile), a.batch);
  return launchNext(inputGradientKernel<T>, grid, GradientTraits::kThreads, stream, a);
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
