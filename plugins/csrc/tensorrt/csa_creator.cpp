// csa_creator.cpp - read the one field, and refuse all others.

#include "csa_creator.h"

#include <cstring>
#include <new>
#include <string_view>

#include "report.h"

namespace csakit {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

// The characters of a field. The ONNX parser includes the terminating zero, others may not.
std::string_view textOf(PluginField const& field) noexcept {
  std::string_view text(static_cast<char const*>(field.data), static_cast<size_t>(field.length));
  return text.substr(0, text.find('\0'));
}

bool readSimilarity(PluginField const& field, csakit_similarity& similarity) noexcept {
  if (field.type != PluginFieldType::kCHAR || field.data == nullptr || field.length < 1) {
    report("%s: field %s must be a string (kCHAR); got type %d, length %d, %s", kPluginName,
           kSimilarityField, static_cast<int32_t>(field.type), field.length,
           field.data != nullptr ? "data" : "no data");
    return false;
  }
  std::string_view const text = textOf(field);
  if (text == kProjection) {
    similarity = CSAKIT_PROJECTION;
    return true;
  }
  if (text == kCosine) {
    similarity = CSAKIT_COSINE;
    return true;
  }
  report("%s: field %s must be \"%s\" or \"%s\"; got \"%.*s\"", kPluginName, kSimilarityField,
         kProjection, kCosine, static_cast<int>(text.size()), text.data());
  return false;
}

bool readFields(PluginFieldCollection const* fields, csakit_similarity& similarity) noexcept {
  bool found = false;
  int32_t const count = fields != nullptr ? fields->nbFields : 0;
  for (int32_t i = 0; i < count; ++i) {
    PluginField const& field = fields->fields[i];
    char const* const name = field.name != nullptr ? field.name : "";
    if (std::strcmp(name, kSimilarityField) != 0) {
      report("%s: the only field is %s; got \"%s\"", kPluginName, kSimilarityField, name);
      return false;
    }
    if (!readSimilarity(field, similarity)) {
      return false;
    }
    found = true;
  }
  if (!found) {
    report("%s: field %s is missing; give \"%s\" or \"%s\", as `csakit export` does", kPluginName,
           kSimilarityField, kProjection, kCosine);
  }
  return found;
}

}  // namespace

PluginFieldCollection const* CsaPluginCreator::getFieldNames() noexcept {
  static PluginField const field(kSimilarityField, nullptr, PluginFieldType::kCHAR, 1);
  static PluginFieldCollection const fields{1, &field};
  return &fields;
}

nvinfer1::IPluginV3* CsaPluginCreator::createPlugin(char const* /*name*/,
                                                    PluginFieldCollection const* fields,
                                                    nvinfer1::TensorRTPhase /*phase*/) noexcept {
  csakit_similarity similarity = CSAKIT_PROJECTION;
  if (!readFields(fields, similarity)) {
    return nullptr;
  }
  return new (std::nothrow) CsaPlugin(similarity);
}

CsaPluginCreator& creator() noexcept {
  static CsaPluginCreator theCreator;
  return theCreator;
}

}  // namespace csakit
