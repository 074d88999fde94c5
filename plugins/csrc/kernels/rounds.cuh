// rounds.cuh - solve all chunks of an image at once, with the bits of the sequential walk.
//
// Method. A chunk needs the vector before it only as 32 numbers, its start. Every warp takes a
// chunk, guesses that the vector before it is the match copied last, and solves. Each chunk then
// computes its start anew from the results of the chunks before it and solves again, until a round
// changes no bit of any start. Two or three rounds are usual, because a chunk keeps almost nothing
// of the vectors before the previous chunk: the product of 32 weights near 1/2.
//
// Proof that the result equals the sequential one, bit for bit, for any guess. (1) The start of a
// chunk depends only on the chunks before it. Chunk 0 starts from zero and is correct; if the
// chunks before b are correct and a round does not change the start of b, that start was computed
// from correct values, so it is correct, and so is chunk b. By induction all are. After round r the
// first r chunks are final: the rounds end. (2) One term is left out, the vector two chunks before;
// the sequential start is
//
//     start = fl(kept_1 fl(kept_2 d + far) + next)      d = <u_i, y before chunk b - 2>
//
// which is monotone in d, as rounding is. |d| <= D = |y| by Cauchy and Schwarz, and D follows from
// the weights and the lengths of the matches. If d = -D and d = D give the same bits as d = 0, so
// does the true d. If they do not, because weights above 1/2 keep too much or a number is not
// finite, the function returns 0 and the image is solved sequentially.
//
// More chunks are solved kWindow at a time; the next window starts from exact values.
#ifndef CSAKIT_ROUNDS_CUH_
#define CSAKIT_ROUNDS_CUH_

#include "device.cuh"
#include "image.cuh"
#include "solver.cuh"

namespace csakit {

constexpr int32_t kWindow = 16;  // solving warps; more would compete for the schedulers
constexpr int32_t kRoundsThreads = kWindow * kWarp;
constexpr int32_t kSlots = kWindow + 3;  // for a window's chunks and the three before them

// The results of chunks, by slot.
struct RoundsShared {
  Products next[kSlots][kChunk];
  Products far[kSlots][kChunk];
  float kept[kSlots];
  float square[kSlots];
  float growth[kSlots];  // |y after| <= growth |y before| + added
  float added[kSlots];
  float after[kSlots];  // upper bound of |y after|, for final chunks
};

__device__ inline int32_t slotOf(int32_t chunk) { return (chunk + kSlots) % kSlots; }

// Chunks -3 to -1: empty.
__device__ inline void clearBefore(RoundsShared* shared) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const int32_t slot = slotOf(-1 - thread / kChunk);
  if (thread < 3 * kChunk) {
    shared->next[slot][thread % kChunk] = {0.0F, 0.0F};
    shared->far[slot][thread % kChunk] = {0.0F, 0.0F};
    if (thread % kChunk == 0) {
      shared->kept[slot] = shared->square[slot] = shared->after[slot] = 0.0F;
    }
  }
}

// The start of a chunk, with `dot` for the products with the vector two chunks before.
template <bool kCosine>
__device__ Start startOfChunk(const RoundsShared& shared, int32_t chunk, const Products& dot) {
  const int32_t lane = laneOf(threadIdx.x);
  const int32_t one = slotOf(chunk - 1);
  const int32_t two = slotOf(chunk - 2);
  const Products far = combine<kCosine>(shared.kept[two], dot, shared.far[two][lane]);
  return {combine<kCosine>(shared.kept[one], far, shared.next[one][lane]),
          kCosine ? shared.square[one] : 0.0F};
}

template <bool kCosine>
__device__ bool haveSameBits(const Start& a, const Start& b) {
  const auto same = [](float x, float y) { return __float_as_uint(x) == __float_as_uint(y); };
  return same(a.products.adjacent, b.products.adjacent) &&
         (!kCosine || (same(a.products.along, b.products.along) && same(a.square, b.square)));
}

// One warp and the chunk that it solves; `length_` is an upper bound for the lane's match.
template <typename T, bool kCosine>
class ChunkInRounds {
 public:
  __device__ ChunkInRounds(const Image<T>& image, int32_t chunk, bool is_first)
      : chunk_(chunk), rank_(chunk * kChunk + laneOf(threadIdx.x)) {
    const float* gram = image.template gram<kCosine>(chunk);
    reader_.open(gram, gram);
    if (!is_first) {
      guess(gram - GramReader<kCosine>::kBlock);
    }
    score_ = 0.0F;
    float inverse = 1.0F;
    if (rank_ < image.holes) {
      score_ = image.a.score[image.start() + rank_];
      inverse = image.a.inverse[image.start() + image.a.match[image.start() + rank_]];
    }
    constexpr float kRounding = 1.0001F;  // for a sum of 1024 squares
    length_ = kRounding / inverse;
  }

  __device__ void solve(RoundsShared* shared) {
    solver_.begin(start_, score_);
    solver_.solveHalf(&reader_, 0);
    solver_.solveHalf(&reader_, kHalfChunk);
    const int32_t lane = laneOf(threadIdx.x);
    const int32_t slot = slotOf(chunk_);
    shared->next[slot][lane] = solver_.next();
    shared->far[slot][lane] = solver_.far();
    if (lane == 0) {
      shared->kept[slot] = solver_.kept();
      shared->square[slot] = solver_.square();
    }
  }

