// plan.cuh - matches and weights of the holes of one chunk, from the previous steps.
#ifndef CSAKIT_PLAN_CUH_
#define CSAKIT_PLAN_CUH_

#include "device.cuh"

namespace csakit {

struct ChunkPlan {
  int32_t positions[kChunk];
  int32_t matches[kChunk];
  float weights[kChunk];
};

// The same for one hole.
struct HolePlan {
  int32_t position;
  int32_t match;
  float weight;
};

template <typename T>
__device__ HolePlan loadPlan(const Attention<T>& a, int32_t image, int32_t rank) {
  const size_t at = startOf(image, 1, a.positions) + rank;
  return {a.holes[at], a.match[at], a.weight[at]};
}

__device__ inline void storePlan(const HolePlan& hole, int32_t index, ChunkPlan* plan) {
  plan->positions[index] = hole.position;
  plan->matches[index] = hole.match;
  plan->weights[index] = hole.weight;
}

// Load `count` holes from the first of `chunk` on, with a block of as many threads; a barrier must
// follow before they are read.
template <typename T>
__device__ void loadPlans(const Attention<T>& a, int32_t image, int32_t chunk, int32_t count,
                          ChunkPlan* plans) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  if (thread < count) {
    storePlan(loadPlan(a, image, chunk * kChunk + thread), thread % kChunk,
              plans + thread / kChunk);
  }
}

}  // namespace csakit

#endif  // CSAKIT_PLAN_CUH_
