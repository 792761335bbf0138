#include "ridge.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <stdexcept>
#include <string>

namespace ragtune {

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
  const RowMajor<double> weighted = (sign * v.cast<double>()).asDiagonal() * queries.cast<double>();
  gram_.noalias() += weighted.transpose() * queries.cast<double>();
  cross_.noalias() += weighted.transpose() * documents.cast<double>();
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
  if (!(lambda > 0) || !std::isfinite(lambda))
    throw std::invalid_argument("lambda: expected > 0, got " + std::to_string(lambda));
  RowMajor<double> penalised = gram_;
  penalised.diagonal().array() += lambda;
  const Eigen::LLT<RowMajor<double>> factor(penalised);
  if (factor.info() != Eigen::Success)
    throw std::runtime_error(
        "ridge: the statistics are not positive definite; was a pair removed that was never "
        "added?");
  RowMajor<double> w = factor.solve(cross_ - gram_);
  w.diagonal().array() += 1.0;
  return w.cast<float>();
}

}  // namespace ragtune
