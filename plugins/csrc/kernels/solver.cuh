// solver.cuh - one warp solves a chunk of 32 holes without vectors, lane i for hole i.
//
// With y the vector filled last, u_i = unit(x[h_i]) and k_j = x[c_j], lane i keeps
//
//     adjacent = <u_i, y>        along = <k_i, y>  (cosine only)
//
// Step j takes w from lane j and replaces y by w y + (1 - w) k_j. Both numbers are linear in y, so
// one multiplication each and the Gram block of gram.cu update them, without any vector. The same
// is done ahead for the holes of the next two chunks, beginning from y = 0. The vector before this
// chunk remains with the factor `kept`, the product of all w. Hence, with b this chunk and each
// `far` computed one chunk earlier,
//
//     start of chunk b + 1             kept far + next        far = <u_i, y before chunk b>
//     far of chunk b + 2               kept <u_i, y before chunk b> + far from y = 0
//
// Only the last product needs a vector, and if two chunks keep almost nothing its value does not
// matter (rounds.cuh). For the projection the dependent chain of a step is add, reciprocal,
// multiply, select, shuffle, multiply-add: about 70 cycles, modelled.
//
// For cosines w = a / (a + s) with a = adjacent / n and n = |y| + 1e-8; it is computed as
// adjacent / (adjacent + s n), which saves a second reciprocal on the chain. |y|^2 follows from
// `along` in the same way.
#ifndef CSAKIT_SOLVER_CUH_
#define CSAKIT_SOLVER_CUH_

#include "device.cuh"

namespace csakit {

constexpr int32_t kHalfChunk = kChunk / 2;

// A lane's products with a vector: <u_i, y> and <k_i, y>.
struct Products {
  float adjacent;
  float along;  // cosine only
};

// The start of a chunk: a lane's products with the vector filled just before it.
struct Start {
  Products products;
  float square;  // |y|^2; cosine only
};

// w of a hole, and 0 if the blend is undefined: if a + s vanishes or is not finite.
// `norm` is the divisor of both a and s, 1 for the projection.
__device__ inline float weightOf(float adjacent, float score, float norm) {
  const float denominator = fmaf(score, norm, adjacent);
  const float size = fabsf(denominator);
  const float weight = adjacent * fastReciprocal(denominator);
  const bool defined = size >= kDenominatorMin * norm && size <= kLargest;  // false for NaN
  return defined ? weight : 0.0F;
}

// kept y + added, for both products.
template <bool kCosine>
__device__ inline Products combine(float kept, const Products& y, const Products& added) {
  return {fmaf(kept, y.adjacent, added.adjacent),
          kCosine ? fmaf(kept, y.along, added.along) : 0.0F};
}

// Reads a lane's part of a Gram block a group of steps ahead of its use, first from the L2 cache:
// no step waits for it, and it takes no shared memory.
template <bool kCosine>
class GramReader {
 public:
  static constexpr int32_t kPlanes = kCosine ? 2 : 1;
  static constexpr int32_t kBlock = kPlanes * kChunk * kGramLine;  // floats
  static constexpr int32_t kGroup = kCosine ? 4 : 8;               // steps
  struct Step {
    Pack<float, kGramCell * sizeof(float)> planes[kPlanes];
  };

  // Begin with the first steps of `block`; its last steps are followed by those of `following`.
  __device__ void open(const float* block, const float* following) {
    block_ = block;
    following_ = following;
    ask(block, 0);
  }
  __device__ void goOn(const float* following) {
    block_ = following_;
    following_ = following;
  }

  // Take the group of steps from `first`, and request the group after it.
  __device__ void take(int32_t first, Step (&steps)[kGroup]) {
#pragma unroll
    for (int32_t k = 0; k < kGroup; ++k) {
      steps[k] = ahead_[k];
    }
    const int32_t after = (first + kGroup) % kChunk;
    ask(after == 0 ? following_ : block_, after);
  }

