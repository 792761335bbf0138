#include "nearest.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t CALIBRATED_K = 10;
constexpr std::ptrdiff_t QUESTIONS = 256;
constexpr std::size_t NEIGHBOURS = 32;  // that a question is drawn from
constexpr std::size_t BREADTHS[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
constexpr double ENOUGH = 0.9999;
constexpr std::size_t ROWS_PER_STEP = 40;  // that a scan scores while a walk follows one slot

// Codes misplace few: somewhat more than k are scored with their vectors, and further ones for as
// long as the error that codes usually make could have brought them behind the k-th.
std::size_t rescored(std::size_t k) { return k + 4 + k / 4; }

// Standard normal by Box and Muller: the library's distributions differ between platforms.
float normal(std::mt19937_64& random) {
  const auto uniform = [&] { return (double(random() >> 11) + 1) * 0x1p-53; };
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return float(radius * std::cos(2 * std::numbers::pi * uniform()));
}

// A draw from the normal distribution that a row's neighbours have: as far from them as a vector
// that is new to the index, in the directions in which they differ.
void draw_near(const Rows& rows, const std::vector<Hit>& hits, std::mt19937_64& random,
               float* question) {
  const auto d = std::ptrdiff_t(rows.dimensions());
  RowMajor<float> near(std::ssize(hits), d);
  for (std::ptrdiff_t i = 0; i < near.rows(); ++i)
    rows.copy_vector(hits[std::size_t(i)].row, near.row(i).data());
  const Eigen::RowVectorXf mean = near.colwise().mean();
  Eigen::RowVectorXf weights(near.rows());
  for (float& weight : weights) weight = normal(random) / std::sqrt(float(near.rows()));
  Eigen::Map<Eigen::RowVectorXf>(question, d) = mean + weights * (near.rowwise() - mean);
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
  for (const Hit& hit : hits) rows.prefetch_vector(hit.row);
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

Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      int num_threads) {
  const auto n = std::ptrdiff_t(rows.size()), d = std::ptrdiff_t(rows.dimensions());
  const std::ptrdiff_t count = std::min(n, QUESTIONS);
  RowMajor<float> questions(count, d);
  std::vector<Hit> hits;
  Scratch scratch;
  std::mt19937_64 random(std::uint64_t{0});
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    float* question = questions.row(i).data();
    rows.copy_vector(std::size_t(i * (n / count)), question);
    nearest(graph, rows, question, NEIGHBOURS, 4 * NEIGHBOURS, allowed, scratch, hits);
    if (!hits.empty()) draw_near(rows, hits, random, question);
  }
  return calibrate(graph, rows, allowed, MatrixView(questions.data(), count, d), num_threads);
}

Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      MatrixView queries, int num_threads) {
  const auto k = std::min(CALIBRATED_K, allowed.among(rows.size()));
  const auto columns = std::ptrdiff_t(k);
  Ranking exact{RowMajor<float>::Zero(queries.rows(), columns),
                RowMajor<std::int64_t>::Constant(queries.rows(), columns, -1)};
  exact_scan(rows, queries, allowed, std::int64_t(k), num_threads, exact);
  Calibration measured{rows.size(), {}};
  std::vector<std::size_t> found(std::size_t(queries.rows()));
  for (const std::size_t ef : BREADTHS) {
    parallel_for(
        queries.rows(),
        [&](std::ptrdiff_t q) {
          thread_local Scratch scratch;
          thread_local std::vector<Hit> hits;
          nearest(graph, rows, queries.data() + q * queries.cols(), k, ef, allowed, scratch, hits);
          // What is as close as the last of the exact ones is right, too: rows may be alike.
          const float last = exact.scores(q, columns - 1);
          found[std::size_t(q)] =
              std::size_t(std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
                return hit.score >= last - 1e-6f * std::abs(last);
              }));
        },
        num_threads, 8);
    std::size_t right = 0;
    for (const std::size_t one : found) right += one;
    const double recall = double(right) / double(queries.rows() * columns);
    const double before = measured.points.empty() ? 0.0 : measured.points.back().recall;
    measured.points.push_back({ef, std::max(recall, before)});
    if (recall >= ENOUGH) break;
  }
  return measured;
}

}  // namespace ragtune
