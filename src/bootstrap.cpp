#include "bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "parallel.hpp"
#include "random.hpp"

namespace ragtune {
namespace {

// Sums and counts of each group in each stratum: all that a resample needs.
class GroupTable {
 public:
  struct Cell {
    double sum = 0, count = 0;
  };

  explicit GroupTable(const PairedDifferences& data)
      : weights_(data.weights), totals_(data.weights.size()) {
    for (std::int32_t group : data.groups) groups_ = std::max(groups_, std::size_t(group) + 1);
    cells_.resize(groups_ * strata());
    for (std::size_t i = 0; i < data.differences.size(); ++i) {
      const auto group = std::size_t(data.groups[i]), stratum = std::size_t(data.strata[i]);
      for (Cell* cell : {&cells_[group * strata() + stratum], &totals_[stratum]}) {
        cell->sum += data.differences[i];
        cell->count += 1;
      }
    }
  }

  double observed() const { return statistic(totals_); }

  // Of as many groups as there are, each drawn from all of them.
  double resampled(Stream random) const {
    std::vector<Cell> totals(strata());
    for (std::size_t g = 0; g < groups_; ++g) {
      const Cell* drawn = cells_.data() + random.below(groups_) * strata();
      for (Cell& total : totals) {
        total.sum += drawn->sum;
        total.count += (drawn++)->count;
      }
    }
    return statistic(totals);
  }

  // Of all groups, each with a sign that is drawn.
  double with_random_signs(Stream random) const {
    std::vector<Cell> totals = totals_;
    for (Cell& total : totals) total.sum = 0;
    const Cell* cell = cells_.data();
    for (std::size_t g = 0; g < groups_; ++g) {
      const double sign = 2.0 * double(random.next() >> 63) - 1.0;  // a branch would be guessed
      for (Cell& total : totals) total.sum += sign * (cell++)->sum;
    }
    return statistic(totals);
  }

 private:
  std::size_t strata() const { return weights_.size(); }

  double statistic(const std::vector<Cell>& totals) const {
    double total = 0, weight = 0;
    for (std::size_t s = 0; s < strata(); ++s) {
      if (totals[s].count == 0) continue;
      total += weights_[s] * totals[s].sum / totals[s].count;
      weight += weights_[s];
    }
    return weight > 0 ? total / weight : 0.0;
  }

  std::span<const double> weights_;
  std::size_t groups_ = 0;
  std::vector<Cell> cells_, totals_;  // (groups, strata) and (strata,)
};

void check(const PairedDifferences& data, int resamples) {
  const std::size_t nq = data.differences.size();
  if (nq == 0) throw std::invalid_argument("differences: expected at least one query, got 0");
  if (data.groups.size() != nq || data.strata.size() != nq)
    throw std::invalid_argument("groups and strata: expected " + std::to_string(nq) +
                                " values, got " + std::to_string(data.groups.size()) + " and " +
                                std::to_string(data.strata.size()));
  if (resamples < 1)
    throw std::invalid_argument("resamples: expected >= 1, got " + std::to_string(resamples));
  for (std::int32_t group : data.groups)
    if (group < 0 || std::size_t(group) >= nq)
      throw std::invalid_argument("groups: expected numbers in [0, " + std::to_string(nq) +
                                  "), got " + std::to_string(group));
  for (std::int32_t stratum : data.strata)
    if (stratum < 0 || std::size_t(stratum) >= data.weights.size())
      throw std::invalid_argument("strata: expected numbers in [0, " +
                                  std::to_string(data.weights.size()) + "), got " +
                                  std::to_string(stratum));
}

// Linear interpolation between order statistics, as numpy's default.
double quantile(const std::vector<double>& sorted, double at) {
  const double position = at * double(sorted.size() - 1);
  const auto low = std::size_t(position), high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (position - double(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

Interval bootstrap_interval(const PairedDifferences& data, int resamples, double confidence,
                            std::uint64_t seed, int num_threads) {
  check(data, resamples);
  if (!(confidence > 0 && confidence < 1))
    throw std::invalid_argument("confidence: expected in (0, 1), got " +
                                std::to_string(confidence));
  const GroupTable table(data);
  std::vector<double> statistics(std::size_t(resamples), 0.0);
  parallel_for(
      resamples,
      [&](std::ptrdiff_t b) {
        statistics[std::size_t(b)] = table.resampled(Stream(seed, std::uint64_t(b)));
      },
      num_threads);
  std::ranges::sort(statistics);
  const double tail = (1 - confidence) / 2;
  return {table.observed(), quantile(statistics, tail), quantile(statistics, 1 - tail)};
}

double randomization_test(const PairedDifferences& data, int resamples, std::uint64_t seed,
                          int num_threads) {
  check(data, resamples);
  const GroupTable table(data);
  const double observed = std::abs(table.observed()) * (1 - 1e-12);
  std::vector<char> extreme(std::size_t(resamples), 0);
  parallel_for(
      resamples,
      [&](std::ptrdiff_t b) {
        const double statistic = table.with_random_signs(Stream(seed, std::uint64_t(b)));
        extreme[std::size_t(b)] = std::abs(statistic) >= observed;
      },
      num_threads);
  const auto hits = std::ranges::count(extreme, char(1));
  return double(hits + 1) / double(resamples + 1);
}

}  // namespace ragtune
