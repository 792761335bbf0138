// Rows side by side, as the tiles of simd.hpp read them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace ragtune {

inline std::size_t rounded_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

#if defined(__SSE__)
// Four steps of four rows, from step p on: their 4 x 4 values transposed.
inline void pack_four_steps(const float* const (&rows)[4], std::size_t p, std::size_t width,
                            float* to) {
  __m128 a = _mm_loadu_ps(rows[0] + p), b = _mm_loadu_ps(rows[1] + p);
  __m128 c = _mm_loadu_ps(rows[2] + p), d = _mm_loadu_ps(rows[3] + p);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + width, b);
  _mm_storeu_ps(to + 2 * width, c);
  _mm_storeu_ps(to + 3 * width, d);
}

// Of two rows.
inline void pack_four_steps(const float* const (&rows)[2], std::size_t p, std::size_t width,
                            float* to) {
  const __m128 a = _mm_loadu_ps(rows[0] + p), b = _mm_loadu_ps(rows[1] + p);
  const __m128 low = _mm_unpacklo_ps(a, b), high = _mm_unpackhi_ps(a, b);
  _mm_storel_pi(reinterpret_cast<__m64*>(to), low);
  _mm_storeh_pi(reinterpret_cast<__m64*>(to + width), low);
  _mm_storel_pi(reinterpret_cast<__m64*>(to + 2 * width), high);
  _mm_storeh_pi(reinterpret_cast<__m64*>(to + 3 * width), high);
}
#endif

// Steps [first, last) of COUNT rows: step p of row i goes to [p * width + i].
template <std::size_t COUNT>
void pack_steps(const float* const (&rows)[COUNT], std::size_t first, std::size_t last,
                std::size_t width, float* to) {
  std::size_t p = first;
#if defined(__SSE__)
  if constexpr (COUNT > 1)
    for (; p + 4 <= last; p += 4) pack_four_steps(rows, p, width, to + p * width);
#endif
  for (; p < last; ++p)
    for (std::size_t i = 0; i < COUNT; ++i) to[p * width + i] = rows[i][p];
}

// A few values: what a call of memcpy would take longer for.
inline void copy_few(const float* from, std::size_t count, float* to) {
  std::size_t j = 0;
  for (; j + 4 <= count; j += 4) std::memcpy(to + j, from + j, 4 * sizeof(float));
  for (; j + 2 <= count; j += 2) std::memcpy(to + j, from + j, 2 * sizeof(float));
  for (; j < count; ++j) to[j] = from[j];
}

// Step p of row j goes to [p * width + j]; row(j) points at the first of its `length` steps.
//
// A line of each row at a time: what is written lies `width` apart, and steps of one whole row
// would go through all of the first cache before the next row came to the same lines.
template <class Row>
void pack_side_by_side(std::size_t count, std::size_t length, std::size_t width, Row row,
                       float* to) {
  constexpr std::size_t LINE = 16;
  for (std::size_t first = 0; first < length; first += LINE) {
    const std::size_t last = std::min(first + LINE, length);
    std::size_t j = 0;
    for (; j + 4 <= count; j += 4)
      pack_steps<4>({row(j), row(j + 1), row(j + 2), row(j + 3)}, first, last, width, to + j);
    for (; j + 2 <= count; j += 2) pack_steps<2>({row(j), row(j + 1)}, first, last, width, to + j);
    if (j < count) pack_steps<1>({row(j)}, first, last, width, to + j);
  }
}

}  // namespace ragtune
