// AVX-512 kernels (Skylake-X, Zen 4 and later). Compiled with -mavx512f -mavx512vl.
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 12, NR = 32, LANES = 16, STREAMS = 4;

__mmask16 tail_mask(std::size_t left) { return __mmask16((1u << left) - 1u); }

template <class Step>
float reduced(const float* a, const float* b, std::size_t d, Step step) {
  __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                   _mm512_setzero_ps()};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], _mm512_loadu_ps(a + i + j * LANES), _mm512_loadu_ps(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES)
    sum[0] = step(sum[0], _mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
  if (i < d) {
    const __mmask16 mask = tail_mask(d - i);
    sum[1] = step(sum[1], _mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

float dot(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, [](__m512 s, __m512 x, __m512 y) { return _mm512_fmadd_ps(x, y, s); });
}

float squared_distance(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, [](__m512 s, __m512 x, __m512 y) {
    const __m512 gap = _mm512_sub_ps(x, y);
    return _mm512_fmadd_ps(gap, gap, s);
  });
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

// 12 x 32: 24 accumulators, two document vectors and one broadcast of the 32 registers.
void tile(const float* queries, const float* documents, std::size_t depth, float* out,
          bool accumulate) {
  __m512 sum[MR][2];
#pragma GCC unroll 12  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (std::size_t p = 0; p < depth; ++p, queries += MR, documents += NR) {
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

const Kernels avx512_kernels{"avx512", dot, squared_distance, dot_rows, tile, MR, NR};

}  // namespace ragtune
#endif
