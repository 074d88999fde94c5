// csa_plugin.cpp - the methods of the layer. Every entry point is noexcept and returns its failure;
// nothing here aborts the process that loaded the engine.

#include "csa_plugin.h"

#include <cstdio>
#include <cstring>
#include <new>

#include "report.h"
#include "tensors.h"

namespace csakit {
namespace {

using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginCapabilityType;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;
using nvinfer1::PluginTensorDesc;

constexpr int32_t kOk = 0;

bool takesArity(char const* function, int32_t nbInputs, int32_t nbOutputs) noexcept {
  if (nbInputs == CsaPlugin::kInputs && nbOutputs == CsaPlugin::kOutputs) {
    return true;
  }
  report("%s: %s must see 2 inputs (features, hole) and 1 output; got %d and %d", kPluginName,
         function, nbInputs, nbOutputs);
  return false;
}

int32_t reported(int32_t status) noexcept {
  if (status != CSAKIT_OK) {
    report("%s: %s: %s", kPluginName, csakit_status_string(status), csakit_last_error());
  }
  return status;
}

// The timing cache ID of a similarity, created once.
class TimingCacheId {
 public:
  explicit TimingCacheId(char const* similarity) noexcept {
    constexpr char kKey[] = "\"source_hash\": \"";
    char const* found = std::strstr(csakit_build_info(), kKey);
    std::snprintf(text_, sizeof(text_), "%s-%.12s", similarity,
                  found == nullptr ? "unknown" : found + sizeof(kKey) - 1);
  }
  char const* text() const noexcept { return text_; }

 private:
  char text_[64];
};

int32_t workspaceSize(csakit_attention_desc const& desc, size_t& bytes) noexcept {
  return reported(csakit_attention_workspace_size(&desc, CSAKIT_FORWARD, &bytes));
}

}  // namespace

// ---- IPluginV3 -------------------------------------------------------------------------

nvinfer1::IPluginCapability* CsaPlugin::getCapabilityInterface(PluginCapabilityType type) noexcept {
  switch (type) {
    case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
    case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
    case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
  }
  return nullptr;  // a capability that later versions of TensorRT may ask for
}

nvinfer1::IPluginV3* CsaPlugin::clone() noexcept {
  return new (std::nothrow) CsaPlugin(mSimilarity);
}

// ---- IPluginV3OneBuild -----------------------------------------------------------------

int32_t CsaPlugin::getOutputDataTypes(DataType* outputTypes, int32_t nbOutputs,
                                      DataType const* inputTypes, int32_t nbInputs) const noexcept {
  if (!takesArity("getOutputDataTypes", nbInputs, nbOutputs)) {
    return CSAKIT_INVALID_ARGUMENT;
  }
  if (!isFloating(inputTypes[kFeatures]) || !isFloating(inputTypes[kHole])) {
    report("%s: features and hole must be float32 or float16; got TensorRT's types %d and %d",
           kPluginName, static_cast<int32_t>(inputTypes[kFeatures]),
           static_cast<int32_t>(inputTypes[kHole]));
    return CSAKIT_INVALID_ARGUMENT;
  }
  outputTypes[0] = inputTypes[kFeatures];
  return kOk;
}

int32_t CsaPlugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t nbInputs,
                                   nvinfer1::DimsExprs const* /*shapeInputs*/,
                                   int32_t /*nbShapeInputs*/, nvinfer1::DimsExprs* outputs,
                                   int32_t nbOutputs,
                                   nvinfer1::IExprBuilder& /*exprBuilder*/) noexcept {
  if (!takesArity("getOutputShapes", nbInputs, nbOutputs)) {
    return CSAKIT_INVALID_ARGUMENT;
  }
  if (inputs[kFeatures].nbDims != kRank || inputs[kHole].nbDims != kRank) {
    report("%s: features and hole must have 4 dimensions; got %d and %d", kPluginName,
           inputs[kFeatures].nbDims, inputs[kHole].nbDims);
    return CSAKIT_INVALID_ARGUMENT;
  }
  outputs[0] = inputs[kFeatures];  // the same expressions: any batch and size stays dynamic
  return kOk;
}

