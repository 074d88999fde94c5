// report.h - send error texts to TensorRT's logger.
//
// A plugin can only return a number, so the text goes to the logger of the program that loaded it.
// Without a logger it is lost; nothing here prints.
#ifndef CSAKIT_TENSORRT_REPORT_H_
#define CSAKIT_TENSORRT_REPORT_H_

#include <NvInferRuntime.h>

namespace csakit {

using LoggerSource = nvinfer1::ILogger* (*)() noexcept;

// Set the source of the logger; null for none.
void setLoggerSource(LoggerSource source) noexcept;

// Log an error; printf's format, cut at 511 characters.
__attribute__((format(printf, 1, 2))) void report(char const* format, ...) noexcept;

// Report whether the library that contains `address` is a TensorRT of the headers' major version.
// Between 10 and 11 the virtual tables of the registry and of the logger finder changed: a call
// through the table of another major version would reach the wrong function.
bool belongsToOurTensorRT(void const* address) noexcept;

}  // namespace csakit

#endif  // CSAKIT_TENSORRT_REPORT_H_
