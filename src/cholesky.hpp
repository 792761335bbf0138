// Cholesky factor of a positive definite matrix, in blocks that the kernels of the machine
// multiply.
//
//   a (m, m) = L L'; r rows of right-hand sides, kept as rows since that is how they are
//   multiplied.
//
// Single precision: for ranks and for the mean of many, not for what must cancel exactly.
#pragma once

#include <vector>

#include "views.hpp"

namespace ragtune {

// lambda. Throws std::invalid_argument unless it is > 0 and finite.
double checked_penalty(double lambda);

class Cholesky {
 public:
  // a (m, m); only what is on and below its diagonal is read.
  // Throws std::invalid_argument unless a is square and lambda > 0 and finite, and
  // std::runtime_error unless a + lambda I is positive definite.
  Cholesky(const RowMajor<float>& a, double lambda);

  RowMajor<float> forward(RowMajor<float> rows) const;   // rows (r, m) times the inverse of L'
  RowMajor<float> backward(RowMajor<float> rows) const;  // rows (r, m) times the inverse of L
  RowMajor<float> solve(
      RowMajor<float> rows) const;  // rows (r, m) times the inverse of a + lambda I

 private:
  struct Block {
    RowMajor<float> left;     // of L, left of the diagonal block: (b, first row of the block)
    RowMajor<float> inverse;  // of the diagonal block of L, (b, b)
  };

  std::ptrdiff_t size_;
  std::vector<Block> blocks_;
};

}  // namespace ragtune
