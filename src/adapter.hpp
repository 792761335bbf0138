// Query adapters: what training learns and what search applies.
//
//   d dimensions, width w. With u of residual.hpp, or u = q W for a linear adapter given as
//   W = I + M, an adapted query is q' = u / |u|; q' = q / |q| for the identity.
#pragma once

#include "residual.hpp"
#include "views.hpp"

namespace ragtune {

class Adapter {
 public:
  static Adapter identity(std::ptrdiff_t d);

  // w (d, d), applied from the right: q' = q w.
  // Throws std::invalid_argument if w is not square, empty, or not finite.
  static Adapter linear(MatrixView w);

  // Any residual, by its matrices; "linear" takes M = W - I.
  // Throws std::invalid_argument if a matrix is missing, unknown, not finite or of wrong shape.
  static Adapter residual(ResidualKind kind, const NamedMatrices& matrices);

  std::ptrdiff_t dimensions() const { return d_; }
  bool is_identity() const { return columns_.size() == 0; }
  std::string kind() const { return is_identity() ? "identity" : name_of(kind_); }

  // w (d, d) so that u = q w. Throws std::invalid_argument if the adapter is an mlp.
  RowMajor<float> matrix() const;

  // What an artifact stores: nothing for the identity, else what `residual` takes.
  NamedMatrices matrices() const;

  // queries (nq, d) -> (nq, d), rows of unit length; a zero row stays zero.
  // Throws std::invalid_argument if the dimensions differ.
  RowMajor<float> apply(MatrixView queries, int num_threads = 0) const;

 private:
  std::ptrdiff_t d_ = 0;
  ResidualKind kind_ = ResidualKind::linear;
  // Transposed, so that each output is a dot product of two rows.
  RowMajor<float> columns_;  // linear: W (d, d); else B (d, w)
  RowMajor<float> inner_;    // A (w, d); empty if linear
  RowMajor<float> bias_;     // (1, w); empty unless mlp
};

// I + alpha (w - I).
RowMajor<float> shrunk_to_identity(MatrixView w, float alpha);

// Divides each row by its Euclidean length; a zero row stays zero.
void normalize_rows(RowMajor<float>& rows);

}  // namespace ragtune
