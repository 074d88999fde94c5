// overlap.h - whether launches overlap on the current device.
#ifndef CSAKIT_OVERLAP_H_
#define CSAKIT_OVERLAP_H_

namespace csakit {

// Whether a kernel can be launched before the previous one has ended (launchNext in kernels.h):
// this needs compute capability 9.0, code compiled for it, and a driver that can capture such
// launches. Queried once per device.
bool launchesOverlap();

}  // namespace csakit

#endif  // CSAKIT_OVERLAP_H_
