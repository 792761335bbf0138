// The kernel sets of this build, one per file that has its own compiler flags.
#pragma once

#include "simd.hpp"

namespace ragtune {

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#elif defined(__aarch64__)
extern const Kernels neon_kernels;
#endif

}  // namespace ragtune
