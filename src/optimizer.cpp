#include "optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "parallel.hpp"

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
        double lanes[8] = {};
        const std::size_t count = std::min(PART, own.size());
        for (std::size_t i = 0; i < count; ++i) lanes[i % 8] += double(own[i]) * double(own[i]);
        squares[std::size_t(part)] = std::accumulate(lanes, lanes + 8, 0.0);
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
  const float shrink = norm > clip_ ? float(clip_ / norm) : 1.0f;
  const float rate = float(schedule_.rate(step_) / (1.0 - std::pow(double(BETA1), t)));
  const float correction = float(1.0 / std::sqrt(1.0 - std::pow(double(BETA2), t)));
  parallel_for(
      std::ptrdiff_t((parameters.size() + PART - 1) / PART),
      [&](std::ptrdiff_t part) {
        const std::size_t begin = std::size_t(part) * PART;
        const std::size_t count = std::min(PART, parameters.size() - begin);
        float* __restrict x = parameters.data() + begin;
        float* __restrict m = mean_.data() + begin;
        float* __restrict v = square_.data() + begin;
        const float* __restrict from = gradient.data() + begin;
        // Copies: the compiler cannot know that what is captured is none of the parameters.
        const float s = shrink, r = rate, c = correction;
        for (std::size_t i = 0; i < count; ++i) {
          const float g = from[i] * s;
          m[i] = BETA1 * m[i] + (1.0f - BETA1) * g;
          v[i] = BETA2 * v[i] + (1.0f - BETA2) * g * g;
          x[i] -= r * m[i] / (std::sqrt(v[i]) * c + EPSILON);
        }
      },
      num_threads, 1);
}

}  // namespace ragtune
