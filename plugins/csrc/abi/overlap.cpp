// overlap.cpp - see overlap.h.

#include "overlap.h"

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>

#include "kernels/kernels.h"

namespace csakit {
namespace {

constexpr int32_t kDevices = 64;       // per process; launches on further ones do not overlap
constexpr int32_t kMajor = 9;          // compute capability
constexpr int32_t kArchitecture = 90;  // of the code
constexpr int32_t kDriver = 12030;     // CUDA 12.3
enum class Answer : int8_t {
  kUnknown,
  kNo,
  kYes
};

std::atomic<Answer> answers[kDevices];

bool ask(int32_t device) {
  int driver = 0;
  int major = 0;
  const bool answered =
      cudaDriverGetVersion(&driver) == cudaSuccess &&
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess;
  const bool yes =
      answered && driver >= kDriver && major >= kMajor && codeArchitecture() >= kArchitecture;
  cudaGetLastError();  // a refusal is an answer, not an error
  return yes;
}

}  // namespace

bool launchesOverlap() {
  int32_t device = 0;
  if (cudaGetDevice(&device) != cudaSuccess || device < 0 || device >= kDevices) {
    return false;
  }
  Answer answer = answers[device].load(std::memory_order_relaxed);
  if (answer == Answer::kUnknown) {
    answer = ask(device) ? Answer::kYes : Answer::kNo;
    answers[device].store(answer, std::memory_order_relaxed);
  }
  return answer == Answer::kYes;
}

}  // namespace csakit
