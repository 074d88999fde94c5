// layer_cases.cpp - types, shapes, formats and workspace, as the builder and the runtime ask.

#include <utility>
#include <vector>

#include "checks.h"

using namespace nvinfer1;

namespace {

constexpr DataType kFloat = DataType::kFLOAT;
constexpr DataType kHalf = DataType::kHALF;
constexpr TensorFormat kLinear = TensorFormat::kLINEAR;
constexpr TensorFormat kHwc8 = TensorFormat::kHWC8;
constexpr TensorFormat kHwc = TensorFormat::kHWC;

// Features, hole and output of one call, as the runtime describes them.
std::vector<PluginTensorDesc> tensors(Dims4 features, Dims4 hole) {
  return {tensor(features, kHalf, kLinear), tensor(hole, kFloat, kLinear),
          tensor(features, kHalf, kLinear)};
}

// The same as the builder describes them: free batch and size, and the profile's largest.
std::vector<DynamicPluginTensorDesc> profile(Dims4 features, Dims4 hole) {
  std::vector<DynamicPluginTensorDesc> result;
  for (PluginTensorDesc const& largest : tensors(features, hole)) {
    DynamicPluginTensorDesc dynamic{};
    dynamic.desc = largest;
    dynamic.desc.dims = Dims4(-1, largest.dims.d[1], -1, -1);
    dynamic.min = Dims4(1, largest.dims.d[1], 1, 1);
    dynamic.opt = dynamic.max = largest.dims;
    result.push_back(dynamic);
  }
  return result;
}

size_t workspace(IPluginV3& plugin, Dims4 features) {
  Dims4 const hole(features.d[0], 1, features.d[2], features.d[3]);
  auto const all = profile(features, hole);
  CHECK(buildOf(plugin).configurePlugin(all.data(), 2, &all[2], 1) == 0);
  return buildOf(plugin).getWorkspaceSize(all.data(), 2, &all[2], 1);
}

void outputHasTheTypeOfTheFeatures(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  for (DataType const features : {kFloat, kHalf}) {
    for (DataType const hole : {kFloat, kHalf}) {
      DataType const inputs[] = {features, hole};
      DataType output = DataType::kINT32;
      CHECK(buildOf(*plugin).getOutputDataTypes(&output, 1, inputs, 2) == 0);
      CHECK(output == features);
    }
  }
  DataType output = kFloat;
  DataType const integers[] = {DataType::kINT32, kFloat};
  CHECK(buildOf(*plugin).getOutputDataTypes(&output, 1, integers, 2) != 0);
  CHECK_MESSAGE("must be float32 or float16");
  CHECK(buildOf(*plugin).getOutputDataTypes(&output, 1, integers, 1) != 0);
  CHECK_MESSAGE("must see 2 inputs");
}

class Dimension final : public IDimensionExpr {};
class Builder final : public IExprBuilder {};

void outputHasTheShapeOfTheFeatures(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  Dimension free[4]{};  // unknown to the plugin, which may only hand them on
  DimsExprs const inputs[] = {{4, {&free[0], &free[1], &free[2], &free[3]}},
                              {4, {&free[0], &free[1], &free[2], &free[3]}}};
  DimsExprs output{};
  Builder builder;
  CHECK(buildOf(*plugin).getOutputShapes(inputs, 2, nullptr, 0, &output, 1, builder) == 0);
  CHECK(output.nbDims == 4);
  for (int axis = 0; axis < 4; ++axis) {
    CHECK(output.d[axis] == &free[axis]);
  }
  DimsExprs const flat[] = {{3, {&free[0], &free[1], &free[2]}}, inputs[1]};
  CHECK(buildOf(*plugin).getOutputShapes(flat, 2, nullptr, 0, &output, 1, builder) != 0);
  CHECK_MESSAGE("must have 4 dimensions; got 3 and 4");
}

bool takes(IPluginV3& plugin, Dims4 dims, std::vector<std::pair<DataType, TensorFormat>> formats) {
  std::vector<DynamicPluginTensorDesc> all(3);
  bool taken = true;
  for (int32_t i = 0; i < 3; ++i) {  // in TensorRT's order; later ones are not set yet
    all[i].desc = tensor(i == 1 ? Dims4(-1, 1, -1, -1) : dims, formats[i].first, formats[i].second);
    taken = taken && buildOf(plugin).supportsFormatCombination(i, all.data(), 2, 1);
  }
  return taken;
}

void formatsAreLinearOrChannelsLast(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  auto const accepts = [&](int64_t channels, auto features, auto hole, auto output) {
    return takes(*plugin, Dims4(-1, channels, -1, -1), {features, hole, output});
  };
  auto const of = [](DataType type, TensorFormat format) { return std::make_pair(type, format); };
  auto const f32 = of(kFloat, kLinear), f16 = of(kHalf, kLinear), hwc8 = of(kHalf, kHwc8);
  CHECK(accepts(512, f32, f32, f32));
  CHECK(accepts(512, f16, f32, f16));  // what an fp16 export has
  CHECK(accepts(512, f16, f16, f16));
  CHECK(accepts(512, hwc8, f32, hwc8));
  CHECK(accepts(512, hwc8, f16, hwc8));
  CHECK(accepts(7, f16, f32, f16));
  CHECK(!accepts(12, hwc8, f32, hwc8));  // padded to 16 channels
  CHECK(!accepts(-1, hwc8, f32, hwc8));  // may turn out to be
  CHECK(!accepts(512, hwc8, hwc8, hwc8));
  CHECK(accepts(7, of(kFloat, kHwc), f32, of(kFloat, kHwc)));
  CHECK(!accepts(512, of(kHalf, kHwc), f32, of(kHalf, kHwc)));
  CHECK(!accepts(512, of(kFloat, kHwc8), f32, of(kFloat, kHwc8)));
  CHECK(!accepts(512, f16, f32, f32));
  CHECK(!accepts(512, hwc8, f32, f16));
  CHECK(!accepts(512, f32, of(DataType::kBOOL, kLinear), f32));
  CHECK(!accepts(512, of(DataType::kINT8, kLinear), f32, of(DataType::kINT8, kLinear)));
}

void workspaceServesTheLargestProfile(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  size_t const small = workspace(*plugin, Dims4(1, 512, 32, 32));
  size_t const large = workspace(*plugin, Dims4(8, 512, 64, 64));
  CHECK(small > 0);
  CHECK(large > small);
  auto const huge = profile(Dims4(1, 2048, 32, 32), Dims4(1, 1, 32, 32));
  CHECK(buildOf(*plugin).configurePlugin(huge.data(), 2, &huge[2], 1) != 0);
  CHECK_MESSAGE("2048");
  CHECK(buildOf(*plugin).getWorkspaceSize(huge.data(), 2, &huge[2], 1) == 0);
}

void shapesThatDoNotFitAreRefused(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  IPluginV3OneRuntime& runtime = runtimeOf(*plugin);
  auto const refuses = [&](std::vector<PluginTensorDesc> const& all) {
    void const* const inputs[] = {nullptr, nullptr};
    void* const outputs[] = {nullptr};
    return runtime.onShapeChange(all.data(), 2, &all[2], 1) != 0 &&
           runtime.enqueue(all.data(), &all[2], inputs, outputs, nullptr, nullptr) != 0;
  };
  auto const fitting = tensors(Dims4(2, 64, 8, 8), Dims4(2, 1, 8, 8));
  CHECK(runtime.onShapeChange(fitting.data(), 2, &fitting[2], 1) == 0);
  CHECK(refuses(tensors(Dims4(2, 64, 8, 8), Dims4(1, 1, 8, 8))));
  CHECK_MESSAGE("hole must be (2, 1, 8, 8) to fit the features; got (1, 1, 8, 8)");
  CHECK(refuses(tensors(Dims4(2, 64, 8, 8), Dims4(2, 64, 8, 8))));
  CHECK(refuses(tensors(Dims4(2, 64, 8, 8), Dims4(2, 1, 16, 16))));
  CHECK(refuses(tensors(Dims4(0, 64, 8, 8), Dims4(0, 1, 8, 8))));
  CHECK(refuses(tensors(Dims4(2, 4096, 8, 8), Dims4(2, 1, 8, 8))));
  CHECK_MESSAGE("4096");
  CHECK(refuses(tensors(Dims4(1LL << 32, 64, 8, 8), Dims4(1LL << 32, 1, 8, 8))));
  CHECK_MESSAGE("size 4294967296 on axis 0");
  auto padded = tensors(Dims4(2, 12, 8, 8), Dims4(2, 1, 8, 8));
  padded[0].format = kHwc8;
  CHECK(refuses(padded));
  CHECK_MESSAGE("takes no features");
}

void nullPointersFailAndDoNotCrash(LoadedLibrary const& library) {
  PluginPointer const plugin = library.create("cosine");
  auto const all = tensors(Dims4(2, 64, 8, 8), Dims4(2, 1, 8, 8));
  void const* const inputs[] = {nullptr, nullptr};
  void* const outputs[] = {nullptr};
  CHECK(runtimeOf(*plugin).enqueue(all.data(), &all[2], inputs, outputs, nullptr, nullptr) != 0);
  CHECK_MESSAGE("CoherentSemanticAttention: ");  // without a GPU, it is the lack of one
}

}  // namespace

Cases layerCases() {
  return {
      CASE(outputHasTheTypeOfTheFeatures),  CASE(outputHasTheShapeOfTheFeatures),
      CASE(formatsAreLinearOrChannelsLast), CASE(workspaceServesTheLargestProfile),
      CASE(shapesThatDoNotFitAreRefused),   CASE(nullPointersFailAndDoNotCrash),
  };
}
