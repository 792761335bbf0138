// A query of an exact scan, and how far its scores from codes may be off.
//
// |score - true score| <= fine for an 8-bit score, and <= coarse + coarse_slope * e for a 4-bit
// estimate, where e is the length of the row's 4-bit error: Cauchy and Schwarz on the lengths of
// the coding errors, plus the rounding of float32.
#pragma once

#include <cmath>
#include <limits>

#include "rows.hpp"

namespace ragtune {

struct Question {
  const float* vector;
  QueryCode code;
  double constant;  // what the query adds to every score, see Encoder::constant
  float fine, coarse, coarse_slope;
};

// The next float32 above.
inline float up(double x) {
  return std::nextafter(float(x), std::numeric_limits<float>::infinity());
}

// Codes are in [-limit, limit]. Throws std::invalid_argument if the vectors are so long that
// float32 overflows.
Question bounded(const Rows& rows, const float* vector, int limit);

}  // namespace ragtune
