// Products and distances in float64, in one order of additions: what exact search ranks by.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ragtune {

inline float widened(std::uint16_t bf16) { return std::bit_cast<float>(std::uint32_t(bf16) << 16); }
inline double exact_value(float x) { return double(x); }
inline double exact_value(std::uint16_t bf16) { return double(widened(bf16)); }

template <class T>
double exact_dot(const float* a, const T* b, std::size_t d) {
  double sum[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= d; i += 4)
    for (std::size_t j = 0; j < 4; ++j) sum[j] += double(a[i + j]) * exact_value(b[i + j]);
  for (; i < d; ++i) sum[0] += double(a[i]) * exact_value(b[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
double exact_squared_distance(const float* a, const T* b, std::size_t d) {
  double sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const double gap = double(a[i]) - exact_value(b[i]);
    sum += gap * gap;
  }
  return sum;
}

}  // namespace ragtune
