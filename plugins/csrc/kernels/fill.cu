// fill.cu - the vectors of the holes, from the weights and the vector before each chunk.
//
// With w known the recurrence is linear and channels are independent: a block computes the 32
// vectors of a chunk in 128 channels, one channel per thread, with all loads before the first use.
// For (C, N) outputs they are transposed through shared memory, because neighbouring holes are
// mostly neighbours in memory there.
//
// The vector before a chunk is stored if chunks were solved in order. Otherwise a thread begins two
// chunks earlier, from both ends of the range that contains its channel, and blends the same
// matches into both. A blend is monotone in the previous value, and so is its rounding: once the
// two have met, every value between them, and so the true one, has the same bits. If they have not,
// it begins further ahead, at last with the first hole and from zero.
//
// Sections: traits | the vector before a chunk | kernel | launcher | instantiations.

#include "device.cuh"
#include "plan.cuh"

namespace csakit {
namespace {

// ---- traits ---------------------------------------------------------------------------
struct FillTraits {
  static constexpr int32_t kThreads = 128;  // channels per block
  static constexpr int32_t kWarps = kThreads / kWarp;
  static constexpr int32_t kBack = 2;  // chunks
  static_assert((kBack + 1) * kChunk <= kThreads);
};

// ---- the vector before a chunk ----------------------------------------------------------

// One channel, between two bounds.
struct Between {
  float low;
  float high;

  __device__ void blend(float weight, float x) {
    low = fmaf(weight, low - x, x);
    high = fmaf(weight, high - x, x);
  }
};

// The bounds of a channel before a chunk: before the first one nothing is filled.
template <typename T>
__device__ Between knownBefore(const Attention<T>& a, int32_t image, int32_t chunk) {
  const float bound = chunk > 0 ? a.bound[image * a.chunks + chunk] : 0.0F;
  return {-bound, bound};
}

// Begin `back` chunks before `chunk`, then twice as many.
template <typename T>
__device__ float beforeChunk(const Attention<T>& a, int32_t image, int32_t chunk, int32_t back,
                             const T* rows) {
  for (;; back *= 2) {
    const int32_t begin = max(0, chunk - back);
    Between y = knownBefore(a, image, begin);
    const size_t start = startOf(image, 1, a.positions);
    for (int32_t rank = begin * kChunk; rank < chunk * kChunk; ++rank) {
      y.blend(a.weight[start + rank], toFloat(rows[rowAt(a.match[start + rank], a.stride)]));
    }
    if (y.low == y.high || begin == 0) {
      return y.low;
    }
  }
}

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
__global__ void __launch_bounds__(FillTraits::kThreads) fillKernel(const Attention<T> a) {
  awaitPrevious();
  constexpr int32_t kBack = FillTraits::kBack;
  constexpr int32_t kSkew = 4 / static_cast<int32_t>(sizeof(T));  // rows start in other banks
  __shared__ T tile[kChunk][FillTraits::kThreads + kSkew];
  __shared__ ChunkPlan plans[kBack + 1];  // of the chunks before this one, then of this one

  const int32_t chunk = static_cast<int32_t>(blockIdx.x);
  const int32_t first_channel = static_cast<int32_t>(blockIdx.y) * FillTraits::kThreads;
  const int32_t image = static_cast<int32_t>(blockIdx.z);
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const int32_t count = min(kChunk, a.hole_count[image] - chunk * kChunk);
  if (count <= 0) {
    return;  // for the whole block
  }
  const bool kept = a.rounds[image] == 0;
  const int32_t back = kept ? 0 : min(kBack, chunk);
  loadPlans(a, image, chunk - back, back * kChunk + count, plans + kBack - back);
  __syncthreads();
  const ChunkPlan& plan = plans[kBack];

  const int32_t channel = first_channel + thread;
  T* output = a.output + startOf(image, a.positions, a.channels);
  if (channel < a.channels) {
    const T* rows = a.rows + startOf(image, a.positions, a.stride) + channel;
    T copied[kBack + 1][kChunk];
#pragma unroll
    for (int32_t i = 0; i < kBack * kChunk; ++i) {
      if (i / kChunk >= kBack - back) {
        copied[i / kChunk][i % kChunk] =
            rows[rowAt(plans[i / kChunk].matches[i % kChunk], a.stride)];
      }
    }
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      copied[kBack][i] = rows[rowAt(plan.matches[i < count ? i : 0], a.stride)];
    }
    float y = 0.0F;
    if (kept) {
      y = a.carry[startOf(image * a.chunks + chunk, 1, a.stride) + channel];
    } else {
      Between before = knownBefore(a, image, chunk - back);
#pragma unroll
      for (int32_t i = 0; i < kBack * kChunk; ++i) {
        if (i / kChunk >= kBack - back) {
          before.blend(plans[i / kChunk].weights[i % kChunk],
                       toFloat(copied[i / kChunk][i % kChunk]));
        }
      }
      y = before.low == before.high || back == chunk
              ? before.low
              : beforeChunk(a, image, chunk, 2 * kBack, rows);
    }
#pragma unroll
    for (int32_t i = 0; i < kChunk; ++i) {
      if (i < count) {
        const float x = toFloat(copied[kBack][i]);
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
  return launchNext(fillKernel<T>, grid, FillTraits::kThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchFill<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchFill<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchFill<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
