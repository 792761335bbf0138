#include "nearest.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t CALIBRATED_K = 10;
constexpr std::size_t QUESTIONS = 512;
constexpr std::size_t BREADTHS[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
constexpr double ENOUGH = 0.9999;
constexpr std::size_t ROWS_PER_STEP = 40;  // that a scan scores while a walk follows one slot

// Codes misplace few: somewhat more than k are scored with their vectors, and further ones for as
// long as the error that codes usually make could have brought them behind the k-th.
std::size_t rescored(std::size_t k) { return k + 4 + k / 4; }

// What a calibration asks: rows of the index, or questions that are none.
struct Questions {
  MatrixView vectors;
  std::vector<std::uint32_t> rows;  // of the vectors; empty if they are not in the index
};

// Rows that are in the lowest layer alone, so that no walk begins there.
std::vector<std::uint32_t> questions_among(const Graph& graph, const Rows& rows,
                                           const Allowed& allowed) {
  std::vector<bool> above(rows.size());
  if (graph.layers.size() > 1)
    for (std::size_t slot = 0; slot < graph.layers[1].size(); ++slot)
      above[graph.layers[1].row_of(Slot(slot))] = true;
  std::vector<std::uint32_t> fitting;
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (!above[row] && allowed(std::uint32_t(row))) fitting.push_back(std::uint32_t(row));
  const std::size_t count = std::min(fitting.size(), QUESTIONS);
  for (std::size_t i = 0; i < count; ++i) fitting[i] = fitting[i * fitting.size() / count];
  fitting.resize(count);
  return fitting;
}

// The k best scores of each question, without itself.
RowMajor<float> exact_scores(const Rows& rows, const Questions& questions, const Allowed& allowed,
                             std::size_t k, int num_threads) {
  const bool inside = !questions.rows.empty();
  const auto nq = questions.vectors.rows(), columns = std::ptrdiff_t(k + inside);
  Ranking exact{RowMajor<float>::Zero(nq, columns),
                RowMajor<std::int64_t>::Constant(nq, columns, -1)};
  exact_scan(rows, questions.vectors, allowed, columns, num_threads, exact);
  if (!inside) return exact.scores;
  RowMajor<float> scores(nq, std::ptrdiff_t(k));
  for (std::ptrdiff_t q = 0; q < nq; ++q)
    for (std::ptrdiff_t i = 0, to = 0; to < std::ptrdiff_t(k); ++i)
      if (exact.rows(q, i) != questions.rows[std::size_t(q)]) scores(q, to++) = exact.scores(q, i);
  return scores;
}

// What is as close as the last of the exact ones is right, too: rows may be alike.
std::size_t right_among(const std::vector<Hit>& hits, float last) {
  return std::size_t(std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
    return hit.score >= last - 1e-6f * std::abs(last);
  }));
}

}  // namespace

void nearest(const Graph& graph, const Rows& rows, const float* query, std::size_t k,
             std::size_t ef, const Allowed& allowed, Scratch& scratch, std::vector<Hit>& hits) {
  const std::size_t n = rows.size();
  const std::size_t there = allowed.among(n);
  CodeError error;
  rows.encoder.encode_query(query, scratch.query, &error);
  const auto margin = float(4 * rows.usual_error(error.length, error.residual));
  const Start start = descend(graph, rows, scratch.query, 0);
  const std::size_t kept = std::min(std::max(ef, k), there);
  // What is allowed lies deeper than the best of all, and deeper is found less surely.
  const double wider = allowed.all() ? 1.0 : 1.5;
  const double share = double(std::max<std::size_t>(there, 1)) / double(n);
  auto breadth = std::min(n, std::size_t(std::ceil(wider * double(kept) / share)));
  const std::size_t limit = std::min(n, 4 * breadth);
  for (;; breadth = std::min(2 * breadth, limit)) {
    walk(graph, rows, scratch.query, 0, start, breadth, scratch);
    hits.clear();
    for (std::size_t i = 0; i < scratch.pool.size(); ++i) {
      const Hit hit{scratch.pool.score(i), scratch.pool.slot(i)};
      if (hits.size() >= rescored(k) && hit.score < hits[k - 1].score - margin) break;
      if (allowed(hit.row)) hits.push_back(hit);
    }
    if (allowed.all() || breadth == limit || hits.size() >= std::min(rescored(k), there)) break;
  }
  for (const Hit& hit : hits) rows.touch_vector(hit.row);
  for (Hit& hit : hits) hit.score = rows.score(query, hit.row);
  std::sort(hits.begin(), hits.end());
  if (hits.size() > k) hits.resize(k);
}

bool scan_is_cheaper(std::size_t rows, const Allowed& allowed, std::size_t ef) {
  const double there = double(allowed.among(rows));
  return there * there <= double(ROWS_PER_STEP * ef) * double(rows);
}

std::optional<std::size_t> Calibration::ef_for(double recall, std::size_t k) const {
  const std::size_t wider = k > CALIBRATED_K ? (k - CALIBRATED_K) * 3 / 2 : 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].recall < recall) continue;
    if (i == 0) return points[0].ef + wider;
    const Point &below = points[i - 1], &above = points[i];
    const double part = (recall - below.recall) / (above.recall - below.recall);
    return below.ef + std::size_t(std::ceil(part * double(above.ef - below.ef))) + wider;
  }
  return std::nullopt;
}

namespace {

Calibration calibrated(const Graph& graph, const Rows& rows, const Allowed& allowed,
                       const Questions& questions, int num_threads) {
  const bool inside = !questions.rows.empty();
  const MatrixView& vectors = questions.vectors;
  Calibration measured{rows.size(), {}};
  const std::size_t k = std::min(CALIBRATED_K, allowed.among(rows.size()) - inside);
  if (k == 0 || vectors.rows() == 0) return measured;
  const RowMajor<float> exact = exact_scores(rows, questions, allowed, k, num_threads);
  std::vector<std::size_t> right(std::size_t(vectors.rows()));
  for (const std::size_t ef : BREADTHS) {
    parallel_for(
        vectors.rows(),
        [&](std::ptrdiff_t q) {
          thread_local Scratch scratch;
          thread_local std::vector<Hit> hits;
          scratch.hidden.reset();
          if (inside) scratch.hidden = questions.rows[std::size_t(q)];
          nearest(graph, rows, vectors.row(q).data(), k, ef, allowed, scratch, hits);
          right[std::size_t(q)] = right_among(hits, exact(q, std::ptrdiff_t(k) - 1));
        },
        num_threads, 8);
    const double found = std::accumulate(right.begin(), right.end(), 0.0);
    const double recall = found / double(vectors.rows() * std::ptrdiff_t(k));
    const double before = measured.points.empty() ? 0.0 : measured.points.back().recall;
    measured.points.push_back({ef, std::max(recall, before)});
    if (recall >= ENOUGH) break;
  }
  return measured;
}

}  // namespace

Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      int num_threads) {
  std::vector<std::uint32_t> among = questions_among(graph, rows, allowed);
  const auto d = std::ptrdiff_t(rows.dimensions());
  RowMajor<float> vectors(std::ssize(among), d);
  for (std::size_t i = 0; i < among.size(); ++i)
    rows.copy_vector(among[i], vectors.row(std::ptrdiff_t(i)).data());
  const MatrixView view(vectors.data(), vectors.rows(), d);
  return calibrated(graph, rows, allowed, {view, std::move(among)}, num_threads);
}

Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      MatrixView queries, int num_threads) {
  return calibrated(graph, rows, allowed, {queries, {}}, num_threads);
}

}  // namespace ragtune
