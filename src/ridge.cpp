#include "ridge.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "cholesky.hpp"
#include "parallel.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t BLOCK = 64;  // rows of the statistics that a thread takes at a time

}  // namespace

RidgeStatistics::RidgeStatistics(std::ptrdiff_t d) {
  if (d < 1) throw std::invalid_argument("d: expected >= 1, got " + std::to_string(d));
  gram_ = cross_ = RowMajor<double>::Zero(d, d);
}

void RidgeStatistics::update(MatrixView queries, MatrixView documents,
                             std::span<const float> weights, double sign) {
  const auto d = dimensions(), m = queries.rows();
  if (queries.cols() != d || documents.cols() != d || documents.rows() != m ||
      std::ssize(weights) != m)
    throw std::invalid_argument("expected queries (m, " + std::to_string(d) + "), documents (m, " +
                                std::to_string(d) + ") and weights (m,), got " + std::to_string(m) +
                                ", " + std::to_string(documents.rows()) + " and " +
                                std::to_string(weights.size()) + " rows");
  const Eigen::Map<const Eigen::VectorXf> v(weights.data(), m);
  const RowMajor<double> q = queries.cast<double>(), t = documents.cast<double>();
  const RowMajor<double> weighted = (sign * v.cast<double>()).asDiagonal() * q;
  parallel_for((d + BLOCK - 1) / BLOCK,
               [&](std::ptrdiff_t b) {
                 const std::ptrdiff_t first = b * BLOCK, size = std::min(BLOCK, d - first);
                 const auto own = weighted.middleCols(first, size).transpose();
                 // What lies left of the diagonal, and its own block; the rest is the same
                 // mirrored.
                 gram_.block(first, 0, size, first + size).noalias() +=
                     own * q.leftCols(first + size);
                 cross_.middleRows(first, size).noalias() += own * t;
               },
               0, 1);
  for (std::ptrdiff_t i = 0; i < d; ++i)
    for (std::ptrdiff_t j = i + 1; j < d; ++j) gram_(i, j) = gram_(j, i);
  pairs_ += sign > 0 ? m : -m;
}

void RidgeStatistics::add(MatrixView queries, MatrixView documents,
                          std::span<const float> weights) {
  update(queries, documents, weights, 1.0);
}

void RidgeStatistics::remove(MatrixView queries, MatrixView documents,
                             std::span<const float> weights) {
  update(queries, documents, weights, -1.0);
}

void RidgeStatistics::add(const RidgeStatistics& other) {
  if (other.dimensions() != dimensions())
    throw std::invalid_argument("other: expected " + std::to_string(dimensions()) +
                                " dimensions, got " + std::to_string(other.dimensions()));
  gram_ += other.gram_;
  cross_ += other.cross_;
  pairs_ += other.pairs_;
}

void RidgeStatistics::remove(const RidgeStatistics& other) {
  if (other.dimensions() != dimensions())
    throw std::invalid_argument("other: expected " + std::to_string(dimensions()) +
                                " dimensions, got " + std::to_string(other.dimensions()));
  gram_ -= other.gram_;
  cross_ -= other.cross_;
  pairs_ -= other.pairs_;
}

RowMajor<float> RidgeStatistics::solve(double lambda) const {
  RowMajor<double> gram = gram_;
  gram.diagonal().array() += checked_penalty(lambda);
  const Eigen::LLT<RowMajor<double>> factor(gram);
  if (factor.info() != Eigen::Success)
    throw std::runtime_error(
        "ridge: the statistics are not positive definite; was a pair removed that was never "
        "added?");
  RowMajor<double> w = factor.solve(cross_ - gram_);
  w.diagonal().array() += 1.0;
  return w.cast<float>();
}

RowMajor<float> adapted(const RowMajor<float>& gram, std::span<const RowMajor<float>> crosses,
                        MatrixView features, MatrixView asked, std::span<const double> lambdas,
                        int num_threads) {
  const std::ptrdiff_t rows = asked.rows();
  RowMajor<float> out(std::ssize(crosses) * std::ssize(lambdas) * rows, asked.cols());
  parallel_for(
      std::ssize(lambdas),
      [&](std::ptrdiff_t i) {
        const RowMajor<float> x = Cholesky(gram, lambdas[std::size_t(i)]).solve(features);
        for (std::ptrdiff_t set = 0; set < std::ssize(crosses); ++set)
          out.middleRows((set * std::ssize(lambdas) + i) * rows, rows) =
              asked + multiply_transposed(view(x), view(crosses[std::size_t(set)]), 1);
      },
      num_threads, 1);
  return out;
}

RowMajor<float> ridge_adapted(MatrixView queries, MatrixView targets, MatrixView asked,
                              std::span<const double> lambdas, int num_threads) {
  const auto m = queries.rows(), d = queries.cols(), sets = m ? targets.rows() / m : 1;
  if (targets.cols() != d || asked.cols() != d || targets.rows() != sets * m)
    throw std::invalid_argument(
        "expected queries (m, d), targets (sets m, d) and asked (a, d), got " + shape(queries) +
        ", " + shape(targets) + " and " + shape(asked));
  const RowMajor<float> gram = multiply_first_transposed(queries, queries, num_threads);
  std::vector<RowMajor<float>> shifts;  // (Q'D - Q'Q)' of each set
  for (std::ptrdiff_t set = 0; set < sets; ++set) {
    const RowMajor<float> moved = targets.middleRows(set * m, m) - queries;
    shifts.push_back(multiply_first_transposed(view(moved), queries, num_threads));
  }
  return adapted(gram, shifts, asked, asked, lambdas, num_threads);
}

}  // namespace ragtune
