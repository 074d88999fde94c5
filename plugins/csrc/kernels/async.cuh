// async.cuh - asynchronous copies from global to shared memory (cp.async).
//
// A thread sees its own copies after asyncWait, and those of others after a barrier that follows
// their asyncWait. Before sm_80 copies are synchronous and asyncWait does nothing.
// The tests replace these functions by those of simt_units.h to run kernels on a CPU: there a copy
// completes as late as possible, so that a missing wait is detected.
#ifndef CSAKIT_ASYNC_CUH_
#define CSAKIT_ASYNC_CUH_

#include "device.cuh"

#if !defined(__CUDACC__)
#include "simt_units.h"
#else

namespace csakit {

constexpr int32_t kAsyncBytes = 16;  // per copy; source and target are aligned to it

// Copy 16 bytes, or clear them if `valid` is false (`from` is then not read).
__device__ inline void asyncCopy(void* to, const void* from, bool valid) {
#if __CUDA_ARCH__ >= 800
  const unsigned int shared = static_cast<unsigned int>(__cvta_generic_to_shared(to));
  const int bytes = valid ? kAsyncBytes : 0;  // the rest of the 16 bytes is cleared
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

// Wait until at most the `kPending` newest groups are pending.
template <int32_t kPending>
__device__ inline void asyncWait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace csakit

#endif  // !__CUDACC__

#endif  // CSAKIT_ASYNC_CUH_
