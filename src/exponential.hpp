// exp and GELU of float32 in plain arithmetic: the same bits on every CPU, and the compiler
// can vectorise the loops around them.
#pragma once

#include <bit>
#include <cstdint>

namespace ragtune {

// e^x for x in [-87, 88], and beyond that its value at the end: never 0, never infinite.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; the Taylor polynomial of degree 7 leaves a relative error
// of 5e-9, so rounding decides: below 3e-7.
//
// Always inline: it is also compiled for sets that not every CPU has, and of functions that share
// a name the linker keeps any one.
[[gnu::always_inline]] inline float exponential(float x) {
  constexpr float LOG2_E = 1.44269504f, ROUND = 12582912.0f;  // 1.5 * 2^23: adding it rounds
  constexpr float LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
  x = x > -87.0f ? x : -87.0f;
  x = x < 88.0f ? x : 88.0f;
  const float shifted = x * LOG2_E + ROUND, n = shifted - ROUND;
  const float r = (x - n * LN2_HIGH) - n * LN2_LOW;
  float y = 1.0f / 5040;
  y = y * r + 1.0f / 720;
  y = y * r + 1.0f / 120;
  y = y * r + 1.0f / 24;
  y = y * r + 1.0f / 6;
  y = y * r + 0.5f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  const std::uint32_t power = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u;
  return y * std::bit_cast<float>(power);
}

// x s(2 c (x + 0.044715 x^3)) with s the logistic function and c = sqrt(2 / pi).
// Hendrycks & Gimpel 2016, arXiv 1606.08415, the form with tanh.
constexpr float GELU_SLOPE = 1.595769122f, GELU_CUBIC = 0.044715f;

inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

inline float gelu(float x) { return x * logistic(GELU_SLOPE * (x + GELU_CUBIC * x * x * x)); }

inline float gelu_derivative(float x) {
  const float s = logistic(GELU_SLOPE * (x + GELU_CUBIC * x * x * x));
  return s + x * s * (1.0f - s) * GELU_SLOPE * (1.0f + 3.0f * GELU_CUBIC * x * x);
}

}  // namespace ragtune
