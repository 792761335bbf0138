#include "index.hpp"

#include <algorithm>
#include <stdexcept>

#include "adapter.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t MAX_DIMENSIONS = 65536;
constexpr std::size_t MAX_ROWS = std::size_t(1) << 31;  // slots are 31 bits
constexpr std::size_t ALWAYS_EXACT = 1000;              // rows below which no walk pays
constexpr double DEFAULT_RECALL = 0.99;

template <class T>
T checked(const char* name, T value, T least, T most) {
  if (value < least || value > most)
    throw std::invalid_argument(std::string(name) + ": expected in [" + std::to_string(least) +
                                ", " + std::to_string(most) + "], got " + std::to_string(value));
  return value;
}

void check_name(const char* what, const std::string& name,
                std::initializer_list<const char*> known) {
  std::string names;
  for (const char* one : known) {
    if (name == one) return;
    names += names.empty() ? one : std::string(", ") + one;
  }
  throw std::invalid_argument(std::string(what) + ": expected one of " + names + ", got " + name);
}

IndexOptions checked(const IndexOptions& options) {
  check_name("metric", options.metric, {"cosine", "ip", "l2"});
  check_name("kind", options.kind, {"flat", "hnsw"});
  check_name("store", options.store, {"f32", "bf16"});
  checked<std::size_t>("M", options.M, 2, 256);
  checked<std::size_t>("ef_construction", options.ef_construction, 1, 10000);
  return options;
}

// Scores of longer vectors would overflow float32.
void check_lengths(MatrixView vectors) {
  constexpr double MOST = 1e18;
  for (std::ptrdiff_t i = 0; i < vectors.rows(); ++i) {
    const double length = vectors.row(i).cast<double>().norm();
    if (!(length < MOST))
      throw std::invalid_argument("vectors: expected lengths below 1e18, got " +
                                  std::to_string(length) + " in row " + std::to_string(i));
  }
}

}  // namespace

Index::Index(std::ptrdiff_t d, const IndexOptions& options)
    : d_(checked<std::ptrdiff_t>("d", d, 1, MAX_DIMENSIONS)),
      options_(checked(options)),
      state_(State(std::size_t(d), options)) {}

