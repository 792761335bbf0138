// Filters as a caller gives them.
#pragma once

#include "../filter.hpp"
#include "arrays.hpp"

namespace ragtune {

// None, a mask over ids, or a list of ids.
inline IdFilter filter_of(const std::optional<Array<std::uint8_t>>& mask,
                          const std::optional<Array<std::int64_t>>& ids) {
  IdFilter filter;
  if (mask) filter.mask = flat(*mask, "filter");
  if (ids) filter.ids = flat(*ids, "filter");
  return filter;
}

}  // namespace ragtune
