// autoreg.cpp - the plugin for programs that merely dlopen() it: Triton's TensorRT backend,
// `trtexec --staticPlugins`, LD_PRELOAD.
//
// Loading the library registers the creator. TensorRT is looked up at that moment and not linked:
// the build needs no copy of it, and the process uses the one it has loaded. Link with `-z
// nodelete`, because the registry keeps the creator's address.

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdio>
#include <initializer_list>

#include "csa_creator.h"
#include "report.h"

namespace {

using GetRegistry = nvinfer1::IPluginRegistry* (*)() noexcept;

#define CSAKIT_QUOTED(text) #text
#define CSAKIT_TEXT_OF(macro) CSAKIT_QUOTED(macro)  // expands it first
#define CSAKIT_SONAME(name, major) name ".so." CSAKIT_TEXT_OF(major)

// Return TensorRT, loaded already or loaded now by its usual name. RTLD_DEFAULT finds a linked or
// preloaded one, the names find one that a backend loaded with RTLD_LOCAL.
void* findTensorRT() noexcept {
  constexpr char const* kFull = CSAKIT_SONAME("libnvinfer", NV_TENSORRT_MAJOR);
  constexpr char const* kLean = CSAKIT_SONAME("libnvinfer_lean", NV_TENSORRT_MAJOR);
  if (dlsym(RTLD_DEFAULT, "getPluginRegistry") != nullptr) {
    return RTLD_DEFAULT;
  }
  for (char const* name : {kFull, kLean}) {
    if (void* const loaded = dlopen(name, RTLD_NOW | RTLD_NOLOAD)) {
      return loaded;
    }
  }
  return dlopen(kFull, RTLD_NOW);  // as if linked: LD_PRELOAD comes before the backend
}

// Register the creator; return null, or the reason for a failure.
char const* registerCreator() noexcept {
  void* const library = findTensorRT();
  void* const symbol = dlsym(library, "getPluginRegistry");  // null is RTLD_DEFAULT, without it
  if (symbol == nullptr) {
    return "there is no TensorRT " CSAKIT_TEXT_OF(NV_TENSORRT_MAJOR) " in this process";
  }
  if (!csakit::belongsToOurTensorRT(symbol)) {
    return "this library was built for TensorRT " CSAKIT_TEXT_OF(
        NV_TENSORRT_MAJOR) ", and the process has another; build it with that one's headers";
  }
  nvinfer1::IPluginRegistry* const registry = reinterpret_cast<GetRegistry>(symbol)();
  if (registry == nullptr ||
      !registry->registerCreator(csakit::creator(), csakit::kPluginNamespace)) {
    return "TensorRT's registry refused it; has another library registered this name?";
  }
  csakit::setLoggerSource(reinterpret_cast<csakit::LoggerSource>(dlsym(library, "getLogger")));
  return nullptr;
}

__attribute__((constructor)) void onLoad() noexcept {
  if (char const* const failure = registerCreator()) {
    // A constructor has no logger yet and no status to return.
    std::fprintf(stderr, "libcsakit_trt_autoreg: %s is not registered: %s\n", csakit::kPluginName,
                 failure);
  }
}

}  // namespace
