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

// Load `count` holes from the first of `chunk`; a block of as many threads, which passes a barrier
// before it reads them.
template <typename T>
__device__ void loadPlans(const Attention<T>& a, int32_t image, int32_t chunk, int32_t count,
                          ChunkPlan* plans) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  if (thread < count) {
    const size_t at = startOf(image, 1, a.positions) + chunk * kChunk + thread;
    plans[thread / kChunk].positions[thread % kChunk] = a.holes[at];
    plans[thread / kChunk].matches[thread % kChunk] = a.match[at];
    plans[thread / kChunk].weights[thread % kChunk] = a.weight[at];
  }
}

}  // namespace csakit

#endif  // CSAKIT_PLAN_CUH_
