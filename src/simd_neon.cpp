// NEON kernels: part of the arm64 baseline, so no compiler flags of their own.
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

#include "simd_loops.hpp"
#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 4, NR = 16, MC = 4, NC = 8, LANES = 4;
constexpr int QUERY_LIMIT = 127;

float32x4_t load(const float* from) { return vld1q_f32(from); }
float32x4_t load(const std::uint16_t* from) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16));
}

template <class T, class Step>
float reduced(const float* a, const T* b, std::size_t d, Step step) {
  float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], load(a + i + j * LANES), load(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES) sum[0] = step(sum[0], load(a + i), load(b + i));
  if (i < d) {
    float x[LANES] = {};
    T y[LANES] = {};
    for (std::size_t j = 0; i + j < d; ++j) x[j] = a[i + j], y[j] = b[i + j];
    sum[1] = step(sum[1], load(x), load(y));
  }
  return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

float32x4_t add_product(float32x4_t s, float32x4_t x, float32x4_t y) { return vfmaq_f32(s, x, y); }
float32x4_t add_squared_gap(float32x4_t s, float32x4_t x, float32x4_t y) {
  const float32x4_t gap = vsubq_f32(x, y);
  return vfmaq_f32(s, gap, gap);
}

float dot(const float* a, const float* b, std::size_t d) { return reduced(a, b, d, add_product); }
float squared_distance(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, add_squared_gap);
}
float dot_bf16(const float* a, const std::uint16_t* b, std::size_t d) {
  return reduced(a, b, d, add_product);
}
float squared_distance_bf16(const float* a, const std::uint16_t* b, std::size_t d) {
  return reduced(a, b, d, add_squared_gap);
}

// Products are below 15 * 127: eight of them fit into 16 bits.
void dot_planes(const std::int8_t* query, const std::uint8_t* const planes[4], std::size_t groups,
                std::int32_t out[4]) {
  for (std::size_t i = 0; i < 4; ++i) {
    int32x4_t sum = vdupq_n_s32(0);
    for (std::size_t g = 0; g < groups; ++g) {
      int16x8_t even = vdupq_n_s16(0), odd = vdupq_n_s16(0);
#pragma GCC unroll 4
      for (std::size_t j = 0; j < GROUP_BYTES; j += 16) {
        const uint8x16_t codes = vld1q_u8(planes[i] + g * GROUP_BYTES + j);
        const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(15)));
        const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(codes, 4));
        const int8x16_t q = vld1q_s8(query + g * GROUP + j);
        const int8x16_t p = vld1q_s8(query + g * GROUP + GROUP_BYTES + j);
        even = vmlal_s8(vmlal_s8(even, vget_low_s8(low), vget_low_s8(q)), vget_low_s8(high),
                        vget_low_s8(p));
        odd = vmlal_high_s8(vmlal_high_s8(odd, low, q), high, p);
      }
      sum = vpadalq_s16(vpadalq_s16(sum, even), odd);
    }
    out[i] = vaddvq_s32(sum);
  }
}

void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

// 4 x 8: eight accumulators of (code - 128) * query, since products are of signed bytes.
void tile_codes(const std::int8_t* queries, const std::uint8_t* codes, std::size_t steps,
                std::int32_t* out) {
  int32x4_t sum[MC][2];
  std::int32_t shift[MC] = {};
#pragma GCC unroll 4
  for (std::size_t q = 0; q < MC; ++q) sum[q][0] = sum[q][1] = vdupq_n_s32(0);
  for (std::size_t s = 0; s < steps; ++s, queries += 4 * MC, codes += 4 * NC) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < MC; ++q) {
      std::int32_t four;
      std::memcpy(&four, queries + 4 * q, sizeof four);
      const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
      for (std::size_t j = 0; j < 4; ++j) shift[q] += 128 * queries[4 * q + j];
#pragma GCC unroll 2
      for (std::size_t r = 0; r < 2; ++r) {
        const int8x16_t row =
            vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes + 16 * r), vdupq_n_u8(0x80)));
        const int32x4_t first = vpaddlq_s16(vmull_s8(vget_low_s8(row), vget_low_s8(query)));
        const int32x4_t second = vpaddlq_s16(vmull_high_s8(row, query));
        sum[q][r] = vaddq_s32(sum[q][r], vpaddq_s32(first, second));
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t q = 0; q < MC; ++q)
#pragma GCC unroll 2
    for (std::size_t r = 0; r < 2; ++r)
      vst1q_s32(out + q * NC + 4 * r, vaddq_s32(sum[q][r], vdupq_n_s32(shift[q])));
}

// 4 x 16: sixteen accumulators, four document vectors and one query vector.
void tile(const float* queries, std::size_t query_step, const float* documents, std::size_t depth,
          float* out, bool accumulate) {
  float32x4_t sum[MR][4];
#pragma GCC unroll 4  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) sum[i][j] = vdupq_n_f32(0);
  for (std::size_t p = 0; p < depth; ++p, queries += query_step, documents += NR) {
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

const Kernels neon_kernels{"neon",
                           dot,
                           squared_distance,
                           dot_bf16,
                           squared_distance_bf16,
                           dot_rows,
                           dot_planes,
                           tile_codes,
                           MC,
                           NC,
                           QUERY_LIMIT,
                           tile,
                           MR,
                           NR,
                           add_scaled,
                           wide_dot,
                           adam,
                           survey<NR>,
                           column_peaks,
                           reached_by,
                           scale_columns<NR>,
                           weigh<NR>};

}  // namespace ragtune
#endif
