// Kernels in plain loops, which the compiler vectorises for whatever set includes this.
//
// In an unnamed namespace and without the standard library's templates: each set needs code of its
// own, and of functions that share a name the linker keeps any one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "exponential.hpp"
#include "simd.hpp"

namespace ragtune {
namespace {

void add_scaled(float* __restrict to, const float* __restrict row, float weight, std::size_t d) {
  for (std::size_t j = 0; j < d; ++j) to[j] += weight * row[j];
}

double wide_dot(const float* __restrict a, const float* __restrict b, std::size_t d) {
  double lanes[WIDE_LANES] = {}, sum = 0;
  std::size_t i = 0;
  for (; i + WIDE_LANES <= d; i += WIDE_LANES)
    for (std::size_t j = 0; j < WIDE_LANES; ++j) lanes[j] += double(a[i + j]) * double(b[i + j]);
  for (std::size_t j = 0; i < d; ++i, ++j) lanes[j] += double(a[i]) * double(b[i]);
  for (std::size_t j = 0; j < WIDE_LANES; ++j) sum += lanes[j];
  return sum;
}

void adam(float* __restrict x, float* __restrict mean, float* __restrict square,
          const float* __restrict gradient, std::size_t count, AdamFactors f) {
  for (std::size_t i = 0; i < count; ++i) {
    const float g = gradient[i] * f.shrink;
    mean[i] = f.beta1 * mean[i] + (1.0f - f.beta1) * g;
    square[i] = f.beta2 * square[i] + (1.0f - f.beta2) * g * g;
    x[i] -= f.rate * mean[i] / (__builtin_sqrtf(square[i]) * f.correction + f.epsilon);
  }
}

template <std::size_t NR>
void survey(const float* __restrict scores, std::size_t n, const float* __restrict limits,
            float* __restrict peaks, std::uint32_t* __restrict above) {
  static_assert(NR <= 32);
  float top[NR];
  std::memcpy(top, scores, sizeof top);
  for (std::size_t i = 0; i < n; ++i, scores += NR) {
    std::uint32_t over = 0;
    for (std::size_t j = 0; j < NR; ++j) {
      top[j] = top[j] > scores[j] ? top[j] : scores[j];
      over |= std::uint32_t(scores[j] > limits[j]) << j;
    }
    above[i] = over;
  }
  std::memcpy(peaks, top, sizeof top);
}

void column_peaks(const std::int32_t* __restrict values, std::size_t n,
                  std::int32_t* __restrict peaks) {
  constexpr std::size_t STRIP = 64;  // columns whose peaks stay in registers
  for (std::size_t first = 0; first < COLUMNS; first += STRIP) {
    std::int32_t top[STRIP];
    std::memcpy(top, values + first, sizeof top);
    for (std::size_t i = 1; i < n; ++i) {
      const std::int32_t* row = values + i * COLUMNS + first;
      for (std::size_t j = 0; j < STRIP; ++j) top[j] = top[j] > row[j] ? top[j] : row[j];
    }
    std::memcpy(peaks + first, top, sizeof top);
  }
}

// By bisection: to count what reaches a value takes no branch and no order.
std::int32_t reached_by(const std::int32_t* peaks, std::size_t k) {
  const auto count = [&](std::int32_t value) {
    std::int32_t reach = 0;
    for (std::size_t j = 0; j < COLUMNS; ++j) reach += peaks[j] >= value;
    return std::size_t(reach);
  };
  std::int32_t most = peaks[0];
  for (std::size_t j = 1; j < COLUMNS; ++j) most = most > peaks[j] ? most : peaks[j];
  std::int32_t low = 0, high = most;  // k reach low, less than k what lies above high
  const std::int32_t close = most / 1000;
  while (high - low > close) {
    const std::int32_t middle = high - (high - low) / 2;
    if (count(middle) >= k)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

template <std::size_t NR>
void scale_columns(float* __restrict values, std::size_t n, const float* __restrict factors) {
  for (std::size_t i = 0; i < n; ++i, values += NR)
    for (std::size_t j = 0; j < NR; ++j) values[j] *= factors[j];
}

template <std::size_t NR>
void weigh(float* __restrict scores, std::size_t n, const float* __restrict peaks, float inverse,
           float* __restrict sums) {
  float sum[NR] = {};
  for (std::size_t i = 0; i < n; ++i, scores += NR)
    for (std::size_t j = 0; j < NR; ++j) {
      scores[j] = exponential((scores[j] - peaks[j]) * inverse);
      sum[j] += scores[j];
    }
  std::memcpy(sums, sum, sizeof sum);
}

}  // namespace
}  // namespace ragtune
