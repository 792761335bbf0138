// Scores of many queries against many documents, a block of documents at a time.
//
//   nq queries, d dimensions; mr and nr are the block sizes of the kernels in use.
//
// The queries are packed once; each block of nr documents is packed into the first
// cache and meets all of them there. The bits of a score depend on its query and its
// document alone, never on the neighbours: equal documents score equally.
#pragma once

#include <memory>
#include <vector>

#include "simd.hpp"
#include "views.hpp"

namespace ragtune {

class PackedQueries {
 public:
  explicit PackedQueries(MatrixView queries);  // (nq, d); copied

  // The columns of a (d, nq) are the queries.
  static PackedQueries of_columns(MatrixView a);

  std::size_t rows() const { return rows_; }
  std::size_t dimensions() const { return dimensions_; }
  std::size_t padded_rows() const { return padded_; }  // nq rounded up to a multiple of mr

  // The panel of mr queries that starts at row `first`, steps [depth, depth + length).
  const float* panel(std::size_t first, std::size_t depth, std::size_t length) const {
    return data_.get() + depth * padded_ + first * length;
  }

 private:
  PackedQueries(std::size_t rows, std::size_t dimensions);

  std::size_t rows_, dimensions_, padded_;
  std::unique_ptr<float[]> data_;
};

// One per thread: holds the packed documents and the scores of the last block.
class TileScorer {
 public:
  explicit TileScorer(const PackedQueries& queries);

  std::size_t block() const { return kernels_.nr; }

  // Scores all queries against documents[0 .. count), count <= block().
  // The score of query q and document j is at [q * block() + j]; valid until the next call.
  const float* score(const float* const* documents, std::size_t count);

  // The same for `count` rows that follow each other in memory.
  const float* score_rows(const float* first_row, std::size_t count);

 private:
  void pack(const float* const* documents, std::size_t count, std::size_t depth,
            std::size_t length);

  const PackedQueries& queries_;
  const Kernels& kernels_;
  std::vector<float> documents_, scores_;
};

// a (m, d) times b (n, d) transposed.  -> (m, n)
// Throws std::invalid_argument if the dimensions differ.
RowMajor<float> multiply_transposed(MatrixView a, MatrixView b, int num_threads = 0);

// a (m, k) times b (k, n).  -> (m, n)
// Throws std::invalid_argument if k differs, or `out` is of another shape.
RowMajor<float> multiply(MatrixView a, MatrixView b, int num_threads = 0);
void multiply(MatrixView a, MatrixView b, MatrixOut out, int num_threads = 0);

// a (k, m) transposed times b (k, n).  -> (m, n)
// Throws std::invalid_argument if k differs, or `out` is of another shape.
RowMajor<float> multiply_first_transposed(MatrixView a, MatrixView b, int num_threads = 0);
void multiply_first_transposed(MatrixView a, MatrixView b, MatrixOut out, int num_threads = 0);

}  // namespace ragtune
