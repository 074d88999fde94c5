// tensors.h - what TensorRT says of the tensors, in the words of csakit.h.
#ifndef CSAKIT_TENSORRT_TENSORS_H_
#define CSAKIT_TENSORRT_TENSORS_H_

#include <NvInferRuntime.h>

#include "csakit.h"

namespace csakit {

constexpr int32_t kRank = 4;  // (B, C, H, W), also where the channels lie last in memory

// Channels per group of kHWC8. Where C is a multiple the format is a dense (B, H, W, C); else it is
// padded, which csakit.h does not know.
constexpr int64_t kChannelGroup = 8;

bool isFloating(nvinfer1::DataType type) noexcept;  // float32 or float16

// The types and formats that the layer takes: linear float32 or float16, and for features also
// kHWC8 of float16 and kHWC of float32. TensorRT times them and keeps the fastest, conversions
// included. It does so on whatever its buffers hold, often no hole at all: then there is nothing
// but `prepare` to time, which is the step that differs between formats.
bool takesFeatures(nvinfer1::PluginTensorDesc const& features) noexcept;
bool takesHole(nvinfer1::PluginTensorDesc const& hole) noexcept;

// What csakit.h is to compute on `inputs`, in the order of CsaPlugin. False, and reported, where
// the tensors do not fit each other; the limits on sizes are csakit's to check.
bool describe(nvinfer1::PluginTensorDesc const* inputs, csakit_similarity similarity,
              csakit_attention_desc& desc) noexcept;

// The same at the largest shape of the profile.
bool describeLargest(nvinfer1::DynamicPluginTensorDesc const* inputs, csakit_similarity similarity,
                     csakit_attention_desc& desc) noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_TENSORS_H_
