// cuda_fp16.h - float16 as plain C++: conversions only, which is all that the kernels use.
#ifndef CSAKIT_TESTS_SIMT_CUDA_FP16_H_
#define CSAKIT_TESTS_SIMT_CUDA_FP16_H_

#include "cuda_runtime.h"

struct __half {
  uint16_t bits;
};

namespace simt {
extern const float* const half_values;  // of all 65536 bit patterns
}

inline float __half2float(__half value) { return simt::half_values[value.bits]; }
__half __float2half_rn(float value);

#endif  // CSAKIT_TESTS_SIMT_CUDA_FP16_H_
