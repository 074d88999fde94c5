// library.cpp - the two exported symbols of libcsakit_trt, which TensorRT's registry looks up.
//
// Nothing registers itself here: a library that does both makes loadLibrary() fail and crash.
// Programs that merely dlopen() a plugin use the library of autoreg.cpp.

#include <NvInferRuntime.h>

#include <atomic>

#include "csa_creator.h"
#include "report.h"

#define CSAKIT_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

std::atomic<nvinfer1::ILoggerFinder*> gFinder{nullptr};

nvinfer1::ILogger* askFinder() noexcept {
  nvinfer1::ILoggerFinder* const finder = gFinder;
  try {
    return finder != nullptr ? finder->findLogger() : nullptr;
  } catch (...) {  // findLogger() is not noexcept
    return nullptr;
  }
}

}  // namespace

CSAKIT_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& nbCreators) {
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&csakit::creator()};
  nbCreators = 1;
  return creators;
}

CSAKIT_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) {
  // The virtual table belongs to the TensorRT that created the object.
  bool const usable =
      finder != nullptr && csakit::belongsToOurTensorRT(*reinterpret_cast<void* const*>(finder));
  gFinder = usable ? finder : nullptr;
  csakit::setLoggerSource(usable ? askFinder : nullptr);
}
