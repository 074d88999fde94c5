// best.cuh - a score and its position packed into one integer, so that one maximum finds both.
//
// The upper half holds the score's bits, mapped to sort like the numbers; the lower half holds the
// complement of the position, so that the smallest position wins among equal scores. A maximum of
// integers does not depend on the order of the blocks: results are deterministic. As in
// numpy.argmax and torch.max, NaN is above every number, and -0 equals 0.
#ifndef CSAKIT_BEST_CUH_
#define CSAKIT_BEST_CUH_

#include "device.cuh"

namespace csakit {

constexpr unsigned int kSignBit = 0x80000000U;
constexpr unsigned int kNotANumber = 0xffffffffU;  // above the code of +infinity

__device__ inline unsigned long long packBest(float score, int32_t position) {
  const unsigned int bits = __float_as_uint(score + 0.0F);  // -0 becomes 0
  unsigned int code = (bits & kSignBit) != 0U ? ~bits : bits | kSignBit;
  if (score != score) {
    code = kNotANumber;
  }
  return static_cast<unsigned long long>(code) << 32 | ~static_cast<unsigned int>(position);
}

__device__ inline int32_t positionOf(unsigned long long best) {
  return static_cast<int32_t>(~static_cast<unsigned int>(best));
}

__device__ inline float scoreOf(unsigned long long best) {
  const unsigned int code = static_cast<unsigned int>(best >> 32);
  return __uint_as_float((code & kSignBit) != 0U ? code & ~kSignBit : ~code);
}

}  // namespace csakit

#endif  // CSAKIT_BEST_CUH_
