// AVX2 + FMA kernels (Haswell, Zen and later). Compiled with -mavx2 -mfma.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "simd_loops.hpp"
#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 6, NR = 16, MC = 4, NC = 16, LANES = 8, STREAMS = 4;
constexpr int QUERY_LIMIT = 64;  // 2 * 255 * 64 is below 2^15

float horizontal_sum(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

__m256i tail_mask(std::size_t left) {  // the first `left` of 8 lanes
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(left)), lane);
}

__m256 load(const float* from) { return _mm256_loadu_ps(from); }
__m256 load(const float* from, std::size_t left) {
  return _mm256_maskload_ps(from, tail_mask(left));
}
__m256 widened(__m128i bf16) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf16), 16));
}
__m256 load(const std::uint16_t* from) {
  return widened(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
__m256 load(const std::uint16_t* from, std::size_t left) {  // there are no masked loads of 16 bits
  alignas(16) std::uint16_t padded[LANES] = {};
  for (std::size_t i = 0; i < left; ++i) padded[i] = from[i];
  return load(padded);
}

// Four accumulators hide the latency of the fused multiply-add.
template <class T, class Step>
float reduced(const float* a, const T* b, std::size_t d, Step step) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                   _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], load(a + i + j * LANES), load(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES) sum[0] = step(sum[0], load(a + i), load(b + i));
  if (i < d) sum[1] = step(sum[1], load(a + i, d - i), load(b + i, d - i));
  return horizontal_sum(
      _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

__m256 add_product(__m256 s, __m256 x, __m256 y) { return _mm256_fmadd_ps(x, y, s); }
__m256 add_squared_gap(__m256 s, __m256 x, __m256 y) {
  const __m256 gap = _mm256_sub_ps(x, y);
  return _mm256_fmadd_ps(gap, gap, s);
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

__m256i load_bytes(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// vpmaddubsw adds pairs of products in 16 bits: four of them are below 4 * 2 * 15 * 127.
void dot_planes(const std::int8_t* query, const std::uint8_t* const planes[4], std::size_t groups,
                std::int32_t out[4]) {
  const __m256i low_half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  __m256i sum[4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm256_setzero_si256();
  for (std::size_t g = 0; g < groups; ++g) {
    const std::int8_t* q = query + g * GROUP;
    const __m256i q0 = load_bytes(q), q1 = load_bytes(q + 32);
    const __m256i q2 = load_bytes(q + 64), q3 = load_bytes(q + 96);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      const __m256i x = load_bytes(planes[i] + g * GROUP_BYTES);
      const __m256i y = load_bytes(planes[i] + g * GROUP_BYTES + 32);
      const __m256i low = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(x, low_half), q0),
                                           _mm256_maddubs_epi16(_mm256_and_si256(y, low_half), q1));
      const __m256i high = _mm256_add_epi16(
          _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), low_half), q2),
          _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(y, 4), low_half), q3));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
    }
  }
  const __m256i pair =
      _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1)));
}

// Four rows at a time, each from its own quarter: four streams far apart keep more of the
// memory busy than one (100,000 x 384, Zen 3, one thread: 6.3 ms against 9.3), while software
// prefetch, or four neighbouring rows, gained nothing.
void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  const std::size_t quarter = n / STREAMS;
  for (std::size_t i = 0; i < quarter; ++i) {
    const float* row[STREAMS];
    __m256 even[STREAMS], odd[STREAMS];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < STREAMS; ++s) {
      row[s] = rows + (s * quarter + i) * d;
      even[s] = odd[s] = _mm256_setzero_ps();
    }
    std::size_t p = 0;
    for (; p + 2 * LANES <= d; p += 2 * LANES) {
      const __m256 low = _mm256_loadu_ps(query + p), high = _mm256_loadu_ps(query + p + LANES);
#pragma GCC unroll 4
      for (std::size_t s = 0; s < STREAMS; ++s) {
        even[s] = _mm256_fmadd_ps(low, _mm256_loadu_ps(row[s] + p), even[s]);
        odd[s] = _mm256_fmadd_ps(high, _mm256_loadu_ps(row[s] + p + LANES), odd[s]);
      }
    }
    for (; p < d; p += LANES) {
      const __m256i mask = tail_mask(d - p);
      const __m256 low = _mm256_maskload_ps(query + p, mask);
#pragma GCC unroll 4
      for (std::size_t s = 0; s < STREAMS; ++s)
        even[s] = _mm256_fmadd_ps(low, _mm256_maskload_ps(row[s] + p, mask), even[s]);
    }
#pragma GCC unroll 4
    for (std::size_t s = 0; s < STREAMS; ++s)
      out[s * quarter + i] = horizontal_sum(_mm256_add_ps(even[s], odd[s]));
  }
  for (std::size_t i = STREAMS * quarter; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

// 4 x 16: eight accumulators.
void tile_codes(const std::int8_t* queries, const std::uint8_t* codes, std::size_t steps,
                std::int32_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum[MC][2];
#pragma GCC unroll 4
  for (std::size_t q = 0; q < MC; ++q) sum[q][0] = sum[q][1] = _mm256_setzero_si256();
  for (std::size_t s = 0; s < steps; ++s, queries += 4 * MC, codes += 4 * NC) {
    const __m256i low = load_bytes(codes), high = load_bytes(codes + 32);
#pragma GCC unroll 4
    for (std::size_t q = 0; q < MC; ++q) {
      std::int32_t four;
      std::memcpy(&four, queries + 4 * q, sizeof four);
      const __m256i query = _mm256_set1_epi32(four);
      sum[q][0] =
          _mm256_add_epi32(sum[q][0], _mm256_madd_epi16(_mm256_maddubs_epi16(low, query), ones));
      sum[q][1] =
          _mm256_add_epi32(sum[q][1], _mm256_madd_epi16(_mm256_maddubs_epi16(high, query), ones));
    }
  }
#pragma GCC unroll 4
  for (std::size_t q = 0; q < MC; ++q)
#pragma GCC unroll 2
    for (std::size_t r = 0; r < 2; ++r)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + q * NC + 8 * r), sum[q][r]);
}

// 6 x 16: twelve accumulators, two document vectors and one broadcast fill the 16 registers.
void tile(const float* queries, std::size_t query_step, const float* documents, std::size_t depth,
          float* out, bool accumulate) {
  __m256 sum[MR][2];
#pragma GCC unroll 6  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
  for (std::size_t p = 0; p < depth; ++p, queries += query_step, documents += NR) {
    const __m256 low = _mm256_loadu_ps(documents), high = _mm256_loadu_ps(documents + LANES);
#pragma GCC unroll 6
    for (std::size_t i = 0; i < MR; ++i) {
      const __m256 q = _mm256_broadcast_ss(queries + i);
      sum[i][0] = _mm256_fmadd_ps(q, low, sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(q, high, sum[i][1]);
    }
  }
#pragma GCC unroll 6
  for (std::size_t i = 0; i < MR; ++i)
#pragma GCC unroll 2
    for (std::size_t j = 0; j < 2; ++j) {
      float* to = out + i * NR + j * LANES;
      _mm256_storeu_ps(to, accumulate ? _mm256_add_ps(_mm256_loadu_ps(to), sum[i][j]) : sum[i][j]);
    }
}

}  // namespace

const Kernels avx2_kernels{"avx2",
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
