// overlap.h - whether launches overlap on the current device.
#ifndef CSAKIT_OVERLAP_H_
#define CSAKIT_OVERLAP_H_

namespace csakit {

// Whether a kernel can be launched before the one before it has ended (launchNext in kernels.h):
// compute capability 9.0, code that was compiled for it, and a driver that captures such launches.
// Asked once for each device.
bool launchesOverlap();

}  // namespace csakit

#endif  // CSAKIT_OVERLAP_H_