bool CsaPlugin::supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* inOut,
                                          int32_t nbInputs, int32_t nbOutputs) noexcept {
  if (nbInputs != kInputs || nbOutputs != kOutputs || pos < 0 || pos > kOutput) {
    return false;
  }
  PluginTensorDesc const& asked = inOut[pos].desc;
  PluginTensorDesc const& features = inOut[kFeatures].desc;
  switch (pos) {
    case kFeatures: return takesFeatures(asked);
    case kHole: return takesHole(asked);
    case kOutput: return asked.type == features.type && asked.format == features.format;
    default: return false;
  }
}

int32_t CsaPlugin::configurePlugin(DynamicPluginTensorDesc const* in, int32_t nbInputs,
                                   DynamicPluginTensorDesc const* /*out*/,
                                   int32_t nbOutputs) noexcept {
  csakit_attention_desc desc{};
  if (!takesArity("configurePlugin", nbInputs, nbOutputs) ||
      !describeLargest(in, mSimilarity, desc)) {
    return CSAKIT_INVALID_ARGUMENT;
  }
  size_t bytes = 0;  // a profile above csakit's limits fails here, at build time, with a reason
  return workspaceSize(desc, bytes);
}

size_t CsaPlugin::getWorkspaceSize(DynamicPluginTensorDesc const* inputs, int32_t nbInputs,
                                   DynamicPluginTensorDesc const* /*outputs*/,
                                   int32_t nbOutputs) const noexcept {
  csakit_attention_desc desc{};
  size_t bytes = 0;
  if (!takesArity("getWorkspaceSize", nbInputs, nbOutputs) ||
      !describeLargest(inputs, mSimilarity, desc) || workspaceSize(desc, bytes) != kOk) {
    return 0;
  }
  return bytes;
}

char const* CsaPlugin::getTimingCacheID() noexcept {
  static TimingCacheId const projection(kProjection);
  static TimingCacheId const cosine(kCosine);
  return mSimilarity == CSAKIT_COSINE ? cosine.text() : projection.text();
}

// ---- IPluginV3OneRuntime ---------------------------------------------------------------

PluginFieldCollection const* CsaPlugin::getFieldsToSerialize() noexcept {
  // Includes the terminating zero, as in a field of the ONNX parser.
  auto const field = [](char const* value) {
    return PluginField(kSimilarityField, value, PluginFieldType::kCHAR,
                       static_cast<int32_t>(std::strlen(value)) + 1);
  };
  static PluginField const projection = field(kProjection);
  static PluginField const cosine = field(kCosine);
  static PluginFieldCollection const projectionFields{1, &projection};
  static PluginFieldCollection const cosineFields{1, &cosine};
  return mSimilarity == CSAKIT_COSINE ? &cosineFields : &projectionFields;
}

nvinfer1::IPluginV3* CsaPlugin::attachToContext(
    nvinfer1::IPluginResourceContext* /*context*/) noexcept {
  return clone();
}

int32_t CsaPlugin::onShapeChange(PluginTensorDesc const* in, int32_t nbInputs,
                                 PluginTensorDesc const* /*out*/, int32_t nbOutputs) noexcept {
  csakit_attention_desc desc{};
  if (!takesArity("onShapeChange", nbInputs, nbOutputs) || !describe(in, mSimilarity, desc)) {
    return CSAKIT_INVALID_ARGUMENT;
  }
  size_t bytes = 0;  // fails with a reason for an unsupported size
  return workspaceSize(desc, bytes);
}

int32_t CsaPlugin::enqueue(PluginTensorDesc const* inputDesc,
                           PluginTensorDesc const* /*outputDesc*/, void const* const* inputs,
                           void* const* outputs, void* workspace, cudaStream_t stream) noexcept {
  csakit_attention_desc desc{};
  if (!describe(inputDesc, mSimilarity, desc)) {
    return CSAKIT_INVALID_ARGUMENT;
  }
  // TensorRT passes no workspace size. It is that of getWorkspaceSize() for the largest shape,
  // which by csakit.h is enough for this one.
  size_t bytes = 0;
  int32_t const status = workspaceSize(desc, bytes);
  if (status != kOk) {
    return status;
  }
  return reported(csakit_attention_forward(&desc, inputs[kFeatures], inputs[kHole], outputs[0],
                                           nullptr, workspace, bytes, stream));
}

}  // namespace csakit
