// Named matrices from Python: copied, since a model outlives the arrays that it was given as.
#pragma once

#include "../residual.hpp"
#include "arrays.hpp"

namespace ragtune {

inline NamedMatrices copied(const std::map<std::string, Array<float>>& arrays) {
  NamedMatrices out;
  for (const auto& [name, array] : arrays) out[name] = rows(array, name.c_str());
  return out;
}

}  // namespace ragtune
