// report.cpp - find the logger, and query the version of a loaded TensorRT.

#include "report.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>

namespace csakit {
namespace {

std::atomic<LoggerSource> gLoggerSource{nullptr};

}  // namespace

void setLoggerSource(LoggerSource source) noexcept { gLoggerSource = source; }

void report(char const* format, ...) noexcept {
  LoggerSource const source = gLoggerSource;
  nvinfer1::ILogger* const logger = source != nullptr ? source() : nullptr;
  if (logger == nullptr) {
    return;
  }
  char text[512];  // on the stack, because memory may be exhausted
  va_list arguments;
  va_start(arguments, format);
  int const length = std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if (length >= 0) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, text);
  }
}

bool belongsToOurTensorRT(void const* address) noexcept {
  Dl_info owner{};
  if (dladdr(address, &owner) == 0 || owner.dli_fname == nullptr) {
    return false;
  }
  void* const library = dlopen(owner.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) {
    return false;
  }
  using GetVersion = int32_t (*)();
  auto const getVersion = reinterpret_cast<GetVersion>(dlsym(library, "getInferLibVersion"));
  bool const same = getVersion != nullptr && getVersion() / 10000 == NV_TENSORRT_MAJOR;
  dlclose(library);  // releases the reference of dlopen
  return same;
}

}  // namespace csakit
