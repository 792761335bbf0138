// The rising function that is nearest to given points.
//
//   n points (x, y) of weights w; the result has k <= n knots.
//
//   f = argmin sum_i w_i (f(x_i) - y_i)^2  over all f that never fall
//
// By pooling adjacent violators: every knot is the mean of a block of points. With y in {0, 1} it
// is the chance of a 1 at x. Source: Ayer et al. 1955, doi:10.1214/aoms/1177728423.
#pragma once

#include <span>
#include <vector>

namespace ragtune {

struct Knots {
  std::vector<double> x, y;  // (k,) x rises, y rises
};

// Points of weight 0 are passed over. Throws std::invalid_argument unless the lengths agree, all
// values are finite and weights >= 0.
Knots isotonic(std::span<const float> x, std::span<const float> y, std::span<const float> w);

}  // namespace ragtune
