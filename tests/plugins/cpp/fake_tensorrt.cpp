// fake_tensorrt.cpp - a logger that remembers, and a version that can be set.

#include "fake_tensorrt.h"

#include <utility>

namespace {

int32_t gMajor = NV_TENSORRT_MAJOR;
std::string gMessage;

class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, char const* message) noexcept override {
    gMessage = severity == Severity::kERROR ? message : "not logged as an error";
  }
};

class Finder final : public nvinfer1::ILoggerFinder {
 public:
  nvinfer1::ILogger* findLogger() override {
    static Logger logger;
    return &logger;
  }
};

}  // namespace

extern "C" int32_t getInferLibVersion() noexcept { return gMajor * 10000 + 300; }

nvinfer1::ILoggerFinder* fakeFinder() {
  static Finder finder;
  return &finder;
}

void setFakeMajor(int32_t major) { gMajor = major; }

std::string takeMessage() { return std::exchange(gMessage, {}); }
