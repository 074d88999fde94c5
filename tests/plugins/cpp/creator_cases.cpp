// creator_cases.cpp - from fields to plugins and back.

#include <cstring>

#include "checks.h"

using namespace nvinfer1;

namespace {

void creatorNamesItsField(LoadedLibrary const& library) {
  IPluginCreatorV3One& creator = library.creator();
  CHECK(std::strcmp(creator.getPluginName(), "CoherentSemanticAttention") == 0);
  CHECK(std::strcmp(creator.getPluginVersion(), "1") == 0);
  CHECK(std::strcmp(creator.getPluginNamespace(), "") == 0);
  PluginFieldCollection const& fields = *creator.getFieldNames();
  CHECK(fields.nbFields == 1);
  CHECK(std::strcmp(fields.fields[0].name, "similarity") == 0);
  CHECK(fields.fields[0].type == PluginFieldType::kCHAR);
}

void validFieldsMakePlugins(LoadedLibrary const& library) {
  for (char const* similarity : {"projection", "cosine"}) {
    for (size_t const zeros : {0, 1}) {  // the ONNX parser counts the closing one
      PluginPointer const plugin = library.create(similarity + std::string(zeros, '\0'));
      CHECK(std::strcmp(coreOf(*plugin).getPluginName(), "CoherentSemanticAttention") == 0);
      CHECK(std::strcmp(buildOf(*plugin).getMetadataString(), similarity) == 0);
      std::string const timed = buildOf(*plugin).getTimingCacheID();  // "cosine-0123456789ab"
      CHECK(timed.rfind(std::string(similarity) + "-", 0) == 0);
      CHECK(timed.find_first_not_of("0123456789abcdef", std::strlen(similarity) + 1) ==
            std::string::npos);
      CHECK(timed.size() == std::strlen(similarity) + 1 + 12);
      CHECK(buildOf(*plugin).getNbOutputs() == 1);
    }
  }
}

void otherFieldsAreRefused(LoadedLibrary const& library) {
  int32_t const one = 1;
  CHECK(library.create(std::vector<PluginField>{}) == nullptr);
  CHECK_MESSAGE("similarity is missing");
  CHECK(library.creator().createPlugin("csa", nullptr, TensorRTPhase::kRUNTIME) == nullptr);
  CHECK_MESSAGE("similarity is missing");
  CHECK(library.create({{"similarity", &one, PluginFieldType::kINT32, 1}}) == nullptr);
  CHECK_MESSAGE("must be a string");
  CHECK(library.create({{"similarity", nullptr, PluginFieldType::kCHAR, 6}}) == nullptr);
  CHECK_MESSAGE("no data");
  CHECK(library.create({{"similarity", "cosine", PluginFieldType::kCHAR, -1}}) == nullptr);
  CHECK_MESSAGE("length -1");
  CHECK(library.create({{"similarity", "cosine", PluginFieldType::kCHAR, 5}}) == nullptr);
  CHECK_MESSAGE("got \"cosin\"");
  CHECK(library.create({{"epsilon", &one, PluginFieldType::kINT32, 1}}) == nullptr);
  CHECK_MESSAGE("got \"epsilon\"");
  CHECK(library.create({{nullptr, &one, PluginFieldType::kINT32, 1}}) == nullptr);
  CHECK_MESSAGE("the only field is similarity");
}

void clonesKeepTheSimilarity(LoadedLibrary const& library) {
  PluginPointer original = library.create("cosine");
  PluginPointer const clone(original->clone());
  PluginPointer const attached(runtimeOf(*original).attachToContext(nullptr));
  original.reset();
  CHECK(std::strcmp(buildOf(*clone).getMetadataString(), "cosine") == 0);
  CHECK(std::strcmp(buildOf(*attached).getMetadataString(), "cosine") == 0);
}

void serialisedFieldsMakeTheSamePlugin(LoadedLibrary const& library) {
  for (std::string const similarity : {"projection", "cosine"}) {
    PluginPointer original = library.create(similarity);
    PluginFieldCollection const* const fields = runtimeOf(*original).getFieldsToSerialize();
    original.reset();  // the engine is written later: the fields stay valid
    CHECK(fields->nbFields == 1);
    CHECK(fields->fields[0].length == static_cast<int32_t>(similarity.size()) + 1);
    PluginPointer const again(
        library.creator().createPlugin("csa", fields, TensorRTPhase::kRUNTIME));
    CHECK(again != nullptr && similarity == buildOf(*again).getMetadataString());
  }
}

void messagesGoOnlyToALoggerOfOurTensorRT(LoadedLibrary const& library) {
  std::vector<PluginField> const none;
  for (int32_t const major : {1, NV_TENSORRT_MAJOR - 1, NV_TENSORRT_MAJOR + 1}) {
    setFakeMajor(major);
    library.setLoggerFinder(fakeFinder());
    CHECK(library.create(none) == nullptr);
    CHECK(takeMessage().empty());
  }
  setFakeMajor(NV_TENSORRT_MAJOR);
  library.setLoggerFinder(fakeFinder());
  CHECK(library.create(none) == nullptr);
  CHECK(!takeMessage().empty());
  library.setLoggerFinder(nullptr);
  CHECK(library.create(none) == nullptr);
  CHECK(takeMessage().empty());
  library.setLoggerFinder(fakeFinder());
}

}  // namespace

Cases creatorCases() {
  return {
      CASE(creatorNamesItsField),
      CASE(validFieldsMakePlugins),
      CASE(otherFieldsAreRefused),
      CASE(clonesKeepTheSimilarity),
      CASE(serialisedFieldsMakeTheSamePlugin),
      CASE(messagesGoOnlyToALoggerOfOurTensorRT),
  };
}
