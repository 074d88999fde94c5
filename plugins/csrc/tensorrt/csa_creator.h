// csa_creator.h - makes CsaPlugin from the fields of an ONNX node or of an engine.
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

  // Null, and reported, unless there is exactly the field `similarity`, of type kCHAR, holding
  // "projection" or "cosine". Nothing is assumed where it is missing: both similarities give
  // plausible images, and the weights need one of them.
  nvinfer1::IPluginV3* createPlugin(char const* name, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
};

// The creator of this library; it lives as long as the library is loaded.
CsaPluginCreator& creator() noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_CSA_CREATOR_H_
