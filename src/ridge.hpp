// Ridge regression to the identity: the query adapter in closed form.
//
//   m pairs (query row of Q, relevant document row of D) with weights v, d dimensions.
//
//   W = argmin sum_i v_i |q_i W - d_i|^2 + lambda |W - I|^2
//     = I + (Q'VQ + lambda I)^-1 (Q'VD - Q'VQ)
//
// Q'VQ and Q'VD are sufficient statistics: a pair is added, or exactly unlearned, in
// O(d^2), and the statistics of two sets of pairs add up.
// Source: Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634.
#pragma once

#include "views.hpp"

namespace ragtune {

class RidgeStatistics {
 public:
  // Throws std::invalid_argument if d < 1.
  explicit RidgeStatistics(std::ptrdiff_t d);

  // queries (m, d), documents (m, d), weights (m,).
  // Throws std::invalid_argument if the shapes differ.
  void add(MatrixView queries, MatrixView documents, std::span<const float> weights);
  void remove(MatrixView queries, MatrixView documents, std::span<const float> weights);

  void add(const RidgeStatistics& other);
  void remove(const RidgeStatistics& other);

  std::ptrdiff_t dimensions() const { return gram_.rows(); }
  std::int64_t pairs() const { return pairs_; }

  // W (d, d). Throws std::invalid_argument unless lambda > 0 and finite, and
  // std::runtime_error if removals left the statistics of no set of pairs.
  RowMajor<float> solve(double lambda) const;

 private:
  void update(MatrixView queries, MatrixView documents, std::span<const float> weights,
              double sign);

  RowMajor<double> gram_, cross_;  // Q'VQ and Q'VD, (d, d)
  std::int64_t pairs_ = 0;
};

// asked (a, d) + f (G + lambda I)^-1 C' for every C (d, m) of `crosses` and every lambda: the
// regression on features whose Gram matrix is G (m, m); f (a, m) are those of `asked`, and C is the
// product of what the queries should be moved by and their features.
// -> (crosses lambdas a, d), lambdas within a C. Throws as solve() does.
RowMajor<float> adapted(const RowMajor<float>& gram, std::span<const RowMajor<float>> crosses,
                        MatrixView features, MatrixView asked, std::span<const double> lambdas,
                        int num_threads = 0);

// What the regression makes of `asked` (a, d) for every set of targets and every lambda, without
// a matrix: queries (m, d), targets (sets m, d), weights of 1 -> (sets lambdas a, d), lambdas
// within a set. In single precision, which ranks need, and much faster than one solve() for each.
// Throws as solve() does, and std::invalid_argument if the shapes differ.
RowMajor<float> ridge_adapted(MatrixView queries, MatrixView targets, MatrixView asked,
                              std::span<const double> lambdas, int num_threads = 0);

}  // namespace ragtune
