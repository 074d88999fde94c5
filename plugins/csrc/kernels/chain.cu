// chain.cu - the generating half: how much of the vector filled last every hole keeps.
//
// Hole i needs the vector of hole i - 1, so one block walks the holes of an image, chunk by
// chunk, and other images take other multiprocessors. Warp 0 solves chunk b (solver.cuh). The
// eight others work one chunk behind and one ahead of it (workers.cuh), so that it never waits
// for a vector:
//
//     first half     the vector filled just before chunk b, from chunk b - 1 as it was solved
//     second half    its products with the holes of chunk b + 1
//
// A barrier ends each half. Only w and the vector before each chunk are kept; fill.cu makes the
// other vectors, on all multiprocessors.
//
// Sections: kernel | launcher | instantiations.

#include "device.cuh"
#include "solver.cuh"
#include "workers.cuh"

namespace csakit {
namespace {

// ---- kernel ---------------------------------------------------------------------------
template <typename T>
__device__ float scoreAt(const Image<T>& image, int32_t rank) {
  return rank < image.holes ? image.a.score[image.start() + rank] : 0.0F;
}

template <typename T, bool kCosine>
__global__ void __launch_bounds__(ChainTraits::kThreads, 1) chainKernel(const Attention<T> a) {
  __shared__ ChainShared<kCosine> shared;
  const int32_t index = static_cast<int32_t>(blockIdx.x);
  const int32_t holes = a.hole_count[index];
  const Image<T> image{a, index, holes, (holes + kChunk - 1) / kChunk,
                       a.rows + startOf(index, a.positions, a.stride)};
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  const bool solves = thread < kWarp;
  if (holes == 0) {
    return;  // for the whole block
  }

  Ahead<T> ahead;
  Solver<kCosine> solver(scoreAt(image, solves ? thread : holes));
  if (!solves) {
    fetchGram(image, 0, thread - kWarp, &shared);
    if (thread < 3 * kWarp) {
      fetchLists(image, thread / kWarp - 1, &shared);  // chunks 0 and 1
    }
    asyncWait<0>();
  }
  __syncthreads();
  for (int32_t chunk = 0; chunk < image.chunks; ++chunk) {
    const GramBlock* gram = shared.gram[chunk % 2];
    const int32_t rank = chunk * kChunk + thread;
    float next_score = 0.0F;
    if (solves) {
      next_score = scoreAt(image, rank + kChunk);  // asked for early, used late
      solver.template solve<0>(gram);
    } else {
      workFirstHalf(image, chunk, &ahead, &shared);
    }
    __syncthreads();
    if (solves) {
      solver.template solve<kHalfChunk>(gram);
      shared.weights[thread] = solver.weight();
      if (rank < holes) {
        a.weight[image.start() + rank] = solver.weight();
      }
    } else {
      workSecondHalf(image, chunk, &ahead, &shared);
    }
    __syncthreads();
    if (solves) {
      solver.advance(shared.dots, next_score);
    }
  }
}

}  // namespace

// ---- launcher -------------------------------------------------------------------------
template <typename T>
cudaError_t launchChain(const Attention<T>& a, cudaStream_t stream) {
  const auto kernel = a.cosine ? chainKernel<T, true> : chainKernel<T, false>;
  return launch(kernel, dim3(a.batch), ChainTraits::kThreads, stream, a);
}

// ---- instantiations: one per csakit_dtype ---------------------------------------------
template cudaError_t launchChain<float>(const Attention<float>&, cudaStream_t);
template cudaError_t launchChain<__half>(const Attention<__half>&, cudaStream_t);
template cudaError_t launchChain<__nv_bfloat16>(const Attention<__nv_bfloat16>&, cudaStream_t);

}  // namespace csakit
