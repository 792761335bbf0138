// What an adapter adds to a query, and how it learns.
//
//   b queries of d dimensions, width w (rank or hidden units; d for the linear one).
//
//   linear    u = q + q M                    M (d, d)
//   low_rank  u = q + (q A) B                A (d, w), B (w, d)
//   mlp       u = q + gelu(q A + a) B        A (d, w), a (1, w), B (w, d)
//
// The adapted query is u / |u|. At the start M = 0 or B = 0: the identity.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "views.hpp"

namespace ragtune {

enum class ResidualKind { linear, low_rank, mlp };

// "linear", "low_rank" or "mlp". Throws std::invalid_argument for any other name.
ResidualKind residual_kind(const std::string& name);
const char* name_of(ResidualKind kind);

// By name: "m"; "a" and "b"; "a", "bias" and "b".
using NamedMatrices = std::map<std::string, RowMajor<float>>;

// The matrix of that name, of any shape, or finite and of the one that is told.
// Throws std::invalid_argument if there is none, or another.
const RowMajor<float>& required(const NamedMatrices& matrices, const std::string& name);
const RowMajor<float>& required(const NamedMatrices& matrices, const std::string& name,
                                std::ptrdiff_t rows, std::ptrdiff_t cols);

class Residual {
 public:
  // The identity. A is uniform with variance 1 / w (low_rank) or 1 (mlp), drawn from the seed.
  // Throws std::invalid_argument unless d >= 1 and width >= 1.
  Residual(ResidualKind kind, std::ptrdiff_t d, std::ptrdiff_t width, std::uint64_t seed = 0);

  // Throws std::invalid_argument if a matrix is missing, unknown, not finite or of wrong shape.
  Residual(ResidualKind kind, const NamedMatrices& matrices);

  ResidualKind kind() const { return kind_; }
  std::ptrdiff_t dimensions() const { return d_; }
  std::ptrdiff_t width() const { return width_; }

  // All matrices, one after the other: what the optimiser moves.
  std::span<float> parameters() { return parameters_; }
  std::span<const float> parameters() const { return parameters_; }
  NamedMatrices matrices() const { return matrices(parameters_); }
  NamedMatrices matrices(std::span<const float> like_parameters) const;

  struct Pass {
    RowMajor<float> u;       // (b, d)
    RowMajor<float> before;  // (b, w): q A + a; empty if linear
    RowMajor<float> after;   // (b, w): what B multiplies; empty if linear
  };
  void forward(MatrixView queries, Pass& pass, int num_threads = 0) const;

  // The gradient of a loss with respect to the parameters, given its gradient du (b, d) with
  // respect to u. gradient (parameters,) is overwritten.
  void backward(MatrixView queries, const Pass& pass, const RowMajor<float>& du,
                std::span<float> gradient, int num_threads = 0) const;

  // lambda |M|^2, lambda |A B|^2, or lambda |B|^2 (mlp: what keeps it from the identity).
  double penalty(double lambda, int num_threads = 0) const;

  // gradient += that of the penalty
  void add_penalty(double lambda, std::span<float> gradient, int num_threads = 0) const;

 private:
  std::ptrdiff_t hidden_size() const { return kind_ == ResidualKind::linear ? 0 : d_ * width_; }
  std::ptrdiff_t bias_size() const { return kind_ == ResidualKind::mlp ? width_ : 0; }
  MatrixView a() const { return {parameters_.data(), d_, width_}; }
  MatrixView bias() const { return {parameters_.data() + hidden_size(), 1, width_}; }
  // B, or M if linear.
  MatrixView b() const { return {parameters_.data() + hidden_size() + bias_size(), width_, d_}; }

  ResidualKind kind_;
  std::ptrdiff_t d_, width_;
  std::vector<float> parameters_;  // A, a, B; or M
};

}  // namespace ragtune
