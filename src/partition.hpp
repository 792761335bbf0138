// The softmax of queries over a whole corpus, without the (nq, n) matrix.
//
//   nq queries, n documents, d dimensions, temperature t; s_i is the score of document i.
//
//   log_mass = log sum_i exp(s_i / t)
//   moment   = sum_i p_i x_i,  p_i = exp(s_i / t - log_mass)     (d,)
//   best     = the `keep` documents of highest score, ties by row; of those above the query's
//              floor, if it has one: that of a score which `keep` documents are known to reach
//              spares most of the sorting
//
// The corpus is cut into blocks that stay in cache: a block is scored, its scores become
// weights relative to the highest score so far, and the weighted sum of its rows is added, all
// before the next one is read. Sums over parts of the corpus are added in row order, so the
// bits do not depend on the number of threads.
// Source of the running maximum: Milakov & Gimelshein 2018, arXiv 1805.02867.
#pragma once

#include <vector>

#include "topk.hpp"
#include "views.hpp"

namespace ragtune {

using ScoredRow = Scored<float, std::int32_t>;

struct Partition {
  std::vector<double> log_mass;              // (nq,)
  RowMajor<float> moment;                    // (nq, d)
  std::vector<std::vector<ScoredRow>> best;  // (nq,), each sorted, at most `keep` long
};

// Working memory is about 40 nq d floats for large n: give a few hundred queries at a time.
// floors is empty or (nq,).
// Throws std::invalid_argument if the dimensions or lengths differ, n < 1, keep < 1, or not
// temperature > 0.
Partition partition(MatrixView corpus, MatrixView queries, double temperature, std::size_t keep,
                    std::span<const float> floors = {}, int num_threads = 0);

}  // namespace ragtune
