// Inserting rows into a graph, in parallel and with one result at any number of threads.
//
// Rows go in by batches: all rows of a batch are searched for in the graph as it was before
// the batch, and compared with each other; then their links are written, list by list. No
// list is written by two threads and no thread reads what another writes, so there are no
// locks and no chance (after Blelloch et al. 2024, ParlayANN, section 4).
#pragma once

#include "graph.hpp"

namespace ragtune {

struct BuildOptions {
  std::size_t ef_construction = 100;  // breadth of the walk that finds a row's neighbours
  std::uint64_t seed = 0;             // decides the top layer of each row
  int num_threads = 0;                // 0: all
};

// Inserts rows [first, first + count), which follow those that the graph has.
void insert_rows(Graph& graph, const Rows& rows, std::size_t first, std::size_t count,
                 const BuildOptions& options);

}  // namespace ragtune
