// AVX2 + FMA kernels (Haswell, Zen and later). Compiled with -mavx2 -mfma.
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 6, NR = 16, LANES = 8, STREAMS = 4;

float horizontal_sum(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

__m256i tail_mask(std::size_t left) {  // the first `left` of 8 lanes
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(left)), lane);
}

// Four accumulators hide the latency of the fused multiply-add.
template <class Step>
float reduced(const float* a, const float* b, std::size_t d, Step step) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                   _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    for (std::size_t j = 0; j < 4; ++j)
      sum[j] = step(sum[j], _mm256_loadu_ps(a + i + j * LANES), _mm256_loadu_ps(b + i + j * LANES));
  for (; i + LANES <= d; i += LANES)
    sum[0] = step(sum[0], _mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
  if (i < d) {
    const __m256i mask = tail_mask(d - i);
    sum[1] = step(sum[1], _mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask));
  }
  return horizontal_sum(
      _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

float dot(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, [](__m256 s, __m256 x, __m256 y) { return _mm256_fmadd_ps(x, y, s); });
}

float squared_distance(const float* a, const float* b, std::size_t d) {
  return reduced(a, b, d, [](__m256 s, __m256 x, __m256 y) {
    const __m256 gap = _mm256_sub_ps(x, y);
    return _mm256_fmadd_ps(gap, gap, s);
  });
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

// 6 x 16: twelve accumulators, two document vectors and one broadcast fill the 16 registers.
void tile(const float* queries, const float* documents, std::size_t depth, float* out,
          bool accumulate) {
  __m256 sum[MR][2];
#pragma GCC unroll 6  // or the accumulators live in memory
  for (std::size_t i = 0; i < MR; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
  for (std::size_t p = 0; p < depth; ++p, queries += MR, documents += NR) {
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

const Kernels avx2_kernels{"avx2", dot, squared_distance, dot_rows, tile, MR, NR};

}  // namespace ragtune
#endif
