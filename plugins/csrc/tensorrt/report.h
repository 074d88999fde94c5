// report.h - how the text of a failure reaches TensorRT's logger.
//
// A plugin can return a number and nothing else, so the words go to the logger of the program
// that loaded it. Without one they are lost; nothing here prints.
#ifndef CSAKIT_TENSORRT_REPORT_H_
#define CSAKIT_TENSORRT_REPORT_H_

#include <NvInferRuntime.h>

namespace csakit {

using LoggerSource = nvinfer1::ILogger* (*)() noexcept;

// Where to find the logger from now on; null for "nowhere".
void setLoggerSource(LoggerSource source) noexcept;

// Log an error; printf's format, cut at 511 characters.
__attribute__((format(printf, 1, 2))) void report(char const* format, ...) noexcept;

// Whether the library that contains `address` is a TensorRT of the major version of our headers.
// Between 10 and 11 the virtual tables of the registry and of the logger finder changed, so a
// call through another major version's table would be a jump into the wrong function.
bool belongsToOurTensorRT(void const* address) noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_REPORT_H_
