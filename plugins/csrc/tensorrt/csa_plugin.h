// csa_plugin.h - coherent semantic attention as a TensorRT layer (IPluginV3).
//
// The class describes the layer to TensorRT: types, shapes, formats, workspace, fields. csakit.h
// does all arithmetic; this file contains no CUDA. The only state is the similarity, so that
// clones, contexts and threads share nothing.
//
// Letters: B images, C channels, H W sides of the feature map.
#ifndef CSAKIT_TENSORRT_CSA_PLUGIN_H_
#define CSAKIT_TENSORRT_CSA_PLUGIN_H_

#include <NvInferRuntime.h>

#include "csakit.h"

namespace csakit {

// As in csakit.plugins.spec; a test compares them.
constexpr char const* kPluginName = "CoherentSemanticAttention";
constexpr char const* kPluginVersion = "1";
constexpr char const* kPluginNamespace = "";
constexpr char const* kSimilarityField = "similarity";
constexpr char const* kProjection = "projection";
constexpr char const* kCosine = "cosine";

class CsaPlugin final : public nvinfer1::IPluginV3,
                        public nvinfer1::IPluginV3OneCore,
                        public nvinfer1::IPluginV3OneBuild,
                        public nvinfer1::IPluginV3OneRuntime {
 public:
  // Tensor order, shared by the parser, the builder and enqueue().
  static constexpr int32_t kFeatures = 0;  // (B, C, H, W) float32 or float16
  static constexpr int32_t kHole = 1;      // (B, 1, H, W) float32 or float16, above 0.5 missing
  static constexpr int32_t kOutput = 2;    // (B, C, H, W) type and format of kFeatures
  static constexpr int32_t kInputs = 2;
  static constexpr int32_t kOutputs = 1;

  explicit CsaPlugin(csakit_similarity similarity) noexcept : mSimilarity(similarity) {}

  // ---- IPluginV3 -----------------------------------------------------------------------
  nvinfer1::IPluginCapability* getCapabilityInterface(
      nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  // ---- IPluginV3OneCore ----------------------------------------------------------------
  char const* getPluginName() const noexcept override { return kPluginName; }
  char const* getPluginVersion() const noexcept override { return kPluginVersion; }
  char const* getPluginNamespace() const noexcept override { return kPluginNamespace; }

  // ---- IPluginV3OneBuild, in the order TensorRT calls it -------------------------------
  int32_t getNbOutputs() const noexcept override { return kOutputs; }
  int32_t getOutputDataTypes(nvinfer1::DataType* outputTypes, int32_t nbOutputs,
                             nvinfer1::DataType const* inputTypes,
                             int32_t nbInputs) const noexcept override;
  int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t nbInputs,
                          nvinfer1::DimsExprs const* shapeInputs, int32_t nbShapeInputs,
                          nvinfer1::DimsExprs* outputs, int32_t nbOutputs,
                          nvinfer1::IExprBuilder& exprBuilder) noexcept override;
  bool supportsFormatCombination(int32_t pos, nvinfer1::DynamicPluginTensorDesc const* inOut,
                                 int32_t nbInputs, int32_t nbOutputs) noexcept override;
  int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t nbInputs,
                          nvinfer1::DynamicPluginTensorDesc const* out,
                          int32_t nbOutputs) noexcept override;
  size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* inputs, int32_t nbInputs,
                          nvinfer1::DynamicPluginTensorDesc const* outputs,
                          int32_t nbOutputs) const noexcept override;
  // TensorRT adds types, formats and shapes itself. The ID adds the field and the version of the
  // kernels: "cosine-" and the first digits of the hash of their sources.
  char const* getTimingCacheID() noexcept override;
  char const* getMetadataString() noexcept override { return similarityName(); }

  // ---- IPluginV3OneRuntime -------------------------------------------------------------
  nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  int32_t onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t nbInputs,
                        nvinfer1::PluginTensorDesc const* out, int32_t nbOutputs) noexcept override;
  int32_t enqueue(nvinfer1::PluginTensorDesc const* inputDesc,
                  nvinfer1::PluginTensorDesc const* outputDesc, void const* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) noexcept override;

 private:
  char const* similarityName() const noexcept {
    return mSimilarity == CSAKIT_COSINE ? kCosine : kProjection;
  }

  csakit_similarity mSimilarity;
};

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_CSA_PLUGIN_H_
