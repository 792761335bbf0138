#include "residual.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "exponential.hpp"
#include "random.hpp"
#include "simd.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr std::pair<const char*, ResidualKind> KINDS[] = {{"linear", ResidualKind::linear},
                                                          {"low_rank", ResidualKind::low_rank},
                                                          {"mlp", ResidualKind::mlp}};

}  // namespace

const RowMajor<float>& required(const NamedMatrices& matrices, const std::string& name) {
  const auto at = matrices.find(name);
  if (at == matrices.end()) throw std::invalid_argument(name + ": expected a matrix, got none");
  return at->second;
}

const RowMajor<float>& required(const NamedMatrices& matrices, const std::string& name,
                                std::ptrdiff_t rows, std::ptrdiff_t cols) {
  const RowMajor<float>& found = required(matrices, name);
  if (found.rows() != rows || found.cols() != cols)
    throw std::invalid_argument(name + ": expected shape (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), got " + shape(view(found)));
  if (!found.allFinite()) throw std::invalid_argument(name + ": expected finite values");
  return found;
}

ResidualKind residual_kind(const std::string& name) {
  for (const auto& [label, kind] : KINDS)
    if (name == label) return kind;
  throw std::invalid_argument("kind: expected linear, low_rank or mlp, got " + name);
}

const char* name_of(ResidualKind kind) { return KINDS[std::size_t(kind)].first; }

Residual::Residual(ResidualKind kind, std::ptrdiff_t d, std::ptrdiff_t width, std::uint64_t seed)
    : kind_(kind), d_(d), width_(kind == ResidualKind::linear ? d : width) {
  if (d_ < 1) throw std::invalid_argument("d: expected >= 1, got " + std::to_string(d_));
  if (width_ < 1)
    throw std::invalid_argument("width: expected >= 1, got " + std::to_string(width_));
  parameters_.assign(std::size_t(hidden_size() + bias_size() + width_ * d_), 0.0f);
  const double variance = kind_ == ResidualKind::low_rank ? 1.0 / double(width_) : 1.0;
  const double reach = std::sqrt(3.0 * variance);
  Stream random(seed, 0x5eed);
  for (std::ptrdiff_t i = 0; i < hidden_size(); ++i)
    parameters_[std::size_t(i)] = float(reach * (2.0 * random.uniform() - 1.0));
}

Residual::Residual(ResidualKind kind, const NamedMatrices& matrices)
    : Residual(kind, required(matrices, kind == ResidualKind::linear ? "m" : "b").cols(),
               required(matrices, kind == ResidualKind::linear ? "m" : "b").rows()) {
  const NamedMatrices known = this->matrices();
  for (const auto& [name, matrix] : matrices) {
    const auto at = known.find(name);
    if (at == known.end())
      throw std::invalid_argument(name + ": not a matrix of a " + name_of(kind) + " adapter");
    required(matrices, name, at->second.rows(), at->second.cols());
  }
  float* to = parameters_.data();
  for (const char* name : {"m", "a", "bias", "b"}) {
    if (!known.contains(name)) continue;
    const RowMajor<float>& from = required(matrices, name);
    to = std::copy_n(from.data(), from.size(), to);
  }
}

NamedMatrices Residual::matrices(std::span<const float> from) const {
  const float *hidden = from.data(), *shift = hidden + hidden_size(), *last = shift + bias_size();
  NamedMatrices out;
  if (hidden_size()) out["a"] = MatrixView(hidden, d_, width_);
  if (bias_size()) out["bias"] = MatrixView(shift, 1, width_);
  out[kind_ == ResidualKind::linear ? "m" : "b"] = MatrixView(last, width_, d_);
  return out;
}

void Residual::forward(MatrixView queries, Pass& pass, int num_threads) const {
  pass.u.resize(queries.rows(), d_);
  if (kind_ == ResidualKind::linear) {
    multiply(queries, b(), out(pass.u), num_threads);
  } else {
    pass.before = multiply(queries, a(), num_threads);
    if (kind_ == ResidualKind::mlp) {
      pass.before.rowwise() += bias().row(0);
      pass.after = pass.before.unaryExpr([](float x) { return gelu(x); });
    } else {
      pass.after = pass.before;
    }
    multiply(view(pass.after), b(), out(pass.u), num_threads);
  }
  pass.u += queries;
}

void Residual::backward(MatrixView queries, const Pass& pass, const RowMajor<float>& du,
                        std::span<float> gradient, int num_threads) const {
  const auto to = [&](std::ptrdiff_t at, std::ptrdiff_t rows, std::ptrdiff_t cols) {
    return MatrixOut(gradient.data() + at, rows, cols);
  };
  const MatrixOut last = to(hidden_size() + bias_size(), width_, d_);
  if (kind_ == ResidualKind::linear)
    return multiply_first_transposed(queries, view(du), last, num_threads);
  multiply_first_transposed(view(pass.after), view(du), last, num_threads);
  RowMajor<float> inner = multiply_transposed(view(du), b(), num_threads);  // (b, w)
  if (kind_ == ResidualKind::mlp) {
    inner.array() *= pass.before.unaryExpr([](float x) { return gelu_derivative(x); }).array();
    MatrixOut bias = to(hidden_size(), 1, width_);
    bias.setZero();
    for (std::ptrdiff_t i = 0; i < inner.rows(); ++i) bias += inner.row(i);
  }
  multiply_first_transposed(queries, view(inner), to(0, d_, width_), num_threads);
}

// |A B|^2 = sum of the products of the entries of A'A and BB', both (w, w): no (d, d) matrix.
double Residual::penalty(double lambda, int num_threads) const {
  if (kind_ != ResidualKind::low_rank) return lambda * b().cast<double>().squaredNorm();
  const RowMajor<float> inner = multiply_first_transposed(a(), a(), num_threads);
  const RowMajor<float> outer = multiply_transposed(b(), b(), num_threads);
  return lambda * inner.cast<double>().cwiseProduct(outer.cast<double>()).sum();
}

void Residual::add_penalty(double lambda, std::span<float> gradient, int num_threads) const {
  if (lambda == 0) return;
  const auto twice = float(2 * lambda);
  const auto add = [&](MatrixView part, std::ptrdiff_t at) {
    kernels().add_scaled(gradient.data() + at, part.data(), twice, std::size_t(part.size()));
  };
  if (kind_ != ResidualKind::low_rank) return add(b(), hidden_size() + bias_size());
  const RowMajor<float> outer = multiply_transposed(b(), b(), num_threads);
  const RowMajor<float> inner = multiply_first_transposed(a(), a(), num_threads);
  add(view(multiply(a(), view(outer), num_threads)), 0);
  add(view(multiply(view(inner), b(), num_threads)), hidden_size());
}

}  // namespace ragtune
