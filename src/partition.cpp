#include "partition.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "exponential.hpp"
#include "packing.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace ragtune {
namespace {

constexpr std::size_t BLOCK = 96;       // documents: a multiple of mr in every kernel set
constexpr std::size_t DEPTH = 512;      // steps of a tile that stay in the first cache
constexpr std::size_t MAX_LANES = 16;   // parts of the corpus: threads have these to share
constexpr std::size_t MIN_LANE = 1024;  // documents

// Keeps the best `keep` of what it is offered: it fills up, then drops the worse part at once.
class Best {
 public:
  explicit Best(std::size_t keep, float floor = LOWEST) : keep_(keep), threshold_(floor) {}

  float threshold() const { return threshold_; }

  void offer(float score, std::size_t row) {
    items_.push_back({score, std::int32_t(row)});
    if (items_.size() >= keep_ + 16) shrink();
  }

  void absorb(const Best& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    shrink();
  }

  std::vector<ScoredRow> sorted() && {
    shrink();
    std::sort(items_.begin(), items_.end());
    return std::move(items_);
  }

 private:
  void shrink() {
    if (items_.size() <= keep_) return;
    std::nth_element(items_.begin(), items_.begin() + std::ptrdiff_t(keep_) - 1, items_.end());
    items_.resize(keep_);
    threshold_ = items_.back().score;
  }

  std::size_t keep_;
  float threshold_;
  std::vector<ScoredRow> items_;
};

// Queries packed in groups of nr: element (p, j) of a group at [p * nr + j].
struct QueryGroups {
  explicit QueryGroups(MatrixView queries)
      : nr(kernels().nr),
        nq(std::size_t(queries.rows())),
        count(rounded_up(nq, nr) / nr),
        d(std::size_t(queries.cols())),
        data(count * nr * d, 0.0f) {
    for (std::size_t g = 0; g < count; ++g)
      pack_side_by_side(
          size(g), d, nr, [&](std::size_t j) { return queries.data() + (g * nr + j) * d; },
          data.data() + g * nr * d);
  }

  // Queries in a group; the rest of it is padding.
  std::size_t size(std::size_t group) const { return std::min(nr, nq - group * nr); }

  std::size_t nr, nq, count, d;
  std::vector<float> data;
};

// A block of documents: packed to be scored, and read where they are to be added up, but for the
// last columns, fewer than a tile has.
class Block {
 public:
  explicit Block(std::size_t d) : mr_(kernels().mr), d_(d), rows_(BLOCK * d), rest_(BLOCK * mr_) {}

  void pack(const float* documents, std::size_t count) {
    padded_ = rounded_up(count, mr_);
    if (padded_ > count) std::fill(rows_.begin(), rows_.end(), 0.0f);
    for (std::size_t first = 0; first < count; first += mr_)
      pack_side_by_side(
          std::min(mr_, count - first), d_, mr_,
          [&](std::size_t i) { return documents + (first + i) * d_; }, rows_.data() + first * d_);
    documents_ = documents;
    const std::size_t left = d_ % mr_;
    for (std::size_t i = 0; left > 0 && i < count; ++i)
      copy_few(documents + i * d_ + d_ - left, left, rest_.data() + i * mr_);
  }

  // scores (count, nr) of a group of queries.
  void score(const float* group, float* scores) const {
    const Kernels& kernel = kernels();
    for (std::size_t i = 0; i < padded_; i += mr_)
      for (std::size_t depth = 0; depth < d_; depth += DEPTH)
        kernel.tile(rows_.data() + i * d_ + depth * mr_, mr_, group + depth * kernel.nr,
                    std::min(DEPTH, d_ - depth), scores + i * kernel.nr, depth > 0);
  }

  // moment (d padded, nr) += documents' weights (count, nr).
  void add(const float* weights, std::size_t count, float* moment) const {
    const Kernels& kernel = kernels();
    std::size_t first = 0;
    for (; first + mr_ <= d_; first += mr_)
      kernel.tile(documents_ + first, d_, weights, count, moment + first * kernel.nr, true);
    if (first < d_)
      kernel.tile(rest_.data(), mr_, weights, count, moment + first * kernel.nr, true);
  }

