// cuda_bf16.h - bfloat16 as plain C++: the upper half of a float32.
#ifndef CSAKIT_TESTS_SIMT_CUDA_BF16_H_
#define CSAKIT_TESTS_SIMT_CUDA_BF16_H_

#include "cuda_runtime.h"

struct __nv_bfloat16 {
  uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  return __uint_as_float(static_cast<unsigned int>(value.bits) << 16);
}

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  if (value != value) {
    return {0x7fff};
  }
  const unsigned int bits = __float_as_uint(value);
  return {static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};  // ties to even
}

#endif  // CSAKIT_TESTS_SIMT_CUDA_BF16_H_
