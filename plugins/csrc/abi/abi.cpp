// abi.cpp - the extern "C" surface: validate, dispatch on the type, launch. No kernels.
//
// The build defines CSAKIT_VERSION, CSAKIT_SOURCE_HASH, CSAKIT_COMPILER and
// CSAKIT_ARCHITECTURES (strings) for csakit_build_info().

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "arguments.h"
#include "csakit.h"
#include "kernels/kernels.h"
#include "overlap.h"
#include "status.h"
#include "workspace.h"

#ifndef CSAKIT_VERSION
#define CSAKIT_VERSION "unknown"
#endif
#ifndef CSAKIT_SOURCE_HASH
#define CSAKIT_SOURCE_HASH "unknown"
#endif
#ifndef CSAKIT_COMPILER
#define CSAKIT_COMPILER "unknown"
#endif
#ifndef CSAKIT_ARCHITECTURES
#define CSAKIT_ARCHITECTURES "unknown"
#endif

namespace csakit {
namespace {

static_assert(sizeof(csakit_attention_desc) == 40, "csakit.h promises 40 bytes");
static_assert(kMaxChannels == CSAKIT_MAX_CHANNELS, "the kernels are made for the header's limit");

// The caller's pointers of one call; null where a direction has no such tensor.
struct Tensors {
  const void* features;
  const void* hole;
  void* output;
  int32_t* matches;
  const void* output_gradient;
  void* input_gradient;
};

template <typename T>
Attention<T> describe(const csakit_attention_desc& desc) {
  constexpr int32_t kLine = kRowBytes / static_cast<int32_t>(sizeof(T));
  Attention<T> a{};
  a.batch = desc.batch;
  a.channels = desc.channels;
  a.positions = desc.height * desc.width;
  a.stride = ceilDivide(desc.channels, kLine) * kLine;
  a.chunks = ceilDivide(a.positions, kChunk);
  a.hole_dtype = desc.hole_dtype;
  a.cosine = desc.similarity == CSAKIT_COSINE;
  a.planes = a.cosine ? 2 : 1;
  a.sequential = desc.chain == CSAKIT_SEQUENTIAL;
  a.channels_last = desc.layout == CSAKIT_NHWC;
  a.rows_in_place = a.channels_last && a.stride == a.channels;
  return a;
}

template <typename T>
Attention<T> bind(const csakit_attention_desc& desc, const Tensors& tensors, void* workspace) {
  Attention<T> a = describe<T>(desc);
  a.features = static_cast<const T*>(tensors.features);
  a.hole = tensors.hole;
  a.output = static_cast<T*>(tensors.output);
  a.matches = tensors.matches;
  a.output_gradient = static_cast<const T*>(tensors.output_gradient);
  a.input_gradient = static_cast<T*>(tensors.input_gradient);
  carveWorkspace(&a, workspace, a.input_gradient != nullptr);
  a.rows = a.rows_in_place ? a.features : a.packed;
  a.gradient_rows = a.rows_in_place ? a.output_gradient : a.packed_gradient;
  return a;
}

template <typename T>
struct Step {
  const char* name;
  cudaError_t (*launch)(const Attention<T>&, cudaStream_t);
};

template <typename T, size_t kSteps>
csakit_status runSteps(const Step<T> (&steps)[kSteps], const Attention<T>& a, void* stream) {
  for (const Step<T>& step : steps) {
    const cudaError_t error = step.launch(a, static_cast<cudaStream_t>(stream));
    if (error != cudaSuccess) {
      return fromCuda(error, step.name);
    }
  }
  return succeed();
}

template <typename T>
csakit_status run(const Attention<T>& a, void* stream) {
  if (a.input_gradient == nullptr) {
    constexpr Step<T> kForward[] = {{"prepare", launchPrepare<T>},
                                    {"match", launchMatch<T>},
                                    {"gram", launchGram<T>},
                                    {"chain", launchChain<T>},
                                    {"fill", launchFill<T>}};
    return runSteps(kForward, a, stream);
  }
  constexpr Step<T> kBackward[] = {{"prepare", launchPrepare<T>},
                                   {"match", launchMatch<T>},
                                   {"gram", launchGram<T>},
                                   {"chain", launchChain<T>},
                                   {"pack gradient", launchPackGradient<T>},
                                   {"reverse", launchReverse<T>},
                                   {"input gradient", launchInputGradient<T>}};
  return runSteps(kBackward, a, stream);
}

// Call `use` with a value of the storage type. The only switch on the type of the features.
template <typename Use>
auto withType(int32_t dtype, const Use& use) {
  switch (dtype) {
    case CSAKIT_FLOAT16: return use(__half{});
    case CSAKIT_BFLOAT16: return use(__nv_bfloat16{});
    default: return use(float{});  // checkDescription lets no other value pass
  }
}

size_t workspaceBytes(const csakit_attention_desc& desc, bool backward) {
  return withType(desc.dtype, [&](auto zero) {
    auto a = describe<decltype(zero)>(desc);
    return carveWorkspace(&a, nullptr, backward);
  });
}

csakit_status checkWorkspace(const csakit_attention_desc& desc, bool backward, size_t bytes) {
  const size_t needed = workspaceBytes(desc, backward);
  if (bytes < needed) {
    return fail(CSAKIT_WORKSPACE_TOO_SMALL,
                "workspace_bytes must be at least %zu, as csakit_attention_workspace_size says; "
                "got %zu",
                needed, bytes);
  }
  return CSAKIT_OK;
}

// Check everything but the description, and enqueue. Only the marked steps call CUDA.
template <size_t kCount>
csakit_status enqueue(const csakit_attention_desc& desc, const Tensors& tensors,
                      const Memory (&memory)[kCount], const Memory& workspace, bool backward,
                      void* stream) {
  csakit_status status = checkWorkspace(desc, backward, workspace.bytes);
  if (status == CSAKIT_OK) {
    status = checkAddresses(memory, kCount);
  }
  if (status != CSAKIT_OK) {
    return status;
  }
  const CaptureTolerance tolerance;  // the first call of CUDA
  status = checkPlaces(memory, kCount);
  if (status != CSAKIT_OK) {
    return status;
  }
  return withType(desc.dtype, [&](auto zero) {
    void* const block = const_cast<void*>(workspace.pointer);
    auto a = bind<decltype(zero)>(desc, tensors, block);
    a.overlaps = !a.sequential && launchesOverlap();
    return run(a, stream);
  });
}

}  // namespace
}  // namespace csakit

