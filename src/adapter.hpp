// Query adapters: what training learns and what search applies.
//
//   d dimensions. q' = q W / |q W|, with W = I for the identity.
#pragma once

#include "views.hpp"

namespace ragtune {

class Adapter {
 public:
  static Adapter identity(std::ptrdiff_t d);

  // w (d, d), applied from the right: q' = q w.
  // Throws std::invalid_argument if w is not square, empty, or not finite.
  static Adapter linear(MatrixView w);

  std::ptrdiff_t dimensions() const { return d_; }
  bool is_identity() const { return columns_.size() == 0; }
  RowMajor<float> matrix() const;  // w (d, d)

  // queries (nq, d) -> (nq, d), rows of unit length; a zero row stays zero.
  // Throws std::invalid_argument if the dimensions differ.
  RowMajor<float> apply(MatrixView queries, int num_threads = 0) const;

 private:
  std::ptrdiff_t d_ = 0;
  RowMajor<float> columns_;  // w transposed: each output is a dot product of two rows
};

// I + alpha (w - I).
RowMajor<float> shrunk_to_identity(MatrixView w, float alpha);

// Divides each row by its Euclidean length; a zero row stays zero.
void normalize_rows(RowMajor<float>& rows);

}  // namespace ragtune
