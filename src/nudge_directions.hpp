// Where each document with questions would go: the direction of NUDGE, and how far it may.
#pragma once

#include <vector>

#include "nudge.hpp"

namespace ragtune {

struct Directions {
  std::vector<std::int64_t> rows;  // (m,) rising
  RowMajor<float> units;           // (m, d): h if normalized, else g / |g|
  std::vector<float> cosine;       // (m,) of the angle between e and g, the furthest turn
  std::vector<float> sine;         // (m,)
};

// Documents that cannot move (g = 0, or more than 90 degrees away if normalized) are left out.
Directions directions(MatrixView corpus, const Questions& training, const NudgeOptions& options);

// Replaces the directions by the deltas e' - e under gamma.
void to_deltas(MatrixView corpus, Directions& towards, NudgeKind kind, double gamma);

}  // namespace ragtune
