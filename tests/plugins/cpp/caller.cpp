// caller.cpp - lets Python call the C++ plugin as TensorRT's builder and runtime do.
//
// Memory and streams are the caller's, so that one test serves a GPU and a CPU that plays one.

#include "loading.h"

using namespace nvinfer1;

extern "C" {

// The layer's tensors; types are 0 (float32) and 1 (float16), which are TensorRT's numbers too.
struct CallerTensors {
  int32_t batch, channels, height, width;
  int32_t type, hole_type;
  int32_t channels_last;
};

}  // extern "C"

namespace {

struct Caller {
  PluginPointer plugin;
  PluginTensorDesc tensors[3];  // features, hole, output
};

// A failure is remembered here and told by caller_message().
std::string gFailure;

void describe(CallerTensors const& given, PluginTensorDesc* tensors) {
  bool const half = static_cast<DataType>(given.type) == DataType::kHALF;
  auto const last = half ? TensorFormat::kHWC8 : TensorFormat::kHWC;
  auto const format = given.channels_last != 0 ? last : TensorFormat::kLINEAR;
  Dims4 const shape(given.batch, given.channels, given.height, given.width);
  Dims4 const hole(given.batch, 1, given.height, given.width);
  tensors[0] = tensors[2] = tensor(shape, static_cast<DataType>(given.type), format);
  tensors[1] = tensor(hole, static_cast<DataType>(given.hole_type), TensorFormat::kLINEAR);
}

int32_t remember(int32_t status, char const* step) {
  if (status != 0) {
    gFailure = std::string(step) + ": " + takeMessage();
  }
  return status;
}

}  // namespace

extern "C" {

#define CALLER_API __attribute__((visibility("default")))

CALLER_API char const* caller_message() { return gFailure.c_str(); }

CALLER_API Caller* caller_open(char const* library, char const* similarity) {
  return new Caller{LoadedLibrary(library).create(std::string(similarity)), {}};
}

CALLER_API void caller_close(Caller* caller) { delete caller; }

// What the builder does: ask for the formats, configure, ask for the workspace. Then a context
// attaches its own plugin, and hears of the shapes.
CALLER_API int32_t caller_prepare(Caller* caller, CallerTensors const* given, size_t* workspace) {
  describe(*given, caller->tensors);
  DynamicPluginTensorDesc profile[3];
  for (int32_t i = 0; i < 3; ++i) {
    Dims const& dims = caller->tensors[i].dims;
    profile[i] = {caller->tensors[i], dims, dims, dims};
    if (!buildOf(*caller->plugin).supportsFormatCombination(i, profile, 2, 1)) {
      gFailure = "does not take tensor " + std::to_string(i);
      return 1;
    }
  }
  int32_t status = buildOf(*caller->plugin).configurePlugin(profile, 2, &profile[2], 1);
  if (status == 0) {
    *workspace = buildOf(*caller->plugin).getWorkspaceSize(profile, 2, &profile[2], 1);
    caller->plugin.reset(runtimeOf(*caller->plugin).attachToContext(nullptr));
    status = runtimeOf(*caller->plugin).onShapeChange(caller->tensors, 2, &caller->tensors[2], 1);
  }
  return remember(status, "prepare");
}

CALLER_API int32_t caller_enqueue(Caller* caller, void const* features, void const* hole,
                                  void* output, void* workspace, void* stream) {
  void const* const inputs[] = {features, hole};
  void* const outputs[] = {output};
  return remember(runtimeOf(*caller->plugin)
                      .enqueue(caller->tensors, &caller->tensors[2], inputs, outputs, workspace,
                               static_cast<cudaStream_t>(stream)),
                  "enqueue");
}

}  // extern "C"
