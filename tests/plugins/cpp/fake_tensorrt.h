// fake_tensorrt.h - the one thing of TensorRT that a plugin calls: its logger.
//
// In a shared library of its own, because the plugin asks the library that a logger finder comes
// from for its version.
#ifndef CSAKIT_TESTS_FAKE_TENSORRT_H_
#define CSAKIT_TESTS_FAKE_TENSORRT_H_

#include <NvInferRuntime.h>

#include <string>

nvinfer1::ILoggerFinder* fakeFinder();
void setFakeMajor(int32_t major);  // of the version; that of the headers at first
std::string takeMessage();         // the last one that was logged; the next call gives ""

#endif  // CSAKIT_TESTS_FAKE_TENSORRT_H_
