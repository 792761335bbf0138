#include "info_nce.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "exponential.hpp"

namespace ragtune {

Positives::Positives(const QrelsView& qrels, std::ptrdiff_t n, std::ptrdiff_t nq) {
  check_qrels(qrels);
  if (qrels.queries() != nq)
    throw std::invalid_argument("qrels: expected " + std::to_string(nq) + " queries, got " +
                                std::to_string(qrels.queries()));
  std::vector<std::pair<std::int64_t, float>> own;
  offsets_.push_back(0);
  for (std::ptrdiff_t q = 0; q < nq; ++q) {
    own.clear();
    double total = 0;
    for (auto i = std::size_t(qrels.offsets[std::size_t(q)]);
         i < std::size_t(qrels.offsets[std::size_t(q) + 1]); ++i) {
      const std::int64_t row = qrels.ids[i];
      if (row < 0 || row >= n)
        throw std::invalid_argument("qrels: expected rows in [0, " + std::to_string(n) + "), got " +
                                    std::to_string(row));
      if (qrels.grades[i] > 0) own.emplace_back(row, qrels.grades[i]);
    }
    std::ranges::sort(own, [](const auto& x, const auto& y) {
      return x.first != y.first ? x.first < y.first : x.second > y.second;
    });
    const auto repeated = std::ranges::unique(own, {}, [](const auto& x) { return x.first; });
    own.erase(repeated.begin(), repeated.end());
    for (const auto& [row, grade] : own) total += grade;
    for (const auto& [row, grade] : own) {
      rows_.push_back(row);
      weights_.push_back(float(grade / total));
    }
    offsets_.push_back(rows_.size());
  }
}

bool Positives::contains(std::int64_t query, std::int64_t row) const {
  return std::ranges::binary_search(rows(query), row);
}

std::vector<std::int64_t> Positives::queries() const {
  std::vector<std::int64_t> out;
  for (std::size_t q = 0; q + 1 < offsets_.size(); ++q)
    if (offsets_[q + 1] > offsets_[q]) out.push_back(std::int64_t(q));
  return out;
}

double info_nce(std::span<const float> weights, std::span<float> logits) {
  const std::size_t p = weights.size();
  const float peak = *std::ranges::max_element(logits);
  double negatives = 0;
  for (std::size_t j = p; j < logits.size(); ++j) {
    logits[j] = exponential(logits[j] - peak);
    negatives += logits[j];
  }
  double loss = 0, share = 0;
  for (std::size_t i = 0; i < p; ++i) {
    const double own = exponential(logits[i] - peak), total = own + negatives;
    loss += weights[i] * (std::log(total) - double(logits[i] - peak));
    share += weights[i] / total;
    logits[i] = float(-weights[i] * (negatives / total));
  }
  for (std::size_t j = p; j < logits.size(); ++j) logits[j] = float(logits[j] * share);
  return loss;
}

}  // namespace ragtune