 private:
  std::size_t mr_, d_, padded_ = 0;
  const float* documents_ = nullptr;
  std::vector<float> rows_, rest_;
};

// What one part of the corpus adds for all queries.
class Lane {
 public:
  Lane(const QueryGroups& queries, float inverse_temperature, std::size_t keep,
       std::span<const float> floors)
      : queries_(&queries),
        inverse_(inverse_temperature),
        columns_(rounded_up(queries.d, kernels().mr)),
        peak_(queries.count * queries.nr, LOWEST),
        mass_(peak_.size(), 0.0),
        moment_(columns_ * peak_.size(), 0.0f),
        best_(peak_.size(), Best(keep)),
        top_(queries.nr),
        limits_(queries.nr),
        factor_(queries.nr),
        sum_(queries.nr),
        above_(BLOCK) {
    for (std::size_t q = 0; q < floors.size(); ++q) best_[q] = Best(keep, floors[q]);
  }

  void scan(MatrixView corpus, std::size_t begin, std::size_t end) {
    Block block(queries_->d);
    std::vector<float> scores(BLOCK * queries_->nr);
    for (std::size_t first = begin; first < end; first += BLOCK) {
      const std::size_t count = std::min(BLOCK, end - first);
      block.pack(corpus.data() + first * queries_->d, count);
      for (std::size_t g = 0; g < queries_->count; ++g) {
        block.score(queries_->data.data() + g * queries_->nr * queries_->d, scores.data());
        collect(scores.data(), count, first, g);
        weigh(scores.data(), count, g);
        block.add(scores.data(), count, moment(g));
      }
    }
  }

  // Adds to a group of queries what the part after this one found.
  void absorb(Lane& next, std::size_t group) {
    const std::size_t nr = queries_->nr;
    std::vector<float> mine(nr, 0.0f), theirs(nr, 0.0f);
    for (std::size_t j = 0; j < queries_->size(group); ++j) {
      const std::size_t q = group * nr + j;
      const float top = std::max(peak_[q], next.peak_[q]);
      mine[j] = exponential((peak_[q] - top) * inverse_);
      theirs[j] = exponential((next.peak_[q] - top) * inverse_);
      mass_[q] = mine[j] * mass_[q] + theirs[j] * next.mass_[q];
      peak_[q] = top;
      best_[q].absorb(next.best_[q]);
    }
    float* sums = moment(group);
    const float* more = next.moment(group);
    for (std::size_t p = 0; p < queries_->d; ++p, sums += nr, more += nr)
      for (std::size_t j = 0; j < nr; ++j) sums[j] = mine[j] * sums[j] + theirs[j] * more[j];
  }

  void write(std::size_t group, Partition& out) {
    const std::size_t nr = queries_->nr;
    const float* sums = moment(group);
    for (std::size_t j = 0; j < queries_->size(group); ++j) {
      const std::size_t q = group * nr + j;
      out.log_mass[q] = std::log(mass_[q]) + double(peak_[q]) * double(inverse_);
      out.best[q] = std::move(best_[q]).sorted();
      float* row = out.moment.row(std::ptrdiff_t(q)).data();
      for (std::size_t p = 0; p < queries_->d; ++p)
        row[p] = float(double(sums[p * nr + j]) / mass_[q]);
    }
  }

 private:
  float* moment(std::size_t group) { return moment_.data() + group * queries_->nr * columns_; }

  void collect(const float* scores, std::size_t count, std::size_t first, std::size_t group) {
    const std::size_t nr = queries_->nr;
    for (std::size_t j = 0; j < nr; ++j) limits_[j] = best_[group * nr + j].threshold();
    kernels().survey(scores, count, limits_.data(), top_.data(), above_.data());
    for (std::size_t i = 0; i < count; ++i, scores += nr)
      for (std::uint32_t left = above_[i]; left; left &= left - 1) {
        const auto j = std::size_t(std::countr_zero(left));
        Best& best = best_[group * nr + j];
        if (scores[j] > best.threshold()) best.offer(scores[j], first + i);
      }
  }

