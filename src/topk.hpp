// Exact search: the k best of n rows for each of nq queries.
//
//   n corpus rows, nq queries, d dimensions, k results.
//
// A first pass in float32 keeps somewhat more than k candidates; these are scored
// again in float64 and ordered by score, ties by row. The result is accepted only if
// the proven rounding error of the first pass, |err| <= 1.05 (d + 8) 2^-24 |q| max|x|
// (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1), cannot
// have cost it a row; otherwise every row within that error is scored again. The order
// is therefore that of float64 arithmetic, at any number of threads and on any CPU.
#pragma once

#include "views.hpp"

namespace ragtune {

enum class Metric { inner_product, l2 };

struct Ranking {
  RowMajor<float> scores;       // (nq, k), larger is closer; -infinity where there is no row
  RowMajor<std::int64_t> rows;  // (nq, k), best first, -1 where there is no row
};

struct SearchOptions {
  Metric metric = Metric::inner_product;  // l2 scores are -|q - x|^2
  std::span<const std::uint8_t> alive{};  // (n,) 0 leaves the row out; empty means all
  double max_norm = 0;                    // an upper bound of |x|; 0 means unknown
  int num_threads = 0;                    // 0: all
};

// Throws std::invalid_argument if the dimensions differ, k < 1, alive is not (n,), or
// the vectors are so long that float32 overflows.
Ranking exact_search(MatrixView corpus, MatrixView queries, std::int64_t k,
                     const SearchOptions& options = {});

// The largest Euclidean length of a row; 0 for an empty matrix.
double max_norm(MatrixView rows, int num_threads = 0);

}  // namespace ragtune
