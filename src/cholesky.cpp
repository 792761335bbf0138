#include "cholesky.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t BLOCK = 96;

RowMajor<float> inverse_of_factor(const RowMajor<double>& block) {
  const Eigen::LLT<RowMajor<double>> factor(block);
  if (factor.info() != Eigen::Success)
    throw std::runtime_error("expected a positive definite matrix");
  const auto identity = RowMajor<double>::Identity(block.rows(), block.cols());
  return factor.matrixL().solve(identity).cast<float>();
}

}  // namespace

double checked_penalty(double lambda) {
  if (!(lambda > 0) || !std::isfinite(lambda))
    throw std::invalid_argument("lambda: expected > 0, got " + std::to_string(lambda));
  return lambda;
}

Cholesky::Cholesky(const RowMajor<float>& a, double lambda) : size_(a.rows()) {
  if (a.rows() != a.cols())
    throw std::invalid_argument("a: expected a square matrix, got " + shape(view(a)));
  checked_penalty(lambda);
  for (std::ptrdiff_t first = 0; first < size_; first += BLOCK) {
    const std::ptrdiff_t b = std::min(BLOCK, size_ - first);
    Block block{forward(a.block(first, 0, b, first)), {}};
    RowMajor<double> diagonal = a.block(first, first, b, b).cast<double>();
    diagonal.diagonal().array() += lambda;
    if (first)
      diagonal -= multiply_transposed(view(block.left), view(block.left), 1).cast<double>();
    block.inverse = inverse_of_factor(diagonal);
    blocks_.push_back(std::move(block));
  }
}

RowMajor<float> Cholesky::forward(RowMajor<float> rows) const {
  std::ptrdiff_t first = 0;
  for (const Block& block : blocks_) {
    const std::ptrdiff_t b = block.inverse.rows();
    RowMajor<float> own = rows.middleCols(first, b);
    if (first) {
      const RowMajor<float> solved = rows.leftCols(first);
      own -= multiply_transposed(view(solved), view(block.left), 1);
    }
    rows.middleCols(first, b) = multiply_transposed(view(own), view(block.inverse), 1);
    first += b;
  }
  return rows;
}

RowMajor<float> Cholesky::backward(RowMajor<float> rows) const {
  std::ptrdiff_t first = size_;
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    const std::ptrdiff_t b = block->inverse.rows();
    first -= b;
    const RowMajor<float> own = rows.middleCols(first, b);
    const RowMajor<float> solved = multiply(view(own), view(block->inverse), 1);
    rows.middleCols(first, b) = solved;
    if (first) rows.leftCols(first) -= multiply(view(solved), view(block->left), 1);
  }
  return rows;
}

RowMajor<float> Cholesky::solve(RowMajor<float> rows) const {
  return backward(forward(std::move(rows)));
}

}  // namespace ragtune
