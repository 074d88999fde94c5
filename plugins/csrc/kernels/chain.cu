// chain.cu - the generating half: the weight with which each hole keeps the previous vector.
//
// One block per image. It solves all chunks at once (rounds.cuh), in 64 to 96 steps for any number
// of holes; in order it would be one step per hole. If equal bits are not proven, it walks the
// chunks in order. Then warp 0 solves chunk b (solver.cuh), and others work one chunk behind and
// two ahead of it (workers.cuh), so that it never waits for a vector:
//
//     first half     the vector filled just before chunk b, from the solved chunk b - 1
//     second half    its products with the holes of chunk b + 2
//
// A barrier ends each half. Only w is stored, with the vector before each chunk or, if chunks were
// solved at once, a bound of its length: fill.cu computes the vectors on all multiprocessors.
//
// Sections: kernel | launcher | instantiations.

#include "device.cuh"
#include "image.cuh"
#include "rounds.cuh"
#include "solver.cuh"
#include "workers.cuh"

namespace csakit {
namespace {

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
__device__ float scoreAt(const Image<T>& image, int32_t rank) {
  return rank < image.holes ? image.a.score[image.start() + rank] : 0.0F;
}

// The warp that solves chunk after chunk, with its lanes' products with the vectors in between.
template <typename T, bool kCosine>
class ChunkInOrder {
 public:
  __device__ explicit ChunkInOrder(const Image<T>& image) : image_(image) {}

  __device__ void begin() {
    reader_.open(image_.template gram<kCosine>(0), following(0));
    solver_.begin({}, scoreAt(image_, laneOf(threadIdx.x)));
  }

  __device__ void solveFirstHalf(int32_t chunk) {
    next_score_ = scoreAt(image_, (chunk + 1) * kChunk + laneOf(threadIdx.x));  // used late
    solver_.solveHalf(&reader_, 0);
  }

  __device__ void solveSecondHalf(int32_t chunk, ChainShared<kCosine>* shared) {
    const int32_t lane = laneOf(threadIdx.x);
    const int32_t rank = chunk * kChunk + lane;
    solver_.solveHalf(&reader_, kHalfChunk);
    shared->weights[lane] = solver_.weight();
    if (rank < image_.holes) {
      image_.a.weight[image_.start() + rank] = solver_.weight();
    }
  }

  // Advance to the next chunk.
  __device__ void advance(int32_t chunk, const ChainShared<kCosine>& shared) {
    const int32_t lane = laneOf(threadIdx.x);
    Products dot{};
    if (chunk + 2 < image_.chunks) {
      dot = {shared.dots[0][lane], kCosine ? shared.dots[kCosine ? 1 : 0][lane] : 0.0F};
    }
    const Start start{combine<kCosine>(solver_.kept(), far_, solver_.next()), solver_.square()};
    far_ = combine<kCosine>(solver_.kept(), dot, solver_.far());
    solver_.begin(start, next_score_);
    reader_.goOn(following(chunk + 1));
  }

 private:
  __device__ const float* following(int32_t chunk) const {
    return image_.template gram<kCosine>(min(chunk + 1, image_.chunks - 1));
  }

  const Image<T>& image_;
  Solver<kCosine> solver_;
  GramReader<kCosine> reader_;
  Products far_{};  // with the vector before this chunk, of the next chunk's holes
  float next_score_ = 0.0F;
};

template <typename T, bool kCosine>
__device__ void solveInOrder(const Image<T>& image, ChainShared<kCosine>* shared) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const int32_t worker = thread - kWarp;
  const bool solves = thread < kWarp;
  const bool works = !solves && worker < ChainTraits::kWorkers;
  ChunkInOrder<T, kCosine> solver(image);
  if (solves) {
    solver.begin();
  } else if (worker < 3 * kWarp) {
    fetchLists(image, worker / kWarp, shared);  // chunks 0, 1 and 2: first used in a second half
  }
  for (int32_t chunk = 0; chunk < image.chunks; ++chunk) {
    if (solves) {
      solver.solveFirstHalf(chunk);
    } else if (works) {
      advanceCarry(image, chunk, worker, shared);
    }
    __syncthreads();
    if (solves) {
      solver.solveSecondHalf(chunk, shared);
    } else if (works) {
      multiplyCarry(image, chunk, worker, shared);
    }
    __syncthreads();
    if (solves) {
      solver.advance(chunk, *shared);
    }
  }
}

template <typename T, bool kCosine>
__global__ void __launch_bounds__(kRoundsThreads, 1) chainKernel(const Attention<T> a) {
  awaitPrevious();
  admitNext();
  __shared__ ChainShared<kCosine> in_order;
  __shared__ RoundsShared in_rounds;
  const int32_t index = static_cast<int32_t>(blockIdx.x);
  const int32_t holes = a.hole_count[index];
  const Image<T> image{a, index, holes, (holes + kChunk - 1) / kChunk,
                       a.rows + startOf(index, a.positions, a.stride)};
  int32_t rounds = 0;
  if (!a.sequential) {
    rounds = solveInRounds<T, kCosine>(image, &in_rounds);
  }
  if (threadIdx.x == 0) {
    a.rounds[index] = rounds;
  }
  if (rounds == 0 && holes > 0) {
    solveInOrder(image, &in_order);
  }
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------
template <typename T>
cudaError_t launchChain(const Attention<T>& a, cudaStream_t stream) {
  const auto kernel = a.cosine ? chainKernel<T, true> : chainKernel<T, false>;
  return launchNext(kernel, dim3(a.batch), kRoundsThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchChain<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchChain<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchChain<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
