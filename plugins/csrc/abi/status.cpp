// status.cpp - see status.h.

#include "status.h"

#include <cstdarg>
#include <cstdio>

namespace csakit {
namespace {

constexpr size_t kTextBytes = 512;  // csakit's longest text is below 300
thread_local char last_error[kTextBytes] = "";

bool isMissingCode(cudaError_t error) {
  return error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
         error == cudaErrorUnsupportedPtxVersion || error == cudaErrorInvalidKernelImage;
}

}  // namespace

csakit_status fail(csakit_status status, const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(last_error, kTextBytes, format, values);
  va_end(values);
  return status;
}

csakit_status succeed() {
  last_error[0] = '\0';
  return CSAKIT_OK;
}

const char* lastError() { return last_error; }

csakit_status fromCuda(cudaError_t error, const char* step) {
  cudaGetLastError();
  if (isMissingCode(error)) {
    return fail(CSAKIT_NO_KERNEL_FOR_DEVICE,
                "%s: this library holds no code for the current device (%s); csakit_build_info() "
                "lists its architectures",
                step, cudaGetErrorString(error));
  }
  return fail(CSAKIT_CUDA_ERROR, "%s: %s (%s)", step, cudaGetErrorString(error),
              cudaGetErrorName(error));
}

CaptureTolerance::CaptureTolerance()
    : exchanged_(cudaThreadExchangeStreamCaptureMode(&mode_) == cudaSuccess) {}

CaptureTolerance::~CaptureTolerance() {
  if (exchanged_) {
    cudaThreadExchangeStreamCaptureMode(&mode_);  // mode_ is what was found before
  }
}

}  // namespace csakit
