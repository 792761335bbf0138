// Query adapters: what training learns and what search applies.
//
//   d dimensions, width w. With u of residual.hpp, or u = q W for a linear adapter given as
//   W = I + M, an adapted query is q' = u / |u|; q' = q / |q| for the identity. With w centres C
//   and shifts B of kernel_ridge.hpp, u is that of q / |q|, and q M more if it lies over an M.
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

  // Any residual, by its matrices; "linear" takes M = W - I, and "kernel" takes "centres" (w, d) of
  // unit length, "shifts" (w, d), "sharpness" (1, 1) and, if it lies over one, M as "m" (d, d).
  // Throws std::invalid_argument if a matrix is missing, unknown, not finite or of wrong shape.
  static Adapter residual(const std::string& kind, const NamedMatrices& matrices);

  std::ptrdiff_t dimensions() const { return d_; }
  bool is_identity() const { return columns_.size() == 0; }
  std::string kind() const;

  // w (d, d) so that u = q w. Throws std::invalid_argument unless u is linear in q.
  RowMajor<float> matrix() const;

  // What an artifact stores: nothing for the identity, else what `residual` takes.
  NamedMatrices matrices() const;

  // One that moves a query by alpha (u - q) in place of u - q.
  Adapter shrunk(float alpha) const;

  // u of queries (nq, d).  -> (nq, d)
  // Throws std::invalid_argument if the dimensions differ.
  RowMajor<float> moved(MatrixView queries, int num_threads = 0) const;

  // u / |u| of queries (nq, d); a zero row stays zero.  -> (nq, d)
  // Throws std::invalid_argument if the dimensions differ.
  RowMajor<float> apply(MatrixView queries, int num_threads = 0) const;

 private:
  enum class Kind { linear, low_rank, mlp, kernel };

  static Adapter kernel(const NamedMatrices& matrices);
  RowMajor<float> hidden(MatrixView queries, int num_threads) const;

  std::ptrdiff_t d_ = 0;
  Kind kind_ = Kind::linear;
  // Transposed, so that each output is a dot product of two rows.
  RowMajor<float> columns_;  // linear: W (d, d); else B (d, w)
  RowMajor<float> inner_;    // A or C (w, d); empty if linear
  RowMajor<float> bias_;     // (1, w); empty unless mlp
  RowMajor<float> under_;    // M (d, d) under a kernel; may be empty
  float sharpness_ = 0;      // of a kernel
};

// Divides each row by its Euclidean length; a zero row stays zero.
void normalize_rows(RowMajor<float>& rows);

}  // namespace ragtune
