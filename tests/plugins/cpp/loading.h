// loading.h - opens a plugin library as TensorRT's registry does, and makes plugins with it.
#ifndef CSAKIT_TESTS_LOADING_H_
#define CSAKIT_TESTS_LOADING_H_

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fake_tensorrt.h"

using PluginPointer = std::unique_ptr<nvinfer1::IPluginV3>;

[[noreturn]] inline void fail(std::string const& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(1);
}

struct LoadedLibrary {
  using GetCreators = nvinfer1::IPluginCreatorInterface* const* (*)(int32_t&);
  using SetLoggerFinder = void (*)(nvinfer1::ILoggerFinder*);

  GetCreators getCreators{};
  SetLoggerFinder setLoggerFinder{};

  explicit LoadedLibrary(char const* path) {
    void* const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      fail(std::string("cannot open ") + path + ": " + dlerror());
    }
    getCreators = reinterpret_cast<GetCreators>(dlsym(handle, "getCreators"));
    setLoggerFinder = reinterpret_cast<SetLoggerFinder>(dlsym(handle, "setLoggerFinder"));
    if (getCreators == nullptr || setLoggerFinder == nullptr) {
      fail(std::string(path) + " lacks getCreators or setLoggerFinder");
    }
    setLoggerFinder(fakeFinder());
  }

  nvinfer1::IPluginCreatorV3One& creator() const {
    int32_t count = 0;
    nvinfer1::IPluginCreatorInterface* const* const creators = getCreators(count);
    if (count != 1) {
      fail("expected one creator; got " + std::to_string(count));
    }
    return *static_cast<nvinfer1::IPluginCreatorV3One*>(creators[0]);
  }

  PluginPointer create(std::vector<nvinfer1::PluginField> const& fields) const {
    nvinfer1::PluginFieldCollection const all{static_cast<int32_t>(fields.size()), fields.data()};
    return PluginPointer(creator().createPlugin("csa", &all, nvinfer1::TensorRTPhase::kBUILD));
  }

  PluginPointer create(std::string const& similarity) const {
    PluginPointer plugin = create(
        {nvinfer1::PluginField("similarity", similarity.data(), nvinfer1::PluginFieldType::kCHAR,
                               static_cast<int32_t>(similarity.size()))});
    if (plugin == nullptr) {
      fail("cannot make a plugin of similarity " + similarity + ": " + takeMessage());
    }
    return plugin;
  }
};

inline nvinfer1::IPluginV3OneCore& coreOf(nvinfer1::IPluginV3& plugin) {
  return *static_cast<nvinfer1::IPluginV3OneCore*>(
      plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kCORE));
}

inline nvinfer1::IPluginV3OneBuild& buildOf(nvinfer1::IPluginV3& plugin) {
  return *static_cast<nvinfer1::IPluginV3OneBuild*>(
      plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kBUILD));
}

inline nvinfer1::IPluginV3OneRuntime& runtimeOf(nvinfer1::IPluginV3& plugin) {
  return *static_cast<nvinfer1::IPluginV3OneRuntime*>(
      plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME));
}

inline nvinfer1::PluginTensorDesc tensor(nvinfer1::Dims4 dims, nvinfer1::DataType type,
                                         nvinfer1::TensorFormat format) {
  nvinfer1::PluginTensorDesc result{};
  result.dims = dims;
  result.type = type;
  result.format = format;
  return result;
}

#endif  // CSAKIT_TESTS_LOADING_H_
