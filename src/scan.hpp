// Exact search over coded rows: the k best of those that are allowed, for each of nq queries.
//
//   n rows, nq queries, d dimensions, k results.
//
// Every row is held against a bound: its 4-bit estimate, then its 8-bit score, each plus the
// most that it can be wrong (Cauchy and Schwarz on the lengths of the coding errors, which were
// measured when the row was coded, plus the rounding of float32). What the bound leaves is
// scored in float64 and ordered by score, ties by row. The ids are therefore those of float64
// arithmetic on the stored vectors, at any number of threads and on any CPU.
#pragma once

#include "filter.hpp"
#include "rows.hpp"

namespace ragtune {

// Fills rows [first, first + nq) of out, as Ranking tells.
// Throws std::invalid_argument if the vectors are so long that float32 overflows.
void exact_scan(const Rows& rows, MatrixView queries, const Allowed& allowed, std::int64_t k,
                int num_threads, Ranking& out, std::ptrdiff_t first = 0);

}  // namespace ragtune
