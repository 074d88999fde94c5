// enqueue_test.cpp - runs the plugin on a GPU, once directly and once from a CUDA graph.
//
//   enqueue_test LIBRARY FOLDER B C H W TYPE HOLE_TYPE FORMAT SIMILARITY
//
// Types are float32 or float16, formats linear or hwc8. Reads features.bin, hole.bin and
// next_hole.bin in FOLDER; writes output.bin, and replayed.bin: what a graph that was captured
// with the first hole gives when the second one lies in the same buffer.

#include <cuda_runtime_api.h>

#include <fstream>
#include <iterator>

#include "loading.h"

using namespace nvinfer1;

namespace {

void require(cudaError_t error, char const* what) {
  if (error != cudaSuccess) {
    fail(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

#define REQUIRE(call) require(call, #call)

struct Buffer {
  void* data{};
  size_t bytes;

  explicit Buffer(size_t size) : bytes(size) { REQUIRE(cudaMalloc(&data, size > 0 ? size : 1)); }
  Buffer(Buffer const&) = delete;
  Buffer& operator=(Buffer const&) = delete;
  ~Buffer() { cudaFree(data); }

  void read(std::string const& path) const {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> const content{std::istreambuf_iterator<char>(file), {}};
    if (content.size() != bytes) {
      fail(path + " must have " + std::to_string(bytes) + " bytes; got " +
           std::to_string(content.size()));
    }
    REQUIRE(cudaMemcpy(data, content.data(), bytes, cudaMemcpyHostToDevice));
  }

  void write(std::string const& path) const {
    std::vector<char> content(bytes);
    REQUIRE(cudaMemcpy(content.data(), data, bytes, cudaMemcpyDeviceToHost));
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<long>(bytes));
  }
};

DataType typeOf(std::string const& word) {
  return word == "float16" ? DataType::kHALF : DataType::kFLOAT;
}

size_t bytesOf(PluginTensorDesc const& tensor) {
  size_t bytes = tensor.type == DataType::kHALF ? 2 : 4;
  for (int32_t axis = 0; axis < tensor.dims.nbDims; ++axis) {
    bytes *= static_cast<size_t>(tensor.dims.d[axis]);
  }
  return bytes;
}

// One inference, as the builder prepares it and the runtime runs it.
class Inference {
 public:
  Inference(LoadedLibrary const& library, std::string const& similarity,
            std::vector<PluginTensorDesc> const& tensors)
      : mTensors(tensors),
        mPlugin(library.create(similarity)),
        mWorkspace(workspaceBytes()),
        mFeatures(bytesOf(tensors[0])),
        mHole(bytesOf(tensors[1])),
        mOutput(bytesOf(tensors[2])) {
    mPlugin.reset(runtimeOf(*mPlugin).attachToContext(nullptr));
    if (runtimeOf(*mPlugin).onShapeChange(mTensors.data(), 2, &mTensors[2], 1) != 0) {
      fail("onShapeChange: " + takeMessage());
    }
    REQUIRE(cudaStreamCreateWithFlags(&mStream, cudaStreamNonBlocking));
  }

  void directly() {
    enqueue();
    REQUIRE(cudaStreamSynchronize(mStream));
  }

  // Captures with what is in the buffers, replays with what `change` puts there.
  template <typename Change>
  void fromGraph(Change change) {
    cudaGraph_t graph{};
    cudaGraphExec_t executable{};
    REQUIRE(cudaStreamBeginCapture(mStream, cudaStreamCaptureModeGlobal));
    enqueue();
    REQUIRE(cudaStreamEndCapture(mStream, &graph));
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0));
    change();
    for (int replay = 0; replay < 2; ++replay) {  // the second finds the workspace used
      REQUIRE(cudaGraphLaunch(executable, mStream));
    }
    REQUIRE(cudaStreamSynchronize(mStream));
    REQUIRE(cudaGraphExecDestroy(executable));
    REQUIRE(cudaGraphDestroy(graph));
  }

  Buffer const& features() const { return mFeatures; }
  Buffer const& hole() const { return mHole; }
  Buffer const& output() const { return mOutput; }

 private:
  size_t workspaceBytes() const {
    std::vector<DynamicPluginTensorDesc> profile(3);
    for (size_t i = 0; i < 3; ++i) {
      profile[i] = {mTensors[i], mTensors[i].dims, mTensors[i].dims, mTensors[i].dims};
      int32_t const position = static_cast<int32_t>(i);
      if (!buildOf(*mPlugin).supportsFormatCombination(position, profile.data(), 2, 1)) {
        fail("the plugin does not take tensor " + std::to_string(i));
      }
    }
    if (buildOf(*mPlugin).configurePlugin(profile.data(), 2, &profile[2], 1) != 0) {
      fail("configurePlugin: " + takeMessage());
    }
    return buildOf(*mPlugin).getWorkspaceSize(profile.data(), 2, &profile[2], 1);
  }

  void enqueue() {
    void const* const inputs[] = {mFeatures.data, mHole.data};
    void* const outputs[] = {mOutput.data};
    int32_t const status = runtimeOf(*mPlugin).enqueue(mTensors.data(), &mTensors[2], inputs,
                                                       outputs, mWorkspace.data, mStream);
    if (status != 0) {
      fail("enqueue: " + takeMessage());
    }
  }

  std::vector<PluginTensorDesc> mTensors;
  PluginPointer mPlugin;
  Buffer mWorkspace, mFeatures, mHole, mOutput;
  cudaStream_t mStream{};
};

}  // namespace

int main(int count, char** words) {
  if (count != 11) {
    fail("usage: enqueue_test LIBRARY FOLDER B C H W TYPE HOLE_TYPE FORMAT SIMILARITY");
  }
  std::string const folder = std::string(words[2]) + "/";
  auto const size = [&](int i) { return std::atoll(words[i]); };
  Dims4 const shape(size(3), size(4), size(5), size(6));
  TensorFormat const format =
      std::string(words[9]) == "hwc8" ? TensorFormat::kHWC8 : TensorFormat::kLINEAR;
  PluginTensorDesc const features = tensor(shape, typeOf(words[7]), format);
  PluginTensorDesc const hole =
      tensor(Dims4(shape.d[0], 1, shape.d[2], shape.d[3]), typeOf(words[8]), TensorFormat::kLINEAR);
  LoadedLibrary const library(words[1]);
  Inference inference(library, words[10], {features, hole, features});
  inference.features().read(folder + "features.bin");
  inference.hole().read(folder + "hole.bin");
  inference.directly();
  inference.output().write(folder + "output.bin");
  inference.fromGraph([&] { inference.hole().read(folder + "next_hole.bin"); });
  inference.output().write(folder + "replayed.bin");
  return 0;
}