  // scores become exp((score - peak) / temperature); what was summed before follows the peak.
  void weigh(float* scores, std::size_t count, std::size_t group) {
    const std::size_t nr = queries_->nr;
    float* peak = peak_.data() + group * nr;
    double* mass = mass_.data() + group * nr;
    bool higher = false;
    for (std::size_t j = 0; j < nr; ++j) {
      const float top = std::max(peak[j], top_[j]);
      higher |= top > peak[j];
      factor_[j] = peak[j] == LOWEST ? 0.0f : exponential((peak[j] - top) * inverse_);
      peak[j] = top;
    }
    if (higher) kernels().scale_columns(moment(group), columns_, factor_.data());
    kernels().weigh(scores, count, peak, inverse_, sum_.data());
    for (std::size_t j = 0; j < nr; ++j) mass[j] = mass[j] * factor_[j] + sum_[j];
  }

  const QueryGroups* queries_;
  float inverse_;
  std::size_t columns_;        // d rounded up to a multiple of mr
  std::vector<float> peak_;    // (padded nq,) highest score so far
  std::vector<double> mass_;   // (padded nq,) sum of exp((score - peak) / temperature)
  std::vector<float> moment_;  // groups of (columns, nr): the same sum of rows
  std::vector<Best> best_;     // (padded nq,)
  std::vector<float> top_, limits_, factor_, sum_;  // (nr,) of the block at hand
  std::vector<std::uint32_t> above_;                // (BLOCK,)
};

void check(MatrixView corpus, MatrixView queries, double temperature, std::size_t keep,
           std::span<const float> floors) {
  if (corpus.cols() != queries.cols())
    throw std::invalid_argument("queries: expected " + std::to_string(corpus.cols()) +
                                " dimensions, got " + std::to_string(queries.cols()));
  if (corpus.rows() < 1 || corpus.rows() > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("corpus: expected 1 to 2^31 - 1 rows, got " +
                                std::to_string(corpus.rows()));
  if (!floors.empty() && std::ssize(floors) != queries.rows())
    throw std::invalid_argument("floors: expected " + std::to_string(queries.rows()) + ", got " +
                                std::to_string(floors.size()));
  if (keep < 1) throw std::invalid_argument("keep: expected >= 1, got 0");
  if (!(temperature > 0))
    throw std::invalid_argument("temperature: expected > 0, got " + std::to_string(temperature));
}

}  // namespace

Partition partition(MatrixView corpus, MatrixView queries, double temperature, std::size_t keep,
                    std::span<const float> floors, int num_threads) {
  check(corpus, queries, temperature, keep, floors);
  const auto n = std::size_t(corpus.rows()), nq = std::size_t(queries.rows());
  const QueryGroups groups(queries);
  // A power of two, so that the usual numbers of threads have equal work.
  const std::size_t count = std::bit_floor(std::clamp<std::size_t>(n / MIN_LANE, 1, MAX_LANES));
  std::vector<std::optional<Lane>> lanes(count);  // each made by the thread that fills it
  parallel_for(
      std::ptrdiff_t(count),
      [&](std::ptrdiff_t lane) {
        const auto l = std::size_t(lane);
        lanes[l].emplace(groups, float(1.0 / temperature), keep, floors);
        lanes[l]->scan(corpus, n * l / count, n * (l + 1) / count);
      },
      num_threads, 1);
  Partition out{std::vector<double>(nq), RowMajor<float>(queries.rows(), queries.cols()),
                std::vector<std::vector<ScoredRow>>(nq)};
  parallel_for(
      std::ptrdiff_t(groups.count),
      [&](std::ptrdiff_t group) {
        const auto g = std::size_t(group);
        for (std::size_t l = 1; l < count; ++l) lanes[0]->absorb(*lanes[l], g);
        lanes[0]->write(g, out);
      },
      num_threads, 1);
  return out;
}

}  // namespace ragtune