  // Compute the start from the chunks before; return whether it has changed.
  __device__ bool startAgain(const RoundsShared& shared) {
    const Start before = start_;
    start_ = startOfChunk<kCosine>(shared, chunk_, {0.0F, 0.0F});
    return __ballot_sync(kAllLanes, !haveSameBits<kCosine>(start_, before)) != 0U;
  }

  // Publish how much longer a vector may become in this chunk, including rounding.
  __device__ void publishGrowth(RoundsShared* shared) const {
    constexpr float kRounding = 1.0F / (1 << 20);  // a blend rounds by less than 3 in 2^24
    const float size = fabsf(solver_.weight());
    float growth = size + kRounding * size;
    float added = fmaf(kRounding, size + 1.0F, fabsf(1.0F - solver_.weight())) * length_;
#pragma unroll
    for (int32_t distance = 1; distance < kWarp; distance *= 2) {
      const float other_growth = __shfl_xor_sync(kAllLanes, growth, distance);
      const float other_added = __shfl_xor_sync(kAllLanes, added, distance);
      const bool comes_first = (laneOf(threadIdx.x) & distance) == 0;
      added =
          comes_first ? fmaf(other_growth, added, other_added) : fmaf(growth, other_added, added);
      growth *= other_growth;
    }
    if (laneOf(threadIdx.x) == 0) {
      shared->growth[slotOf(chunk_)] = growth;
      shared->added[slotOf(chunk_)] = added;
    }
  }

  // Store weights and bounds; return whether they are proven, given the first chunk of the window.
  __device__ bool finish(const Image<T>& image, int32_t first, RoundsShared* shared) {
    float reach = shared->after[slotOf(first - 3)];  // two chunks before `chunk`
    float one = shared->after[slotOf(first - 2)];
    float before = shared->after[slotOf(first - 1)];
    for (int32_t chunk = first; chunk < chunk_; ++chunk) {
      reach = one;
      one = before;
      before = fmaf(shared->growth[slotOf(chunk)], before, shared->added[slotOf(chunk)]);
    }
    if (laneOf(threadIdx.x) == 0) {
      const int32_t slot = slotOf(chunk_);
      shared->after[slot] = fmaf(shared->growth[slot], before, shared->added[slot]);
      image.a.bound[image.index * image.a.chunks + chunk_] = before;
    }
    if (rank_ >= image.holes) {
      return true;
    }
    image.a.weight[image.start() + rank_] = solver_.weight();
    return isProven(*shared, reach);
  }

 private:
  // The guess: the vector before this chunk is the match that the previous chunk copied last.
  __device__ void guess(const float* gram_before) {
    const float* last = gram_before + (kChunk - 1) * kGramLine;
    const int32_t next = laneOf(threadIdx.x) * kGramCell + 1;
    start_.products.adjacent = last[next];
    if constexpr (kCosine) {
      last += kChunk * kGramLine;
      start_.products.along = last[next];
      start_.square = last[(kChunk - 1) * kGramCell];
    }
  }

  // Report whether no vector of length `reach` two chunks before changes the start.
  __device__ bool isProven(const RoundsShared& shared, float reach) const {
    constexpr float kMost = 1e18F;        // products of such lengths are finite
    constexpr float kSlack = 1.001F;      // for sums of 1024 products
    constexpr float kUnderflow = 1e-30F;  // more than underflow takes from a length
    const float most = fmaf(reach, kSlack, kUnderflow);
    const Products dot{most, most * length_};
    const auto high = startOfChunk<kCosine>(shared, chunk_, dot).products;
    const auto low = startOfChunk<kCosine>(shared, chunk_, {-dot.adjacent, -dot.along}).products;
    const Products& found = start_.products;
    bool proven = reach <= kMost && low.adjacent == found.adjacent &&
                  high.adjacent == found.adjacent;  // false for NaN
    if constexpr (kCosine) {
      proven = proven && low.along == found.along && high.along == found.along;
    }
    return proven;
  }

  int32_t chunk_;
  int32_t rank_;
  GramReader<kCosine> reader_;
  Solver<kCosine> solver_;
  Start start_{};
  float score_;
  float length_;
};

// Solve an image with a block of kWindow warps. Return the total rounds of all windows, or 0 if the
// result is not proven; then none of it may be used.
template <typename T, bool kCosine>
__device__ int32_t solveInRounds(const Image<T>& image, RoundsShared* shared) {
  const int32_t warp = warpOf(threadIdx.x);
  int32_t rounds = 0;
  clearBefore(shared);
  __syncthreads();
  for (int32_t first = 0; first < image.chunks; first += kWindow) {
    const bool solves = first + warp < image.chunks;
    ChunkInRounds<T, kCosine> chunk(image, solves ? first + warp : 0, !solves || warp == 0);
    bool is_new = solves;
    if (warp == 0) {
      chunk.startAgain(*shared);  // exact already
    }
    do {
      if (is_new) {
        chunk.solve(shared);
      }
      __syncthreads();
      is_new = solves && chunk.startAgain(*shared);
      ++rounds;
    } while (__syncthreads_or(is_new) != 0);
    if (solves) {
      chunk.publishGrowth(shared);
    }
    __syncthreads();
    const bool proven = !solves || chunk.finish(image, first, shared);
    if (__syncthreads_or(!proven) != 0) {
      return 0;
    }
  }
  return rounds;
}

}  // namespace csakit

#endif  // CSAKIT_ROUNDS_CUH_
