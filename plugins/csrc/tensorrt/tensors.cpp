// tensors.cpp - check that the tensors fit each other, and translate them.

#include "tensors.h"

#include <limits>

#include "csa_plugin.h"
#include "report.h"

namespace csakit {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;
using nvinfer1::TensorFormat;

csakit_dtype dtypeOf(DataType type) noexcept {
  return type == DataType::kHALF ? CSAKIT_FLOAT16 : CSAKIT_FLOAT32;
}

// Report whether features (B, C, H, W) and hole (B, 1, H, W) fit each other.
bool fit(Dims const& features, Dims const& hole) noexcept {
  if (features.nbDims != kRank || hole.nbDims != kRank) {
    report("%s: features and hole must have 4 dimensions; got %d and %d", kPluginName,
           features.nbDims, hole.nbDims);
    return false;
  }
  auto const& f = features.d;
  auto const& h = hole.d;
  if (h[0] != f[0] || h[1] != 1 || h[2] != f[2] || h[3] != f[3]) {
    report(
        "%s: hole must be (%lld, 1, %lld, %lld) to fit the features; got (%lld, %lld, %lld, %lld)",
        kPluginName, static_cast<long long>(f[0]), static_cast<long long>(f[2]),
        static_cast<long long>(f[3]), static_cast<long long>(h[0]), static_cast<long long>(h[1]),
        static_cast<long long>(h[2]), static_cast<long long>(h[3]));
    return false;
  }
  for (int32_t axis = 0; axis < kRank; ++axis) {
    if (f[axis] > std::numeric_limits<int32_t>::max()) {
      report("%s: features have size %lld on axis %d; the largest is 2147483647", kPluginName,
             static_cast<long long>(f[axis]), axis);
      return false;
    }
  }
  return true;
}

}  // namespace

bool isFloating(DataType type) noexcept {
  return type == DataType::kFLOAT || type == DataType::kHALF;
}

bool takesFeatures(PluginTensorDesc const& features) noexcept {
  if (features.format == TensorFormat::kLINEAR) {
    return isFloating(features.type);
  }
  if (features.format == TensorFormat::kHWC) {  // dense for any C; TensorRT has it for float32
    return features.type == DataType::kFLOAT;
  }
  Dims const& dims = features.dims;
  bool const grouped = dims.nbDims == kRank && dims.d[1] > 0 && dims.d[1] % kChannelGroup == 0;
  return features.format == TensorFormat::kHWC8 && features.type == DataType::kHALF && grouped;
}

bool takesHole(PluginTensorDesc const& hole) noexcept {
  return hole.format == TensorFormat::kLINEAR && isFloating(hole.type);
}

bool describe(PluginTensorDesc const* inputs, csakit_similarity similarity,
              csakit_attention_desc& desc) noexcept {
  PluginTensorDesc const& features = inputs[CsaPlugin::kFeatures];
  PluginTensorDesc const& hole = inputs[CsaPlugin::kHole];
  if (!fit(features.dims, hole.dims)) {
    return false;
  }
  if (!takesFeatures(features) || !takesHole(hole)) {
    report("%s: takes no features and hole of TensorRT's types %d and %d in formats %d and %d",
           kPluginName, static_cast<int32_t>(features.type), static_cast<int32_t>(hole.type),
           static_cast<int32_t>(features.format), static_cast<int32_t>(hole.format));
    return false;
  }
  desc.struct_bytes = static_cast<int32_t>(sizeof(desc));
  desc.batch = static_cast<int32_t>(features.dims.d[0]);
  desc.channels = static_cast<int32_t>(features.dims.d[1]);
  desc.height = static_cast<int32_t>(features.dims.d[2]);
  desc.width = static_cast<int32_t>(features.dims.d[3]);
  desc.dtype = dtypeOf(features.type);
  desc.hole_dtype = dtypeOf(hole.type);
  desc.similarity = similarity;
  desc.layout = features.format == TensorFormat::kLINEAR ? CSAKIT_NCHW : CSAKIT_NHWC;
  return true;
}

bool describeLargest(DynamicPluginTensorDesc const* inputs, csakit_similarity similarity,
                     csakit_attention_desc& desc) noexcept {
  PluginTensorDesc largest[CsaPlugin::kInputs];
  for (int32_t i = 0; i < CsaPlugin::kInputs; ++i) {
    largest[i] = inputs[i].desc;
    largest[i].dims = inputs[i].max;
  }
  return describe(largest, similarity, desc);
}

}  // namespace csakit
