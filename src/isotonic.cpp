#include "isotonic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace ragtune {
namespace {

struct Block {
  double weight, x, y;  // x and y are sums

  bool above(const Block& other) const { return y * other.weight >= other.y * weight; }
  void operator+=(const Block& other) {
    weight += other.weight;
    x += other.x;
    y += other.y;
  }
};

void check(std::span<const float> values, std::size_t count, const char* name, float least) {
  if (values.size() != count)
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(count) +
                                " values, got " + std::to_string(values.size()));
  for (const float value : values)
    if (!std::isfinite(value) || value < least)
      throw std::invalid_argument(std::string(name) + ": expected finite values, got " +
                                  std::to_string(value));
}

}  // namespace

Knots isotonic(std::span<const float> x, std::span<const float> y, std::span<const float> w) {
  constexpr float ANY = std::numeric_limits<float>::lowest();
  check(x, x.size(), "x", ANY);
  check(y, x.size(), "y", ANY);
  check(w, x.size(), "w", 0);
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::erase_if(order, [&](std::size_t i) { return w[i] == 0; });
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return x[i]; });
  std::vector<Block> blocks;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    Block next{};
    for (; end < order.size() && x[order[end]] == x[order[begin]]; ++end) {
      const double weight = double(w[order[end]]);
      next += {weight, weight * double(x[order[end]]), weight * double(y[order[end]])};
    }
    while (!blocks.empty() && blocks.back().above(next)) {
      next += blocks.back();
      blocks.pop_back();
    }
    blocks.push_back(next);
  }
  Knots out;
  for (const Block& block : blocks) {
    out.x.push_back(block.x / block.weight);
    out.y.push_back(block.y / block.weight);
  }
  return out;
}

}  // namespace ragtune
