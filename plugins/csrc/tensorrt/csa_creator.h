// csa_creator.h - create CsaPlugin from the fields of an ONNX node or of an engine.
#ifndef CSAKIT_TENSORRT_CSA_CREATOR_H_
#define CSAKIT_TENSORRT_CSA_CREATOR_H_

#include <NvInferRuntime.h>

#include "csa_plugin.h"

namespace csakit {

class CsaPluginCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  char const* getPluginName() const noexcept override { return kPluginName; }
  char const* getPluginVersion() const noexcept override { return kPluginVersion; }
  char const* getPluginNamespace() const noexcept override { return kPluginNamespace; }
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override;

  // Null, with a report, unless `similarity` is the only field, of type kCHAR, with the value
  // "projection" or "cosine". There is no default: both give plausible images, and weights are
  // trained for one of them.
  nvinfer1::IPluginV3* createPlugin(char const* name, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
};

// The creator of this library; it lives as long as the library is loaded.
CsaPluginCreator& creator() noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_CSA_CREATOR_H_