 private:
  __device__ void ask(const float* block, int32_t first) {
    const float* from = block + first * kGramLine + laneOf(threadIdx.x) * kGramCell;
#pragma unroll
    for (int32_t k = 0; k < kGroup; ++k) {
#pragma unroll
      for (int32_t plane = 0; plane < kPlanes; ++plane) {
        ahead_[k].planes[plane] =
            loadPack<kGramCell * sizeof(float)>(from + (plane * kChunk + k) * kGramLine);
      }
    }
  }

  const float* block_ = nullptr;
  const float* following_ = nullptr;
  Step ahead_[kGroup];
};

template <bool kCosine>
class Solver {
 public:
  using Reader = GramReader<kCosine>;

  // Begin a chunk.
  __device__ void begin(const Start& start, float score) {
    score_ = score;
    now_ = start.products;
    square_ = start.square;
    next_ = far_ = Products{0.0F, 0.0F};
    kept_ = 1.0F;
  }

  // Solve half a chunk, holes `first` to `first` + 15.
  __device__ void solveHalf(Reader* gram, int32_t first) {
#pragma unroll 1
    for (int32_t g = 0; g < kHalfChunk; g += Reader::kGroup) {
      typename Reader::Step steps[Reader::kGroup];
      __syncwarp();  // states convergence, else the compiler waits for the loads to find out
      gram->take(first + g, steps);
#pragma unroll
      for (int32_t k = 0; k < Reader::kGroup; ++k) {
        solveStep(first + g + k, steps[k]);
      }
    }
  }

  __device__ float weight() const { return own_; }     // w of this lane's hole
  __device__ float kept() const { return kept_; }      // the product of all w
  __device__ float square() const { return square_; }  // |y|^2 after the last hole
  __device__ const Products& next() const {
    return next_;
  }  // from y = 0, of the next chunk's holes
  __device__ const Products& far() const { return far_; }  // likewise of the one after it

 private:
  __device__ void solveStep(int32_t j, const typename Reader::Step& gram) {
    const float (&products)[kGramCell] = gram.planes[0].values;
    const float norm = kCosine ? fastRoot(fmaxf(square_, 0.0F)) + kNormEpsilon : 1.0F;
    const float w = __shfl_sync(kAllLanes, weightOf(now_.adjacent, score_, norm), j);
    own_ = laneOf(threadIdx.x) == j ? w : own_;
    kept_ *= w;
    blend(w, products[0], &now_.adjacent);
    blendAhead(w, products[1], &next_.adjacent);
    blendAhead(w, products[2], &far_.adjacent);
    if constexpr (kCosine) {
      const float (&of_matches)[kGramCell] = gram.planes[1].values;
      const float along = __shfl_sync(kAllLanes, now_.along, j);
      const float copied = __shfl_sync(kAllLanes, of_matches[0], j);  // |k_j|^2
      const float apart = square_ - 2.0F * along + copied;            // |y - k_j|^2
      square_ = fmaf(w, fmaf(w, apart, 2.0F * (along - copied)), copied);
      blend(w, of_matches[0], &now_.along);
      blendAhead(w, of_matches[1], &next_.along);
      blendAhead(w, of_matches[2], &far_.along);
    }
  }

  __device__ static void blend(float w, float copied, float* value) {
    *value = fmaf(w, *value - copied, copied);
  }
  // With one dependent instruction: these lag behind the chain, and must catch up.
  __device__ static void blendAhead(float w, float copied, float* value) {
    *value = fmaf(w, *value, fmaf(-w, copied, copied));
  }

  float score_ = 0.0F;  // s_i
  Products now_{};
  Products next_{};
  Products far_{};
  float square_ = 0.0F;
  float kept_ = 1.0F;
  float own_ = 0.0F;
};

}  // namespace csakit

#endif  // CSAKIT_SOLVER_CUH_
