// Rows side by side, as the tiles of simd.hpp read them.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ragtune {

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
    for (std::size_t j = 0; j < count; ++j) {
      const float* from = row(j);
      for (std::size_t p = first; p < last; ++p) to[p * width + j] = from[p];
    }
  }
}

}  // namespace ragtune