extern "C" {

int32_t csakit_abi_version(void) { return CSAKIT_ABI_VERSION; }

const char* csakit_build_info(void) {
  return "{\"version\": \"" CSAKIT_VERSION "\", \"source_hash\": \"" CSAKIT_SOURCE_HASH
         "\", \"compiler\": \"" CSAKIT_COMPILER "\", \"architectures\": \"" CSAKIT_ARCHITECTURES
         "\"}";
}

const char* csakit_status_string(int32_t status) {
  switch (static_cast<csakit_status>(status)) {  // no default: the compiler misses no status
    case CSAKIT_OK: return "ok";
    case CSAKIT_INVALID_ARGUMENT: return "invalid argument";
    case CSAKIT_UNSUPPORTED_SIZE: return "unsupported size";
    case CSAKIT_WORKSPACE_TOO_SMALL: return "workspace too small";
    case CSAKIT_NO_KERNEL_FOR_DEVICE: return "no kernel for this device";
    case CSAKIT_CUDA_ERROR: return "CUDA error";
  }
  return "unknown status";
}

const char* csakit_last_error(void) { return csakit::lastError(); }

int32_t csakit_attention_workspace_size(const csakit_attention_desc* desc, int32_t direction,
                                        size_t* bytes) {
  const csakit_status status = csakit::checkDescription(desc, "csakit_attention_workspace_size");
  if (status != CSAKIT_OK) {
    return status;
  }
  if (direction != CSAKIT_FORWARD && direction != CSAKIT_BACKWARD) {
    return csakit::fail(CSAKIT_INVALID_ARGUMENT,
                        "direction must be 0 (forward) or 1 (backward); got %d", direction);
  }
  if (bytes == nullptr) {
    return csakit::fail(CSAKIT_INVALID_ARGUMENT, "bytes must not be null");
  }
  *bytes = csakit::workspaceBytes(*desc, direction == CSAKIT_BACKWARD);
  return csakit::succeed();
}

int32_t csakit_attention_forward(const csakit_attention_desc* desc, const void* d_features,
                                 const void* d_hole, void* d_output, int32_t* d_matches,
                                 void* d_workspace, size_t workspace_bytes, void* stream) {
  const csakit_status status = csakit::checkDescription(desc, "csakit_attention_forward");
  if (status != CSAKIT_OK) {
    return status;
  }
  const size_t bytes = csakit::tensorBytes(*desc);
  const csakit::Memory workspace{"d_workspace", d_workspace, workspace_bytes, true, false};
  const csakit::Memory memory[] = {
      {"d_features", d_features, bytes, false, false},
      {"d_hole", d_hole, csakit::holeBytes(*desc), false, false},
      {"d_output", d_output, bytes, true, false},
      {"d_matches", d_matches, csakit::matchesBytes(*desc), true, true},
      workspace};
  return csakit::enqueue(*desc, {d_features, d_hole, d_output, d_matches, nullptr, nullptr}, memory,
                         workspace, false, stream);
}

int32_t csakit_attention_backward(const csakit_attention_desc* desc, const void* d_features,
                                  const void* d_hole, const void* d_output_gradient,
                                  void* d_input_gradient, void* d_workspace, size_t workspace_bytes,
                                  void* stream) {
  const csakit_status status = csakit::checkDescription(desc, "csakit_attention_backward");
  if (status != CSAKIT_OK) {
    return status;
  }
  const size_t bytes = csakit::tensorBytes(*desc);
  const csakit::Memory workspace{"d_workspace", d_workspace, workspace_bytes, true, false};
  const csakit::Memory memory[] = {{"d_features", d_features, bytes, false, false},
                                   {"d_hole", d_hole, csakit::holeBytes(*desc), false, false},
                                   {"d_output_gradient", d_output_gradient, bytes, false, false},
                                   {"d_input_gradient", d_input_gradient, bytes, true, false},
                                   workspace};
  return csakit::enqueue(
      *desc, {d_features, d_hole, nullptr, nullptr, d_output_gradient, d_input_gradient}, memory,
      workspace, true, stream);
}

}  // extern "C"
