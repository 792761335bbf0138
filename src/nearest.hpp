// The k nearest rows by a walk over a graph, among those that are allowed.
#pragma once

#include <optional>

#include "graph.hpp"
#include "scan.hpp"

namespace ragtune {

using Hit = Scored<float, std::uint32_t>;

// Puts at most k hits into scratch.hits, best first, scored with the stored vectors. ef is the
// number of allowed rows that the walk keeps. Fewer than min(k, allowed) hits mean that the
// allowed rows are far from where the walk went: search them all instead.
void nearest(const Graph& graph, const Rows& rows, const float* query, std::size_t k,
             std::size_t ef, const Allowed& allowed, Scratch& scratch, std::vector<Hit>& hits);

// Is holding all allowed rows against the query cheaper than a walk that passes by the others?
bool scan_is_cheaper(std::size_t rows, const Allowed& allowed, std::size_t ef);

// What recall@10 a walk of which breadth has on this index, measured against exact search.
struct Calibration {
  struct Point {
    std::size_t ef;
    double recall;
  };
  std::size_t rows = 0;  // how many there were
  std::vector<Point> points;

  // The least breadth that reaches the recall for k results; none if no measured one does.
  std::optional<std::size_t> ef_for(double recall, std::size_t k) const;
};

// Rows are the questions, each as if it were not in the graph: the walk passes it by.
Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      int num_threads);
Calibration calibrate(const Graph& graph, const Rows& rows, const Allowed& allowed,
                      MatrixView queries, int num_threads);

}  // namespace ragtune
