#include "kernel_ridge.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "cholesky.hpp"
#include "parallel.hpp"
#include "ridge.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr float JITTER = 1e-3f;  // of a kernel near 1 on its diagonal: centres may be equal

void check(MatrixView queries, MatrixView targets, MatrixView centres, KernelShape kernel) {
  const auto d = centres.cols();
  if (queries.cols() != d || targets.cols() != d || targets.rows() != queries.rows() ||
      centres.rows() < 1)
    throw std::invalid_argument("expected queries (n, d), targets (n, d) and centres (m, d), got " +
                                shape(queries) + ", " + shape(targets) + " and " + shape(centres));
  if (!(kernel.sharpness > 0) || !std::isfinite(kernel.sharpness))
    throw std::invalid_argument("sharpness: expected > 0, got " + std::to_string(kernel.sharpness));
  if (!(kernel.linear >= 0) || !std::isfinite(kernel.linear))
    throw std::invalid_argument("linear: expected >= 0, got " + std::to_string(kernel.linear));
}

constexpr std::ptrdiff_t ROWS = 256;  // whose features a thread makes at a time

// The kernel of rows (r, d) and centres (m, d).  -> (r, m)
RowMajor<float> kernel_of(MatrixView rows, MatrixView centres, KernelShape kernel,
                          int num_threads) {
  RowMajor<float> out = multiply_transposed(rows, centres, num_threads);
  float* const values = out.data();
  for (std::ptrdiff_t i = 0; i < out.size(); ++i)
    values[i] = gaussian(values[i], kernel.sharpness) + kernel.linear * values[i];
  return out;
}

// The regression in the space where the penalty is |x|^2: features k(q) L'^-1 with K_CC = L L'.
class Problem {
 public:
  Problem(MatrixView queries, MatrixView targets, MatrixView centres, KernelShape kernel,
          int num_threads)
      : centres_(centres),
        shape_(kernel),
        num_threads_(num_threads),
        kernel_(kernel_of(centres, centres, kernel, num_threads), JITTER) {
    const RowMajor<float> own = features(queries);
    gram_ = multiply_first_transposed(view(own), view(own), num_threads);
    const RowMajor<float> moves = targets - queries;
    cross_ = multiply_first_transposed(view(moves), view(own), num_threads);
  }

  // rows (r, d) -> (r, m)
  RowMajor<float> features(MatrixView rows) const {
    RowMajor<float> out(rows.rows(), centres_.rows());
    parallel_for(
        (rows.rows() + ROWS - 1) / ROWS,
        [&](std::ptrdiff_t block) {
          const std::ptrdiff_t first = block * ROWS, size = std::min(ROWS, rows.rows() - first);
          const MatrixView own(rows.data() + first * rows.cols(), size, rows.cols());
          out.middleRows(first, size) = kernel_.forward(kernel_of(own, centres_, shape_, 1));
        },
        num_threads_, 1);
    return out;
  }

  // u of asked (a, d) for each lambda.  -> (lambdas a, d)
  RowMajor<float> adapted(MatrixView asked, std::span<const double> lambdas) const {
    const RowMajor<float> own = features(asked);
    return ragtune::adapted(gram_, {&cross_, 1}, view(own), asked, lambdas, num_threads_);
  }

  RowMajor<float> shifts(double lambda) const {
    return kernel_.backward(Cholesky(gram_, lambda).solve(cross_)).transpose();
  }

 private:
  MatrixView centres_;
  KernelShape shape_;
  int num_threads_;
  Cholesky kernel_;
  RowMajor<float> gram_, cross_;  // of the features, (m, m), and of moves and features, (d, m)
};

}  // namespace

RowMajor<float> kernel_ridge(MatrixView queries, MatrixView targets, MatrixView centres,
                             KernelShape kernel, double lambda, int num_threads) {
  check(queries, targets, centres, kernel);
  return Problem(queries, targets, centres, kernel, num_threads).shifts(lambda);
}

RowMajor<float> kernel_ridge_adapted(MatrixView queries, MatrixView targets, MatrixView centres,
                                     MatrixView asked, KernelShape kernel,
                                     std::span<const double> lambdas, int num_threads) {
  check(queries, targets, centres, kernel);
  if (asked.cols() != queries.cols())
    throw std::invalid_argument("asked: expected " + std::to_string(queries.cols()) +
                                " dimensions, got " + std::to_string(asked.cols()));
  const Problem problem(queries, targets, centres, kernel, num_threads);
  return problem.adapted(asked, lambdas);
}

}  // namespace ragtune
