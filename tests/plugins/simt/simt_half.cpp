// simt_half.cpp - float16 in numbers and back, which no C++17 has.

#include <cmath>
#include <vector>

#include "cuda_fp16.h"

namespace simt {
namespace {

float valueOfHalf(unsigned int bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31U);
  const auto fraction = static_cast<float>(bits & 1023U);
  const float hidden = exponent == 0 ? 0.0F : 1024.0F;
  float size = std::ldexp(fraction + hidden, std::max(exponent, 1) - 25);
  if (exponent == 31) {
    size = fraction == 0.0F ? INFINITY : NAN;
  }
  return (bits & 0x8000U) != 0U ? -size : size;
}

const float* valuesOfHalves() {
  static std::vector<float> values(65536);
  for (unsigned int bits = 0; bits < values.size(); ++bits) {
    values[bits] = valueOfHalf(bits);
  }
  return values.data();
}

}  // namespace

const float* const half_values = valuesOfHalves();

}  // namespace simt

// Sizes of halves are sorted like their bits, so the nearest lies beside the last one below.
__half __float2half_rn(float value) {
  const auto sign = static_cast<uint16_t>(__float_as_uint(value) >> 16 & 0x8000U);
  constexpr uint16_t kInfinity = 0x7c00;
  constexpr float kOverflow = 65520.0F;  // halfway between the largest half and the next power
  const float size = std::fabs(value);
  if (value != value) {
    return {0x7fff};
  }
  if (size >= kOverflow) {
    return {static_cast<uint16_t>(sign | kInfinity)};
  }
  const float* above = std::upper_bound(simt::half_values, simt::half_values + kInfinity, size);
  auto bits = static_cast<uint16_t>(above - simt::half_values - 1);
  if (bits + 1 < kInfinity) {
    const float up = *above - size;
    const float down = size - simt::half_values[bits];
    bits = static_cast<uint16_t>(bits + (up < down || (up == down && bits % 2 == 1) ? 1 : 0));
  }
  return {static_cast<uint16_t>(sign | bits)};
}
