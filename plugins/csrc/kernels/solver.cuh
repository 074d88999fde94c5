// solver.cuh - one warp solves a chunk of 32 holes with numbers only, lane i for hole i.
//
// With y the vector filled last, u_i = unit(x[h_i]) and k_j = x[c_j], lane i keeps
//
//     adjacent = <u_i, y>        along = <k_i, y>  (cosine only)
//
// Step j takes w from lane j and replaces y by w y + (1 - w) k_j. Both numbers are linear in y,
// so they follow with one multiplication each and the Gram block of gram.cu; no vector is
// touched. The same is done ahead for the holes of the next chunk, beginning from y = 0; what
// remains of the vector before this chunk is `kept`, the product of all w. Then
//
//     adjacent of the next chunk = adjacent_next + kept <u_i, y before this chunk>
//
// and that last product is made by other warps while this one solves: nothing on the chain of
// dependent instructions is as long as C. For the projection the chain of a step is add,
// reciprocal, multiply, select, shuffle, multiply-add: about 60 cycles, estimated.
//
// For cosines w = a / (a + s) with a = adjacent / n and n = |y| + 1e-8; it is computed as
// adjacent / (adjacent + s n), which saves a second reciprocal on the chain. |y|^2 follows from
// `along` in the same way.
#ifndef CSAKIT_SOLVER_CUH_
#define CSAKIT_SOLVER_CUH_

#include "device.cuh"

namespace csakit {

constexpr int32_t kHalfChunk = kChunk / 2;

// Gram block of a chunk: [match j][hole i of this chunk, then of the next].
using GramBlock = float[kChunk][2 * kChunk];

// w of a hole, and 0 where the blend is undefined: where a + s vanishes or is no finite number.
// `norm` is what a and s both are to be divided by, 1 for the projection.
__device__ inline float weightOf(float adjacent, float score, float norm) {
  const float denominator = fmaf(score, norm, adjacent);
  const float size = fabsf(denominator);
  const float weight = adjacent * fastReciprocal(denominator);
  const bool defined = size >= kDenominatorMin * norm && size <= kLargest;  // false for NaN
  return defined ? weight : 0.0F;
}

template <bool kCosine>
class Solver {
 public:
  __device__ explicit Solver(float first_score) : score_(first_score) {}

  // Solve half a chunk, holes kFirst to kFirst + 15.
  template <int32_t kFirst>
  __device__ void solve(const GramBlock* gram) {
    const int32_t lane = laneOf(threadIdx.x);
#pragma unroll
    for (int32_t j = kFirst; j < kFirst + kHalfChunk; ++j) {
      const float norm = kCosine ? fastRoot(fmaxf(square_, 0.0F)) + kNormEpsilon : 1.0F;
      const float w = __shfl_sync(kAllLanes, weightOf(adjacent_, score_, norm), j);
      own_ = lane == j ? w : own_;
      kept_ *= w;
      blend(w, gram[0][j][lane], &adjacent_);
      blend(w, gram[0][j][kChunk + lane], &adjacent_next_);
      if constexpr (kCosine) {
        const float along = __shfl_sync(kAllLanes, along_, j);
        const float copied = gram[1][j][j];                   // |k_j|^2
        const float apart = square_ - 2.0F * along + copied;  // |y - k_j|^2
        square_ = fmaf(w, fmaf(w, apart, 2.0F * (along - copied)), copied);
        blend(w, gram[1][j][lane], &along_);
        blend(w, gram[1][j][kChunk + lane], &along_next_);
      }
    }
  }

  // w of this lane's hole.
  __device__ float weight() const { return own_; }

  // Go on to the next chunk, whose products with the vector before this chunk are `dots`.
  __device__ void advance(const float (*dots)[kChunk], float next_score) {
    const int32_t lane = laneOf(threadIdx.x);
    adjacent_ = fmaf(kept_, dots[0][lane], adjacent_next_);
    adjacent_next_ = 0.0F;
    if constexpr (kCosine) {
      along_ = fmaf(kept_, dots[1][lane], along_next_);
      along_next_ = 0.0F;
    }
    kept_ = 1.0F;
    score_ = next_score;
  }

 private:
  __device__ static void blend(float w, float copied, float* value) {
    *value = fmaf(w, *value - copied, copied);
  }

  float score_;            // s_i
  float adjacent_ = 0.0F;  // y is 0 before the first hole, which makes w_1 = 0
  float adjacent_next_ = 0.0F;
  float along_ = 0.0F;
  float along_next_ = 0.0F;
  float square_ = 0.0F;  // |y|^2
  float kept_ = 1.0F;
  float own_ = 0.0F;
};

}  // namespace csakit

#endif  // CSAKIT_SOLVER_CUH_
