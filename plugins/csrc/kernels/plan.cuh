// plan.cuh - what the steps before have found for the holes of one chunk: where each is filled
// from.
#ifndef CSAKIT_PLAN_CUH_
#define CSAKIT_PLAN_CUH_

#include "device.cuh"

namespace csakit {

struct ChunkPlan {
  int32_t positions[kChunk];
  int32_t matches[kChunk];
  float weights[kChunk];
};

// Load the first `count` holes of a chunk; a block of at least kChunk threads, which passes a
// barrier before it reads them.
template <typename T>
__device__ void loadPlan(const Attention<T>& a, int32_t image, int32_t chunk, int32_t count,
                         ChunkPlan* plan) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  if (thread < count) {
    const size_t at = startOf(image, 1, a.positions) + chunk * kChunk + thread;
    plan->positions[thread] = a.holes[at];
    plan->matches[thread] = a.match[at];
    plan->weights[thread] = a.weight[at];
  }
}

}  // namespace csakit

#endif  // CSAKIT_PLAN_CUH_
