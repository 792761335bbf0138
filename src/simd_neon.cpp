// NEON kernels: part of the arm64 baseline, so no compiler flags of their own.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 4, NR = 16, LANES = 4;

template <class Step>
float reduced(const float* a, const float* b, std::size_t d, Step step) {
  float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], vld1q_f32(a + i + j * LANES), vld1q_f32(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES) sum[0] = step(sum[0], vld1q_f32(a + i), vld1q_f32(b + i));
  if (i < d) {
    float x[LANES] = {}, y[LANES] = {};
    for (std::size_t j = 0; i + j < d; ++j) x[j] = a[i + j], y[j] = b[i + j];
    sum[1] = step(sum[1], vld1q_f32(x), vld1q_f32(y));
  }
  return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

float dot(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d,
                 [](float32x4_t s, float32x4_t x, float32x4_t y) { return vfmaq_f32(s, x, y); });
}

float squared_distance(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, [](float32x4_t s, float32x4_t x, float32x4_t y) {
    const float32x4_t gap = vsubq_f32(x, y);
    return vfmaq_f32(s, gap, gap);
  });
}

void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

// 4 x 16: sixteen accumulators, four document vectors and one query vector.
void tile(const float* queries, const float* documents, std::size_t depth, float* out,
          bool accumulate) {
  float32x4_t sum[MR][4];
#pragma GCC unroll 4  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) sum[i][j] = vdupq_n_f32(0);
  for (std::size_t p = 0; p < depth; ++p, queries += MR, documents += NR) {
    const float32x4_t doc[4] = {vld1q_f32(documents), vld1q_f32(documents + 4),
                                vld1q_f32(documents + 8), vld1q_f32(documents + 12)};
#pragma GCC unroll 4
    for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 4
      for (std::size_t j = 0; j < 4; ++j) sum[i][j] = vfmaq_n_f32(sum[i][j], doc[j], queries[i]);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) {
      float* to = out + i * NR + j * LANES;
      vst1q_f32(to, accumulate ? vaddq_f32(vld1q_f32(to), sum[i][j]) : sum[i][j]);
    }
}

}  // namespace

const Kernels neon_kernels{"neon", dot, squared_distance, dot_rows, tile, MR, NR};

}  // namespace ragtune
#endif
