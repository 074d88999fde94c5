// async.cuh - copies from global to shared memory that run beside the arithmetic (cp.async).
//
// A thread sees what it copied itself after asyncWait, what others copied after a barrier that
// follows their asyncWait. Before sm_80 the copy is made at once and waiting is no wait.
// simt_units.h is the tests' twin of these functions, for running kernels on a CPU: there a copy
// lands as late as it may, so that a missing wait is seen.
#ifndef CSAKIT_ASYNC_CUH_
#define CSAKIT_ASYNC_CUH_

#include "device.cuh"

#if !defined(__CUDACC__)
#include "simt_units.h"
#else

namespace csakit {

constexpr int32_t kAsyncBytes = 16;  // of one copy, both sides aligned to it

// Copy 16 bytes, or clear them where `valid` is false (`from` is then not read).
__device__ inline void asyncCopy(void* to, const void* from, bool valid) {
#if __CUDA_ARCH__ >= 800
  const unsigned int shared = static_cast<unsigned int>(__cvta_generic_to_shared(to));
  const int bytes = valid ? kAsyncBytes : 0;  // the rest of the 16 is cleared
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes)
               : "memory");
#else
  *static_cast<uint4*>(to) = valid ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
}

// Close a group of copies.
__device__ inline void asyncCommit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Wait until at most the `kPending` newest groups are still under way.
template <int32_t kPending>
__device__ inline void asyncWait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace csakit

#endif  // !__CUDACC__

#endif  // CSAKIT_ASYNC_CUH_
