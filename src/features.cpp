#include "features.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr double HINGES[] = {0.6, 0.75, 0.9};
constexpr double SCALE = 4;     // brings likenesses, which differ by tenths, to the size of others
constexpr double LONGEST = 50;  // of what tells two scores apart

template <class A, class B>
void check_shape(const char* name, const A& given, const B& like) {
  if (given.rows() != like.rows() || given.cols() != like.cols())
    throw std::invalid_argument(std::string(name) + ": expected shape (" +
                                std::to_string(like.rows()) + ", " + std::to_string(like.cols()) +
                                "), got (" + std::to_string(given.rows()) + ", " +
                                std::to_string(given.cols()) + ")");
}

// One question's scores (c,) -> out[0], out[step], ...
template <class T>
void standardize(const T* scores, const std::uint8_t* mask, std::ptrdiff_t c, float* out,
                 std::ptrdiff_t step) {
  double sum = 0, squares = 0;
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t i = 0; i < c; ++i)
    if (mask[i]) {
      sum += double(scores[i]);
      ++count;
    }
  const double mean = count ? sum / double(count) : 0;
  for (std::ptrdiff_t i = 0; i < c; ++i)
    if (mask[i]) squares += (double(scores[i]) - mean) * (double(scores[i]) - mean);
  const double scale = 1 / (std::sqrt(count ? squares / double(count) : 0) + 1e-6);
  for (std::ptrdiff_t i = 0; i < c; ++i)
    out[i * step] = mask[i] ? float((double(scores[i]) - mean) * scale) : 0.0f;
}

// The two largest of (c,); the second is the first where there is but one.
template <class T>
std::pair<double, double> two_largest(const T* values, std::ptrdiff_t c) {
  double first = double(values[0]), second = -std::numeric_limits<double>::infinity();
  for (std::ptrdiff_t i = 1; i < c; ++i) {
    const auto value = double(values[i]);
    second = std::max(second, std::min(value, first));
    first = std::max(first, value);
  }
  return {first, c > 1 ? second : first};
}

// Of two distributions over (c,): 1 where they are the same, 0 where they share nothing.
double agreement(const double* p, const double* q, std::ptrdiff_t c) {
  double sum = 0;
  for (std::ptrdiff_t i = 0; i < c; ++i) sum += std::sqrt(p[i] * q[i]);
  return sum;
}

// In nats; 0 log 0 is 0.
double entropy(const double* p, std::ptrdiff_t c) {
  double sum = 0;
  for (std::ptrdiff_t i = 0; i < c; ++i)
    if (p[i] > 0) sum -= p[i] * std::log(p[i]);
  return sum;
}

}  // namespace

RowMajor<float> standardized(std::span<const MatrixView> legs, MaskView mask, int num_threads) {
  for (const MatrixView& leg : legs) check_shape("scores", leg, mask);
  const std::ptrdiff_t c = mask.cols(), f = std::ssize(legs);
  RowMajor<float> out(mask.rows() * c, f);
  parallel_for(
      mask.rows(),
      [&](std::ptrdiff_t q) {
        for (std::ptrdiff_t i = 0; i < f; ++i)
          standardize(legs[std::size_t(i)].data() + q * c, mask.data() + q * c, c,
                      out.data() + q * c * f + i, f);
      },
      num_threads);
  return out;
}

