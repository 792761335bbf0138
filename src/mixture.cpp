#include "mixture.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "parallel.hpp"

namespace ragtune {
namespace {

void check_size(const char* name, std::size_t size, std::size_t expected) {
  if (size != expected)
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(expected) +
                                " values, got " + std::to_string(size));
}

// Weighted sums of the features (n, f) of each row.
void weigh(const RowMajor<float>& features, const double* weights, double* out) {
  for (std::ptrdiff_t i = 0; i < features.rows(); ++i) {
    double sum = 0;
    for (std::ptrdiff_t j = 0; j < features.cols(); ++j) sum += double(features(i, j)) * weights[j];
    out[i] += sum;
  }
}

double logistic(double x) { return 1 / (1 + std::exp(-std::clamp(x, -500.0, 500.0))); }

}  // namespace

Mixed mixed(const MixtureScores& scores, MaskView mask, const MixtureWeights& weights,
            int num_threads) {
  const std::ptrdiff_t nq = mask.rows(), c = mask.cols();
  check_size("base", weights.base.size(), scores.legs.size());
  check_size("seen", weights.seen.size(), scores.legs.size() + MEMORY_FEATURES);
  check_size("mean", weights.mean.size(), QUESTION_FEATURES);
  check_size("deviation", weights.deviation.size(), QUESTION_FEATURES);
  check_size("trust", weights.trust.size(), QUESTION_FEATURES + 1);
  if (scores.dense.rows() != nq || scores.dense.cols() != c)
    throw std::invalid_argument("dense: expected the shape of the mask");
  const RowMajor<float> legs = standardized(scores.legs, mask, num_threads);
  const RowMajor<float> memory = memory_features(scores.memory, scores.words, mask, num_threads);
  RowMajor<double> base = RowMajor<double>::Zero(nq, c), seen = RowMajor<double>::Zero(nq, c);
  weigh(legs, weights.base.data(), base.data());
  weigh(legs, weights.seen.data(), seen.data());
  weigh(memory, weights.seen.data() + weights.base.size(), seen.data());
  RowMajor<float> likeness(nq, c);
  RowMajor<double> masked = base;
  for (std::ptrdiff_t i = 0; i < nq * c; ++i) {
    const bool there = mask.data()[i];
    const float own = scores.memory.data()[i];
    const double expected = weights.intercept + weights.slope * double(scores.dense.data()[i]);
    likeness.data()[i] = !there ? -1.0f : std::isnan(own) ? float(expected) : own;
    if (!there) masked.data()[i] = -std::numeric_limits<double>::infinity();
  }
  const auto view = [](const RowMajor<double>& m) {
    return DoublesView(m.data(), m.rows(), m.cols());
  };
  const RowMajor<double> first = softmax(view(seen), mask, num_threads);
  const RowMajor<double> second = softmax(view(base), mask, num_threads);
  const RowMajor<double> questions = question_features(ragtune::view(likeness), view(masked),
                                                       view(first), view(second), num_threads);
  Mixed out{RowMajor<float>(nq, c), std::vector<double>(static_cast<std::size_t>(nq))};
  for (std::ptrdiff_t q = 0; q < nq; ++q) {
    double odds = weights.trust.back() + weights.shift;
    for (std::ptrdiff_t j = 0; j < QUESTION_FEATURES; ++j)
      odds += weights.trust[std::size_t(j)] * (questions(q, j) - weights.mean[std::size_t(j)]) /
              weights.deviation[std::size_t(j)];
    const double g = out.trust[std::size_t(q)] = logistic(odds);
    for (std::ptrdiff_t i = 0; i < c; ++i)
      out.probabilities(q, i) = float(g * first(q, i) + (1 - g) * second(q, i));
  }
  return out;
}

}  // namespace ragtune
