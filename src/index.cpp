#include "index.hpp"

#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <unordered_set>

#include "adapter.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t MAX_DIMENSIONS = 65536;

std::ptrdiff_t checked_dimensions(std::ptrdiff_t d) {
  if (d < 1 || d > MAX_DIMENSIONS)
    throw std::invalid_argument("d: expected in [1, " + std::to_string(MAX_DIMENSIONS) + "], got " +
                                std::to_string(d));
  return d;
}

Metric checked_metric(const std::string& metric) {
  if (metric == "cosine" || metric == "ip") return Metric::inner_product;
  if (metric == "l2") return Metric::l2;
  throw std::invalid_argument("metric: expected cosine, ip or l2, got " + metric);
}

void check_ids(std::span<const std::int64_t> ids, std::ptrdiff_t n) {
  if (std::ssize(ids) != n)
    throw std::invalid_argument("ids: expected " + std::to_string(n) + ", got " +
                                std::to_string(ids.size()));
  std::unordered_set<std::int64_t> seen;
  seen.reserve(ids.size());
  for (std::int64_t id : ids) {
    if (id < 0) throw std::invalid_argument("ids: expected >= 0, got " + std::to_string(id));
    if (!seen.insert(id).second)
      throw std::invalid_argument("ids: expected distinct ids, got " + std::to_string(id) +
                                  " twice");
  }
}

// Selects the rows that are to be dropped.
struct Dead : faiss::IDSelector {
  explicit Dead(const std::vector<std::uint8_t>& alive) : alive(alive) {}
  bool is_member(std::int64_t row) const override { return !alive[std::size_t(row)]; }
  const std::vector<std::uint8_t>& alive;
};

}  // namespace

Index::Index(std::ptrdiff_t d, const std::string& metric)
    : d_(checked_dimensions(d)),
      unit_length_(metric == "cosine"),
      metric_(checked_metric(metric)),
      storage_(d, metric_ == Metric::l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT) {}

MatrixView Index::vectors() const { return {storage_.get_xb(), storage_.ntotal, d_}; }

std::size_t Index::size() const {
  const std::shared_lock lock(mutex_);
  return row_of_.size();
}

void Index::add(MatrixView vectors, std::span<const std::int64_t> ids) {
  if (vectors.cols() != d_)
    throw std::invalid_argument("vectors: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(vectors.cols()));
  check_ids(ids, vectors.rows());
  RowMajor<float> unit;
  if (unit_length_) {
    unit = vectors;
    normalize_rows(unit);
  }
  const MatrixView stored(unit_length_ ? unit.data() : vectors.data(), vectors.rows(), d_);
  const double longest = max_norm(stored);
  const std::unique_lock lock(mutex_);
  remove_locked(ids);
  const std::int64_t first = storage_.ntotal;
  storage_.add(stored.rows(), stored.data());
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  alive_.resize(ids_.size(), 1);
  for (std::size_t i = 0; i < ids.size(); ++i) row_of_[ids[i]] = first + std::int64_t(i);
  max_norm_ = std::max(max_norm_, longest);
}

std::size_t Index::remove(std::span<const std::int64_t> ids) {
  const std::unique_lock lock(mutex_);
  const std::size_t removed = remove_locked(ids);
  if (2 * row_of_.size() < ids_.size()) compact_locked();
  return removed;
}

std::size_t Index::remove_locked(std::span<const std::int64_t> ids) {
  std::size_t removed = 0;
  for (std::int64_t id : ids) {
    const auto at = row_of_.find(id);
    if (at == row_of_.end()) continue;
    alive_[std::size_t(at->second)] = 0;
    row_of_.erase(at);
    ++removed;
  }
  return removed;
}

void Index::compact() {
  const std::unique_lock lock(mutex_);
  compact_locked();
}

void Index::compact_locked() {
  storage_.remove_ids(Dead(alive_));
  std::size_t to = 0;
  for (std::size_t from = 0; from < ids_.size(); ++from) {
    if (!alive_[from]) continue;
    row_of_[ids_[from]] = std::int64_t(to);
    ids_[to++] = ids_[from];
  }
  ids_.resize(to);
  alive_.assign(to, 1);
}

Ranking Index::search(MatrixView queries, std::int64_t k, int num_threads) const {
  RowMajor<float> unit;
  if (unit_length_) {
    unit = queries;
    normalize_rows(unit);
  }
  const MatrixView asked(unit_length_ ? unit.data() : queries.data(), queries.rows(),
                         queries.cols());
  const std::shared_lock lock(mutex_);
  const bool all_alive = row_of_.size() == ids_.size();
  SearchOptions options{metric_, {}, max_norm_, num_threads};
  if (!all_alive) options.alive = alive_;
  Ranking found = exact_search(vectors(), asked, k, options);
  for (std::int64_t& row : found.rows.reshaped())
    if (row >= 0) row = ids_[std::size_t(row)];
  return found;
}

}  // namespace ragtune
