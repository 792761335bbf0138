// Scores of chosen (query, row) pairs: what a leg says of candidates that others found.
//
//   nq queries, n corpus rows, d dimensions, c candidates of each query.
#pragma once

#include "views.hpp"

namespace ragtune {

// corpus (n, d), queries (nq, d), candidates (nq, c) -> q.x (nq, c); 0 where a candidate is -1.
// Throws std::invalid_argument if shapes differ or a candidate is not in [-1, n).
RowMajor<float> candidate_scores(MatrixView corpus, MatrixView queries, IdsView candidates,
                                 int num_threads = 0);

// Proposals (nq, k_i) of rows, -1 for none -> each question's rows once, ascending, -1 padded to
// the longest and to one column at least. Throws std::invalid_argument if nq differs.
RowMajor<std::int64_t> united(std::span<const IdsView> proposals, int num_threads = 0);

}  // namespace ragtune
