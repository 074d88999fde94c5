// tensors.h - translate TensorRT's tensor descriptions to those of csakit.h.
#ifndef CSAKIT_TENSORRT_TENSORS_H_
#define CSAKIT_TENSORRT_TENSORS_H_

#include <NvInferRuntime.h>

#include "csakit.h"

namespace csakit {

constexpr int32_t kRank = 4;  // (B, C, H, W), also if the channels are last in memory

// Channels per group of kHWC8. If C is a multiple, the format is a dense (B, H, W, C); else it is
// padded, which csakit.h does not support.
constexpr int64_t kChannelGroup = 8;

bool isFloating(nvinfer1::DataType type) noexcept;  // float32 or float16

// The supported types and formats: linear float32 or float16, and for features also kHWC8 of
// float16 and kHWC of float32. TensorRT times them, including conversions, and keeps the fastest.
// Its buffers then often contain no hole at all, so that it times only `prepare`, the step that
// differs between formats.
bool takesFeatures(nvinfer1::PluginTensorDesc const& features) noexcept;
bool takesHole(nvinfer1::PluginTensorDesc const& hole) noexcept;

// Fill in the description of `inputs`, in the order of CsaPlugin. False, with a report, if the
// tensors do not fit each other; csakit.h checks the limits on sizes.
bool describe(nvinfer1::PluginTensorDesc const* inputs, csakit_similarity similarity,
              csakit_attention_desc& desc) noexcept;

// The same for the largest shape of the profile.
bool describeLargest(nvinfer1::DynamicPluginTensorDesc const* inputs, csakit_similarity similarity,
                     csakit_attention_desc& desc) noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_TENSORS_H_
