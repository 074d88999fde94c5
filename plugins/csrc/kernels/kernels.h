// kernels.h - the interface of the kernels to the host: one struct of sizes and pointers, the
// limits that follow from their shape, and one launcher for each step.
//
// Letters: B images, C channels, N positions, M holes of an image, S = kChunk holes of a chunk.
// A "row" is the vector of one position: its C channels, zeros up to `stride`.
//
// Order: prepare, match, gram, chain, then fill (forward) or the three steps of backward.cu.
// A launcher validates nothing (abi.cpp did) and returns CUDA's status.
#ifndef CSAKIT_KERNELS_H_
#define CSAKIT_KERNELS_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace csakit {

constexpr int32_t kWarp = 32;
constexpr int32_t kChunk = kWarp;  // S: one lane per hole while a chunk is solved (chain.cu)
constexpr int32_t kBand = 3;       // a Gram block covers its own chunk and the next two (gram.cu)
constexpr int32_t kGramCell = 4;   // floats: the products of a pair of holes in the band, and 0
constexpr int32_t kGramLine = kGramCell * kChunk;
constexpr int32_t kRowBytes = 128;      // rows are multiples of a cache line (product.cuh)
constexpr int32_t kMaxChannels = 1024;  // CSAKIT_MAX_CHANNELS; abi.cpp asserts it

template <typename T>
struct Attention {
  int32_t batch;       // B
  int32_t channels;    // C
  int32_t positions;   // N
  int32_t stride;      // elements from row to row: C rounded up to kRowBytes
  int32_t chunks;      // ceil(N / S), the maximum for an image
  int32_t planes;      // of `gram`: 1 for the projection, 2 for the cosine
  int32_t hole_dtype;  // csakit_dtype
  bool cosine;         // csakit_similarity
  bool sequential;     // csakit_chain
  bool overlaps;       // kernels are launched while the previous one still runs (launchNext)
  bool channels_last;  // csakit_layout
  bool rows_in_place;  // the caller's tensors are rows already: nothing is packed

  // The caller's tensors; null where a direction has no such tensor.
  const T* features;
  const void* hole;          // (B, N)
  T* output;                 // as features
  int32_t* matches;          // (B, N) or null
  const T* output_gradient;  // as features
  T* input_gradient;         // as features

  // The workspace. "By rank": entry i belongs to the i-th hole of the image in raster order.
  int32_t* rounds;           // (B)  how often chunks were solved; 0: in order (chain.cu)
  T* packed;                 // (B, N, stride)
  const T* rows;             // (B, N, stride): `packed`, or the features themselves
  int32_t* hole_count;       // (B)  M; 0 if nothing is known and so nothing is filled
  int32_t* holes;            // (B, N) positions by rank
  int32_t* known;            // (B, N) positions, ascending
  float* inverse;            // (B, N) 1 / (|x| + 1e-8)
  unsigned long long* best;  // (B, N) by rank: packed score and match, see best.cuh
  int32_t* match;            // (B, N) by rank: c_i
  float* score;              // (B, N) by rank: s_i
  float* weight;             // (B, N) by rank: w_i
  float* gram;               // (B, chunks, planes, S, S, kGramCell), see gram.cu
  float* bound;              // (B, chunks): upper bound of the length of the vector before a chunk
  float* carry;              // (B, chunks, stride): that vector, where `rounds` is 0

  // The workspace of the backward direction only.
  T* packed_gradient;      // (B, N, stride)
  const T* gradient_rows;  // (B, N, stride): `packed_gradient`, or the output gradient itself
  float* sums;             // (B, N, stride): A^T dY without the identity rows
};

// Find the holes, the norms and the rows; copy the features to the output, if there is one.
template <typename T>
cudaError_t launchPrepare(const Attention<T>& a, cudaStream_t stream);

// Find the best known position of every hole: `best`.
template <typename T>
cudaError_t launchMatch(const Attention<T>& a, cudaStream_t stream);

// Unpack `best` into `match` and `score`; multiply within chunks: `gram`.
template <typename T>
cudaError_t launchGram(const Attention<T>& a, cudaStream_t stream);

// Walk the chain: `weight`, `rounds`, and `bound` or `carry`.
template <typename T>
cudaError_t launchChain(const Attention<T>& a, cudaStream_t stream);

// Write the holes of the output.
template <typename T>
cudaError_t launchFill(const Attention<T>& a, cudaStream_t stream);

// Convert the output gradient to rows; clear `sums`.
template <typename T>
cudaError_t launchPackGradient(const Attention<T>& a, cudaStream_t stream);

// Walk the chain backwards: `sums`.
template <typename T>
cudaError_t launchReverse(const Attention<T>& a, cudaStream_t stream);

// Write the input gradient.
template <typename T>
cudaError_t launchInputGradient(const Attention<T>& a, cudaStream_t stream);

// Enqueue `kernel` with its one argument. The tests replace this to run kernels on a CPU.
template <typename Arguments>
cudaError_t launch(void (*kernel)(Arguments), dim3 grid, int32_t threads, cudaStream_t stream,
                   Arguments arguments) {
  void* pointers[] = {&arguments};
  return cudaLaunchKernel(kernel, grid, dim3(static_cast<unsigned int>(threads)), pointers, 0,
                          stream);
}

// The same for a kernel that depends on the previous one. If `overlaps` is set it is launched once
// all blocks of that one run, and waits for its end itself (device.cuh: awaitPrevious), which hides
// the launch latency. Every kernel waits, so that they complete in the order of their launches.
template <typename T>
cudaError_t launchNext(void (*kernel)(Attention<T>), dim3 grid, int32_t threads,
                       cudaStream_t stream, const Attention<T>& a) {
  if (!a.overlaps) {
    return launch(kernel, grid, threads, stream, a);
  }
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned int>(threads));
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, a);
  if (error != cudaErrorNotSupported) {
    return error;
  }
  cudaGetLastError();
  return launch(kernel, grid, threads, stream, a);
}

// The architecture that the code for the current device was compiled for, as 90; 0 without code.
int32_t codeArchitecture();

constexpr int32_t ceilDivide(int32_t a, int32_t b) { return (a + b - 1) / b; }

}  // namespace csakit

#endif  // CSAKIT_KERNELS_H_
