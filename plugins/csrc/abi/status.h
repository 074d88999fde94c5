// status.h - the last error of a thread, and the one place where CUDA's errors become ours.
#ifndef CSAKIT_STATUS_H_
#define CSAKIT_STATUS_H_

#include <cuda_runtime.h>

#include "csakit.h"

namespace csakit {

// Keep a text for csakit_last_error(), printf style, and return `status`.
[[gnu::format(printf, 2, 3)]] csakit_status fail(csakit_status status, const char* format, ...);

// Forget the text of the call before.
csakit_status succeed();

const char* lastError();

// Say in which step CUDA refused, and clear CUDA's own record of it, so that an error which does
// no lasting harm is not found again by the caller's next call.
csakit_status fromCuda(cudaError_t error, const char* step);

// While it lives, this thread may do what a capture that is under way, in any thread, would forbid:
// asking CUDA where memory lies, and the loading of a kernel's code at its first launch. Neither
// touches the work that is captured, which is what such captures guard.
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
