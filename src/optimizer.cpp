#include "optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "parallel.hpp"
#include "simd.hpp"

namespace ragtune {
namespace {

constexpr std::size_t PART = 8192;  // parameters that a thread takes at a time
constexpr int FEW_PARTS = 64;       // whose squares one thread adds up before another has woken up
constexpr float BETA1 = 0.9f, BETA2 = 0.999f, EPSILON = 1e-8f;

// In parts and in double, added up in a fixed order: the same for any number of threads.
double length(std::span<const float> x, int num_threads) {
  std::vector<double> squares((x.size() + PART - 1) / PART, 0.0);
  parallel_for(
      std::ssize(squares),
      [&](std::ptrdiff_t part) {
        const auto own = x.subspan(std::size_t(part) * PART);
        const std::size_t count = std::min(PART, own.size());
        squares[std::size_t(part)] = kernels().wide_dot(own.data(), own.data(), count);
      },
      num_threads, FEW_PARTS);
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
}

}  // namespace

double Schedule::rate(std::size_t step) const {
  if (step <= warm_up) return peak * double(step) / double(warm_up);
  const double done = double(step - warm_up) / double(std::max<std::size_t>(steps - warm_up, 1));
  return 0.5 * peak * (1.0 + std::cos(std::numbers::pi * std::min(done, 1.0)));
}

Adam::Adam(std::size_t parameters, Schedule schedule, double clip)
    : schedule_(schedule), clip_(clip), mean_(parameters, 0.0f), square_(parameters, 0.0f) {}

void Adam::step(std::span<float> parameters, std::span<const float> gradient, int num_threads) {
  const double t = double(++step_), norm = length(gradient, num_threads);
  const AdamFactors factors{norm > clip_ ? float(clip_ / norm) : 1.0f,
                            float(schedule_.rate(step_) / (1.0 - std::pow(double(BETA1), t))),
                            float(1.0 / std::sqrt(1.0 - std::pow(double(BETA2), t))),
                            BETA1,
                            BETA2,
                            EPSILON};
  parallel_for(
      std::ptrdiff_t((parameters.size() + PART - 1) / PART),
      [&](std::ptrdiff_t part) {
        const std::size_t begin = std::size_t(part) * PART;
        kernels().adam(parameters.data() + begin, mean_.data() + begin, square_.data() + begin,
                       gradient.data() + begin, std::min(PART, parameters.size() - begin), factors);
      },
      num_threads, 1);
}

}  // namespace ragtune