std::vector<std::int64_t> Index::update(MatrixView vectors,
                                        std::optional<std::span<const std::int64_t>> ids,
                                        std::span<const std::int64_t> removed, int num_threads) {
  if (vectors.cols() != d_)
    throw std::invalid_argument("vectors: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(vectors.cols()));
  if (ids) check_distinct("ids", *ids, std::size_t(vectors.rows()));
  check_lengths(vectors);
  thread_count(num_threads);  // throws
  const std::lock_guard lock(writer_);
  State next = state_.get()->edited();
  if (next.rows.size() + std::size_t(vectors.rows()) > MAX_ROWS)
    throw std::invalid_argument("vectors: expected at most 2^31 in an index");
  const std::vector<std::int64_t> named = next.take_ids(ids, vectors.rows());
  next.kill(removed);
  next.kill(named);
  if (2 * next.live() < next.rows.size()) next = next.compacted(options_, num_threads);
  next.append(vectors, named, options_, num_threads);
  if (is_graph() && next.rows.size() > ALWAYS_EXACT &&
      next.rows.size() >= 2 * next.calibration.rows)
    next.calibration = ragtune::calibrate(next.graph, next.rows, next.alive, num_threads);
  state_.set(std::move(next));
  return named;
}

std::size_t Index::remove(std::span<const std::int64_t> ids, int num_threads) {
  const std::lock_guard lock(writer_);
  State next = state_.get()->edited();
  const std::size_t removed = next.kill(ids);
  if (2 * next.live() < next.rows.size()) next = next.compacted(options_, num_threads);
  if (removed) state_.set(std::move(next));
  return removed;
}

void Index::compact(int num_threads) {
  const std::lock_guard lock(writer_);
  const auto old = state_.get();
  if (!old->alive.all()) state_.set(old->compacted(options_, num_threads));
}

void Index::calibrate(std::optional<MatrixView> queries, int num_threads) {
  if (queries && (queries->cols() != d_ || queries->rows() == 0))
    throw std::invalid_argument("queries: expected at least one of " + std::to_string(d_) +
                                " dimensions");
  const std::lock_guard lock(writer_);
  State next = *state_.get();
  if (!is_graph() || next.live() == 0) return;
  RowMajor<float> unit;
  if (queries) unit = *queries;
  if (queries && options_.metric == "cosine") normalize_rows(unit);
  next.calibration =
      queries ? ragtune::calibrate(next.graph, next.rows, next.alive,
                                   MatrixView(unit.data(), unit.rows(), unit.cols()), num_threads)
              : ragtune::calibrate(next.graph, next.rows, next.alive, num_threads);
  state_.set(std::move(next));
}

MatrixView Index::compared(MatrixView queries, RowMajor<float>& unit) const {
  if (queries.cols() != d_)
    throw std::invalid_argument("queries: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(queries.cols()));
  if (options_.metric == "cosine") {
    unit = queries;
    normalize_rows(unit);
  }
  return {unit.size() ? unit.data() : queries.data(), queries.rows(), d_};
}

RowMajor<float> Index::scores(MatrixView queries, IdsView ids, int num_threads) const {
  if (ids.rows() != queries.rows())
    throw std::invalid_argument("ids: expected " + std::to_string(queries.rows()) + " rows, got " +
                                std::to_string(ids.rows()));
  RowMajor<float> unit;
  const MatrixView asked = compared(queries, unit);
  const auto state = state_.get();
  RowMajor<float> out = RowMajor<float>::Zero(ids.rows(), ids.cols());
  parallel_for(
      ids.rows(),
      [&](std::ptrdiff_t q) {
        for (std::ptrdiff_t c = 0; c < ids.cols(); ++c) {
          const std::int64_t row = ids(q, c) < 0 ? -1 : state->ids.row_of(ids(q, c));
          if (row >= 0 && state->alive(std::size_t(row)))
            out(q, c) = state->rows.score(asked.data() + q * d_, std::size_t(row));
        }
      },
      num_threads);
  return out;
}

Ranking Index::search(MatrixView queries, std::int64_t k,
                      const SearchParameters& parameters) const {
  RowMajor<float> unit;
  const MatrixView asked = compared(queries, unit);
  if (k < 1) throw std::invalid_argument("k: expected >= 1, got " + std::to_string(k));
  thread_count(parameters.num_threads);  // throws
  const double recall = parameters.recall.value_or(DEFAULT_RECALL);
  if (!(recall > 0 && recall <= 1))
    throw std::invalid_argument("recall: expected in (0, 1], got " + std::to_string(recall));
  const auto state = state_.get();
  const Allowed allowed = filtered(parameters.filter, state->ids, state->alive);
  const std::size_t there = allowed.among(state->rows.size());
  Ranking out{RowMajor<float>::Constant(queries.rows(), k, LOWEST),
              RowMajor<std::int64_t>::Constant(queries.rows(), k, -1)};
  std::optional<std::size_t> ef = parameters.ef_search;
  if (!ef && recall < 1 && state->rows.size() > ALWAYS_EXACT)
    ef = state->calibration.ef_for(recall, std::size_t(k));
  if (!is_graph() || !ef ||
      scan_is_cheaper(state->rows.size(), allowed, std::max(*ef, std::size_t(k)))) {
    exact_scan(state->rows, asked, allowed, k, parameters.num_threads, out);
  } else {
    parallel_for(
        queries.rows(),
        [&](std::ptrdiff_t q) {
          thread_local Scratch scratch;
          thread_local std::vector<Hit> hits;
          nearest(state->graph, state->rows, asked.data() + q * d_, std::size_t(k), *ef, allowed,
                  scratch, hits);
          if (hits.size() < std::min(std::size_t(k), there)) {
            exact_scan(state->rows, MatrixView(asked.data() + q * d_, 1, d_), allowed, k, 1, out,
                       q);
            return;
          }
          for (std::size_t i = 0; i < hits.size(); ++i) {
            out.scores(q, std::ptrdiff_t(i)) = hits[i].score;
            out.rows(q, std::ptrdiff_t(i)) = hits[i].row;
          }
        },
        parameters.num_threads, 4);
  }
  for (std::int64_t& row : out.rows.reshaped())
    if (row >= 0) row = state->ids.of_row(std::size_t(row));
  return out;
}

}  // namespace ragtune
