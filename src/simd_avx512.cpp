// AVX-512 kernels with VNNI (Cascade Lake, Zen 4 and later). CMakeLists.txt has the flags.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "simd_loops.hpp"
#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 12, NR = 32, MC = 6, NC = 64, LANES = 16, STREAMS = 4;
constexpr int QUERY_LIMIT = 127;

__mmask16 tail_mask(std::size_t left) { return __mmask16((1u << left) - 1u); }

__m512 load(const float* from) { return _mm512_loadu_ps(from); }
__m512 load(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }
__m512 widened(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}
__m512 load(const std::uint16_t* from) {
  return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
__m512 load(const std::uint16_t* from, __mmask16 mask) {
  return widened(_mm256_maskz_loadu_epi16(mask, from));
}

template <class T, class Step>
float reduced(const float* a, const T* b, std::size_t d, Step step) {
  __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                   _mm512_setzero_ps()};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], load(a + i + j * LANES), load(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES) sum[0] = step(sum[0], load(a + i), load(b + i));
  if (i < d) {
    const __mmask16 mask = tail_mask(d - i);
    sum[1] = step(sum[1], load(a + i, mask), load(b + i, mask));
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

__m512 add_product(__m512 s, __m512 x, __m512 y) { return _mm512_fmadd_ps(x, y, s); }
__m512 add_squared_gap(__m512 s, __m512 x, __m512 y) {
  const __m512 gap = _mm512_sub_ps(x, y);
  return _mm512_fmadd_ps(gap, gap, s);
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

__m256i halves_added(__m512i v) {
  return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

// vpdpbusd: 64 products of an unsigned code and a signed query, added in fours.
void dot_planes(const std::int8_t* query, const std::uint8_t* const planes[4], std::size_t groups,
                std::int32_t out[4]) {
  const __m512i low_half = _mm512_set1_epi8(15);
  __m512i sum[4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm512_setzero_si512();
  for (std::size_t g = 0; g < groups; ++g) {
    const __m512i first = _mm512_loadu_si512(query + g * GROUP);
    const __m512i second = _mm512_loadu_si512(query + g * GROUP + GROUP_BYTES);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      const __m512i codes = _mm512_loadu_si512(planes[i] + g * GROUP_BYTES);
      sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_and_si512(codes, low_half), first);
      sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half),
                                   second);
    }
  }
  const __m256i pair =
      _mm256_hadd_epi32(_mm256_hadd_epi32(halves_added(sum[0]), halves_added(sum[1])),
                        _mm256_hadd_epi32(halves_added(sum[2]), halves_added(sum[3])));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1)));
}

// Four streams far apart, as in simd_avx2.cpp.
void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  const std::size_t quarter = n / STREAMS;
  for (std::size_t i = 0; i < quarter; ++i) {
    const float* row[STREAMS];
    __m512 sum[STREAMS];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < STREAMS; ++s) {
      row[s] = rows + (s * quarter + i) * d;
      sum[s] = _mm512_setzero_ps();
    }
    for (std::size_t p = 0; p < d; p += LANES) {
      const __mmask16 mask = d - p >= LANES ? __mmask16(0xffff) : tail_mask(d - p);
      const __m512 q = _mm512_maskz_loadu_ps(mask, query + p);
#pragma GCC unroll 4
      for (std::size_t s = 0; s < STREAMS; ++s)
        sum[s] = _mm512_fmadd_ps(q, _mm512_maskz_loadu_ps(mask, row[s] + p), sum[s]);
    }
#pragma GCC unroll 4
    for (std::size_t s = 0; s < STREAMS; ++s) out[s * quarter + i] = _mm512_reduce_add_ps(sum[s]);
  }
  for (std::size_t i = STREAMS * quarter; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

// 6 x 64: 24 accumulators, four vectors of codes and one broadcast of the 32 registers.
void tile_codes(const std::int8_t* queries, const std::uint8_t* codes, std::size_t steps,
                std::int32_t* out) {
  __m512i sum[MC][4];
#pragma GCC unroll 6
  for (std::size_t q = 0; q < MC; ++q)
#pragma GCC unroll 4
    for (std::size_t r = 0; r < 4; ++r) sum[q][r] = _mm512_setzero_si512();
  for (std::size_t s = 0; s < steps; ++s, queries += 4 * MC, codes += 4 * NC) {
    __m512i row[4];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < 4; ++r) row[r] = _mm512_loadu_si512(codes + 64 * r);
#pragma GCC unroll 6
    for (std::size_t q = 0; q < MC; ++q) {
      std::int32_t four;
      std::memcpy(&four, queries + 4 * q, sizeof four);
      const __m512i query = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < 4; ++r) sum[q][r] = _mm512_dpbusd_epi32(sum[q][r], row[r], query);
    }
  }
#pragma GCC unroll 6
  for (std::size_t q = 0; q < MC; ++q)
#pragma GCC unroll 4
    for (std::size_t r = 0; r < 4; ++r) _mm512_storeu_si512(out + q * NC + 16 * r, sum[q][r]);
}

// 12 x 32: 24 accumulators, two document vectors and one broadcast of the 32 registers.
void tile(const float* queries, std::size_t query_step, const float* documents, std::size_t depth,
          float* out, bool accumulate) {
  __m512 sum[MR][2];
#pragma GCC unroll 12  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (std::size_t p = 0; p < depth; ++p, queries += query_step, documents += NR) {
    const __m512 low = _mm512_loadu_ps(documents), high = _mm512_loadu_ps(documents + LANES);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < MR; ++i) {
      const __m512 q = _mm512_set1_ps(queries[i]);
      sum[i][0] = _mm512_fmadd_ps(q, low, sum[i][0]);
      sum[i][1] = _mm512_fmadd_ps(q, high, sum[i][1]);
    }
  }
#pragma GCC unroll 12
  for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 2
    for (std::size_t j = 0; j < 2; ++j) {
      float* to = out + i * NR + j * LANES;
      _mm512_storeu_ps(to, accumulate ? _mm512_add_ps(_mm512_loadu_ps(to), sum[i][j]) : sum[i][j]);
    }
}

}  // namespace

const Kernels avx512_kernels{"avx512",
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
