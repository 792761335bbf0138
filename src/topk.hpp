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

#include <limits>

#include "views.hpp"

namespace ragtune {

enum class Metric { inner_product, l2 };

constexpr float LOWEST = -std::numeric_limits<float>::infinity();

// A row and its score; the better one comes first, ties by row.
template <class Score, class Row>
struct Scored {
  Score score;
  Row row;
  bool operator<(const Scored& other) const {
    return score != other.score ? score > other.score : row < other.row;
  }
};

struct Ranking {
  RowMajor<float> scores;       // (nq, k), larger is closer; -infinity where there is no row
  RowMajor<std::int64_t> rows;  // (nq, k), best first, -1 where there is no row
};

struct SearchOptions {
  Metric metric = Metric::inner_product;  // l2 scores are -|q - x|^2
  int num_threads = 0;                    // 0: all
};

// Throws std::invalid_argument if the dimensions differ, k < 1, or the vectors are so long that
// float32 overflows.
Ranking exact_search(MatrixView corpus, MatrixView queries, std::int64_t k,
                     const SearchOptions& options = {});

}  // namespace ragtune
