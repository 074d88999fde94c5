// simt_units.h - the twins of plugins/csrc/kernels/mma.cuh and async.cuh on a CPU.
#ifndef CSAKIT_TESTS_SIMT_UNITS_H_
#define CSAKIT_TESTS_SIMT_UNITS_H_

#include "kernels/device.cuh"

namespace csakit {

// ---- asynchronous copies: they land when they are waited for, not before ---------------
constexpr int32_t kAsyncBytes = 16;

void asyncCopy(void* to, const void* from, bool valid);
void asyncCommit();
void asyncWaitUntil(int32_t pending);

template <int32_t kPending>
void asyncWait() {
  asyncWaitUntil(kPending);
}

// ---- the matrix unit: every lane makes half a row of each 16 x 16 product ---------------
template <typename T, int32_t kDown, int32_t kAcross>
class MatrixUnit {
 public:
  void clear() { std::fill(&sums_[0][0], &sums_[0][0] + kDown * kAcross * kOwn, 0.0F); }

  void multiply(const T* rows, const T* columns, int32_t line) {
    for (int32_t tile = 0; tile < kDown * kAcross; ++tile) {
      const T* left = rows + (tile / kAcross * kSide + row()) * line;
      float values[kSide];
      for (int32_t k = 0; k < kSide; ++k) {
        values[k] = toFloat(left[k]);
      }
      for (int32_t n = 0; n < kOwn; ++n) {
        const T* right = columns + (tile % kAcross * kSide + column() + n) * line;
        for (int32_t k = 0; k < kSide; ++k) {
          sums_[tile][n] += values[k] * toFloat(right[k]);
        }
      }
    }
  }

  void store(float* products, int32_t line) const {
    for (int32_t tile = 0; tile < kDown * kAcross; ++tile) {
      float* to = products + (tile / kAcross * kSide + row()) * line;
      std::copy(sums_[tile], sums_[tile] + kOwn, to + tile % kAcross * kSide + column());
    }
  }

 private:
  static constexpr int32_t kSide = 16;
  static constexpr int32_t kOwn = kSide * kSide / kWarp;

  static int32_t row() { return laneOf(threadIdx.x) / 2; }
  static int32_t column() { return laneOf(threadIdx.x) % 2 * kOwn; }

  float sums_[kDown * kAcross][kOwn];
};

}  // namespace csakit

#endif  // CSAKIT_TESTS_SIMT_UNITS_H_
