// status.h - the last error of a thread, and the translation of CUDA's errors to statuses.
#ifndef CSAKIT_STATUS_H_
#define CSAKIT_STATUS_H_

#include <cuda_runtime.h>

#include "csakit.h"

namespace csakit {

// Keep a text for csakit_last_error(), printf style, and return `status`.
[[gnu::format(printf, 2, 3)]] csakit_status fail(csakit_status status, const char* format, ...);

// Clear the text of the previous call.
csakit_status succeed();

const char* lastError();

// Record the step in which CUDA failed, and clear CUDA's last error, so that the caller's next call
// does not find an error without lasting effect again.
csakit_status fromCuda(cudaError_t error, const char* step);

// During its lifetime, this thread may do what a capture in progress, in any thread, would forbid:
// query where memory lies, and load a kernel's code at its first launch. Neither affects the work
// that is being captured.
class CaptureTolerance {
 public:
  CaptureTolerance();
  ~CaptureTolerance();
  CaptureTolerance(const CaptureTolerance&) = delete;
  CaptureTolerance& operator=(const CaptureTolerance&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
  bool exchanged_;
};

}  // namespace csakit

#endif  // CSAKIT_STATUS_H_
