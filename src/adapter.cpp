#include "adapter.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "exponential.hpp"
#include "kernel_ridge.hpp"
#include "simd.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

// queries (nq, k) times the columns (m, k) of a matrix. -> (nq, m)
RowMajor<float> times_columns(MatrixView queries, const RowMajor<float>& columns, int num_threads) {
  if (queries.rows() != 1) return multiply_transposed(queries, view(columns), num_threads);
  RowMajor<float> out(1, columns.rows());
  kernels().dot_rows(queries.data(), columns.data(), std::size_t(columns.rows()),
                     std::size_t(columns.cols()), out.data());
  return out;
}

}  // namespace

Adapter Adapter::identity(std::ptrdiff_t d) {
  if (d < 1) throw std::invalid_argument("d: expected >= 1, got " + std::to_string(d));
  Adapter out;
  out.d_ = d;
  return out;
}

Adapter Adapter::linear(MatrixView w) {
  if (w.rows() != w.cols() || w.rows() < 1)
    throw std::invalid_argument("w: expected shape (d, d), got (" + std::to_string(w.rows()) +
                                ", " + std::to_string(w.cols()) + ")");
  if (!w.allFinite()) throw std::invalid_argument("w: expected finite values");
  Adapter out = identity(w.rows());
  out.columns_ = w.transpose();
  return out;
}

Adapter Adapter::residual(const std::string& name, const NamedMatrices& matrices) {
  if (name == "kernel") return kernel(matrices);
  const ResidualKind kind = residual_kind(name);
  Residual(kind, matrices);  // checks them
  if (kind == ResidualKind::linear) {
    RowMajor<float> w = matrices.at("m");
    w.diagonal().array() += 1.0f;
    return linear(view(w));
  }
  Adapter out = identity(matrices.at("b").cols());
  out.kind_ = kind == ResidualKind::mlp ? Kind::mlp : Kind::low_rank;
  out.columns_ = matrices.at("b").transpose();
  out.inner_ = matrices.at("a").transpose();
  if (kind == ResidualKind::mlp) out.bias_ = matrices.at("bias");
  return out;
}

Adapter Adapter::kernel(const NamedMatrices& matrices) {
  const RowMajor<float>& centres = required(matrices, "centres");
  const std::ptrdiff_t width = std::max<std::ptrdiff_t>(centres.rows(), 1);
  Adapter out = identity(centres.cols());
  out.kind_ = Kind::kernel;
  out.inner_ = required(matrices, "centres", width, out.d_);
  out.columns_ = required(matrices, "shifts", width, out.d_).transpose();
  out.sharpness_ = required(matrices, "sharpness", 1, 1)(0, 0);
  if (!(out.sharpness_ > 0))
    throw std::invalid_argument("sharpness: expected > 0, got " + std::to_string(out.sharpness_));
  const bool over = matrices.contains("m");
  if (over) out.under_ = required(matrices, "m", out.d_, out.d_).transpose();
  if (matrices.size() != (over ? 4 : 3))
    throw std::invalid_argument(
        "matrices: expected centres, shifts, sharpness and perhaps m for a kernel adapter, got " +
        std::to_string(matrices.size()));
  return out;
}

std::string Adapter::kind() const {
  constexpr const char* NAMES[] = {"linear", "low_rank", "mlp", "kernel"};
  return is_identity() ? "identity" : NAMES[std::size_t(kind_)];
}

RowMajor<float> Adapter::matrix() const {
  if (is_identity()) return RowMajor<float>::Identity(d_, d_);
  if (kind_ == Kind::linear) return columns_.transpose();
  if (kind_ != Kind::low_rank)
    throw std::invalid_argument("matrix: expected a linear or low_rank adapter, got " + kind());
  RowMajor<float> w =
      multiply_first_transposed(view(inner_), view(RowMajor<float>(columns_.transpose())));
  w.diagonal().array() += 1.0f;
  return w;
}

NamedMatrices Adapter::matrices() const {
  if (is_identity()) return {};
  if (kind_ == Kind::linear) {
    RowMajor<float> m = columns_.transpose();
    m.diagonal().array() -= 1.0f;
    return {{"m", m}};
  }
  if (kind_ == Kind::kernel) {
    NamedMatrices out{{"centres", inner_},
                      {"shifts", columns_.transpose()},
                      {"sharpness", RowMajor<float>::Constant(1, 1, sharpness_)}};
    if (under_.size()) out["m"] = under_.transpose();
    return out;
  }
  NamedMatrices out{{"a", inner_.transpose()}, {"b", columns_.transpose()}};
  if (kind_ == Kind::mlp) out["bias"] = bias_;
  return out;
}

Adapter Adapter::shrunk(float alpha) const {
  if (!std::isfinite(alpha))
    throw std::invalid_argument("alpha: expected a finite number, got " + std::to_string(alpha));
  Adapter out = *this;
  out.columns_ *= alpha;
  out.under_ *= alpha;
  if (!is_identity() && kind_ == Kind::linear) out.columns_.diagonal().array() += 1.0f - alpha;
  return out;
}

RowMajor<float> Adapter::hidden(MatrixView queries, int num_threads) const {
  RowMajor<float> out = times_columns(queries, inner_, num_threads);
  if (kind_ == Kind::mlp) {
    out.rowwise() += bias_.row(0);
    return out.unaryExpr([](float x) { return gelu(x); });
  }
  if (kind_ == Kind::kernel)
    return out.unaryExpr([this](float x) { return gaussian(x, sharpness_); });
  return out;
}

RowMajor<float> Adapter::moved(MatrixView queries, int num_threads) const {
  if (queries.cols() != d_)
    throw std::invalid_argument("queries: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(queries.cols()));
  if (is_identity()) return queries;
  if (kind_ == Kind::linear) return times_columns(queries, columns_, num_threads);
  if (kind_ != Kind::kernel)
    return times_columns(view(hidden(queries, num_threads)), columns_, num_threads) + queries;
  RowMajor<float> unit = queries;
  normalize_rows(unit);
  RowMajor<float> out =
      times_columns(view(hidden(view(unit), num_threads)), columns_, num_threads) + unit;
  if (under_.size()) out += times_columns(view(unit), under_, num_threads);
  for (std::ptrdiff_t i = 0; i < out.rows(); ++i)
    if (unit.row(i).isZero(0)) out.row(i).setZero();  // it has no direction to be moved in
  return out;
}

RowMajor<float> Adapter::apply(MatrixView queries, int num_threads) const {
  RowMajor<float> out = moved(queries, num_threads);
  normalize_rows(out);
  return out;
}

void normalize_rows(RowMajor<float>& rows) {
  for (std::ptrdiff_t i = 0; i < rows.rows(); ++i) {
    const double length = rows.row(i).cast<double>().norm();
    if (length > 0) rows.row(i) = (rows.row(i).cast<double>() / length).cast<float>();
  }
}

}  // namespace ragtune
