// workspace.h - the layout of the caller's workspace.
#ifndef CSAKIT_WORKSPACE_H_
#define CSAKIT_WORKSPACE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace csakit {

// Allocates consecutive parts of a block of memory, each aligned for every kind of access.
class Carver {
 public:
  explicit Carver(void* base) : base_(reinterpret_cast<uintptr_t>(base)) {}

  template <typename U>
  void take(U** part, size_t count) {
    *part = reinterpret_cast<U*>(base_ + used_);
    used_ += (count * sizeof(U) + kAlignment - 1) / kAlignment * kAlignment;
  }

  size_t used() const { return used_; }

 private:
  static constexpr size_t kAlignment = 256;  // bytes; as cudaMalloc aligns
  uintptr_t base_;
  size_t used_ = 0;
};

// Set the workspace pointers of `a`; return the bytes they cover. Every part grows with B, C and
// N, and none depends on the layout or on alignment: a workspace for a large problem also fits
// smaller ones, which TensorRT's dynamic shapes rely on.
template <typename T>
size_t carveWorkspace(Attention<T>* a, void* workspace, bool backward) {
  const size_t positions = static_cast<size_t>(a->batch) * a->positions;
  const size_t chunks = static_cast<size_t>(a->batch) * a->chunks;
  Carver carver(workspace);
  carver.take(&a->rounds, a->batch);  // first, because the tests read it there
  carver.take(&a->packed, positions * a->stride);
  carver.take(&a->hole_count, a->batch);
  carver.take(&a->holes, positions);
  carver.take(&a->known, positions);
  carver.take(&a->inverse, positions);
  carver.take(&a->best, positions);
  carver.take(&a->match, positions);
  carver.take(&a->score, positions);
  carver.take(&a->weight, positions);
  carver.take(&a->gram, chunks * a->planes * kChunk * kGramLine);
  carver.take(&a->bound, chunks);
  carver.take(&a->carry, chunks * a->stride);
  if (backward) {
    carver.take(&a->packed_gradient, positions * a->stride);
    carver.take(&a->sums, positions * a->stride);
  }
  return carver.used();
}

}  // namespace csakit

#endif  // CSAKIT_WORKSPACE_H_
