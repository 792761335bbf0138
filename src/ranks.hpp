// Where the relevant documents stand, for many adapters at once.
//
//   nq queries, n corpus rows, d dimensions, m candidate adapters, a shrinkage values.
//
// An adapted query shrunk to the identity is q + alpha (q' - q), so its scores are
// s + alpha (s' - s): one product per adapter serves every alpha. Only the ranks of the
// judged documents are counted, nothing is sorted.
#pragma once

#include <vector>

#include "views.hpp"

namespace ragtune {

// queries (nq, d); adapted (m nq, d): m blocks of nq rows, *not* normalised (a positive
// factor per query changes no rank, but q and q' must share it); alphas (a,); qrels nnz.
// -> m * a blocks of nnz ranks, block [adapter * a + alpha]; rank 0 is the best.
// Rows with equal scores stand in row order.
// Throws std::invalid_argument if shapes differ or a judged row is not in [0, n).
std::vector<std::int32_t> relevant_ranks(MatrixView corpus, MatrixView queries, MatrixView adapted,
                                         std::span<const float> alphas, const QrelsView& qrels,
                                         int num_threads = 0);

}  // namespace ragtune