RowMajor<float> memory_features(MatrixView memory, MatrixView words, MaskView mask,
                                int num_threads) {
  check_shape("memory", memory, mask);
  check_shape("words", words, mask);
  const std::ptrdiff_t c = mask.cols();
  RowMajor<float> out(mask.rows() * c, MEMORY_FEATURES);
  parallel_for(
      mask.rows(),
      [&](std::ptrdiff_t q) {
        const std::uint8_t* own = mask.data() + q * c;
        std::vector<float> m(std::size_t(c), -1.0f), beside(static_cast<std::size_t>(c));
        for (std::ptrdiff_t i = 0; i < c; ++i)
          if (own[i]) m[std::size_t(i)] = std::isnan(memory(q, i)) ? 0 : memory(q, i);
        standardize(words.data() + q * c, own, c, beside.data(), 1);
        float* row = out.data() + q * c * MEMORY_FEATURES;
        standardize(m.data(), own, c, row + 3, MEMORY_FEATURES);
        const auto [best, second] = c ? two_largest(m.data(), c) : std::pair(0.0, 0.0);
        for (std::ptrdiff_t i = 0; i < c; ++i, row += MEMORY_FEATURES) {
          if (!own[i]) {
            std::fill_n(row, MEMORY_FEATURES, 0.0f);
            continue;
          }
          const double like = m[std::size_t(i)];
          for (int h = 0; h < 3; ++h) row[h] = float(SCALE * std::max(like - HINGES[h], 0.0));
          row[4] = like >= best ? float(SCALE * (best - second)) : 0.0f;
          row[5] = float(SCALE * (like - best));
          row[6] = float(like * double(beside[std::size_t(i)]));
        }
      },
      num_threads);
  return out;
}

RowMajor<double> question_features(MatrixView memory, DoublesView base, DoublesView p_seen,
                                   DoublesView p_base, int num_threads) {
  check_shape("base", base, memory);
  check_shape("p_seen", p_seen, memory);
  check_shape("p_base", p_base, memory);
  const std::ptrdiff_t c = memory.cols();
  if (c < 1) throw std::invalid_argument("memory: expected at least one candidate, got none");
  RowMajor<double> out(memory.rows(), QUESTION_FEATURES);
  parallel_for(
      memory.rows(),
      [&](std::ptrdiff_t q) {
        const float* m = memory.data() + q * c;
        const double* b = base.data() + q * c;
        const std::ptrdiff_t likest = std::max_element(m, m + c) - m;
        const std::ptrdiff_t leading = std::max_element(b, b + c) - b;
        const auto [best, rival] = two_largest(m, c);
        const auto [most, second] = two_largest(b, c);
        const double highest = std::isfinite(most) ? most : 0;
        const double gap = std::max(b[likest] - highest, -LONGEST);
        const auto above = std::count_if(b, b + c, [&](double score) { return score > b[likest]; });
        const double ahead = highest - (std::isfinite(second) ? second : highest);
        const double values[] = {best,
                                 std::max(best - 0.6, 0.0),
                                 std::max(best - 0.8, 0.0),
                                 best - rival,
                                 gap,
                                 1 / (1 + double(above)),
                                 gap >= 0 ? best : 0,
                                 std::min(ahead, LONGEST),
                                 double(m[leading]),
                                 best * gap,
                                 agreement(p_seen.data() + q * c, p_base.data() + q * c, c),
                                 entropy(p_seen.data() + q * c, c),
                                 entropy(p_base.data() + q * c, c)};
        std::copy(std::begin(values), std::end(values), out.data() + q * QUESTION_FEATURES);
      },
      num_threads);
  return out;
}

RowMajor<double> softmax(DoublesView scores, MaskView mask, int num_threads) {
  check_shape("scores", scores, mask);
  const std::ptrdiff_t c = mask.cols();
  RowMajor<double> out = RowMajor<double>::Zero(mask.rows(), c);
  parallel_for(
      mask.rows(),
      [&](std::ptrdiff_t q) {
        const double* own = scores.data() + q * c;
        const std::uint8_t* there = mask.data() + q * c;
        double* shares = out.data() + q * c;
        double most = -std::numeric_limits<double>::infinity(), sum = 0;
        for (std::ptrdiff_t i = 0; i < c; ++i)
          if (there[i]) most = std::max(most, own[i]);
        if (!std::isfinite(most)) return;
        for (std::ptrdiff_t i = 0; i < c; ++i)
          if (there[i]) sum += shares[i] = std::exp(own[i] - most);
        for (std::ptrdiff_t i = 0; i < c; ++i) shares[i] /= sum;
      },
      num_threads);
  return out;
}

}  // namespace ragtune
