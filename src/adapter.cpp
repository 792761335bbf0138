#include "adapter.hpp"

#include <stdexcept>
#include <string>

#include "exponential.hpp"
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

Adapter Adapter::residual(ResidualKind kind, const NamedMatrices& matrices) {
  Residual(kind, matrices);  // checks them
  if (kind == ResidualKind::linear) {
    RowMajor<float> w = matrices.at("m");
    w.diagonal().array() += 1.0f;
    return linear(view(w));
  }
  Adapter out = identity(matrices.at("b").cols());
  out.kind_ = kind;
  out.columns_ = matrices.at("b").transpose();
  out.inner_ = matrices.at("a").transpose();
  if (kind == ResidualKind::mlp) out.bias_ = matrices.at("bias");
  return out;
}

RowMajor<float> Adapter::matrix() const {
  if (is_identity()) return RowMajor<float>::Identity(d_, d_);
  if (kind_ == ResidualKind::linear) return columns_.transpose();
  if (kind_ == ResidualKind::mlp)
    throw std::invalid_argument("matrix: expected a linear or low_rank adapter, got mlp");
  RowMajor<float> w =
      multiply_first_transposed(view(inner_), view(RowMajor<float>(columns_.transpose())));
  w.diagonal().array() += 1.0f;
  return w;
}

NamedMatrices Adapter::matrices() const {
  NamedMatrices out;
  if (is_identity()) return out;
  if (kind_ == ResidualKind::linear) {
    RowMajor<float> m = columns_.transpose();
    m.diagonal().array() -= 1.0f;
    out["m"] = m;
    return out;
  }
  out["a"] = inner_.transpose();
  out["b"] = columns_.transpose();
  if (kind_ == ResidualKind::mlp) out["bias"] = bias_;
  return out;
}

RowMajor<float> Adapter::apply(MatrixView queries, int num_threads) const {
  if (queries.cols() != d_)
    throw std::invalid_argument("queries: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(queries.cols()));
  RowMajor<float> out;
  if (is_identity()) {
    out = queries;
  } else if (kind_ == ResidualKind::linear) {
    out = times_columns(queries, columns_, num_threads);
  } else {
    RowMajor<float> hidden = times_columns(queries, inner_, num_threads);
    if (kind_ == ResidualKind::mlp) {
      hidden.rowwise() += bias_.row(0);
      hidden = hidden.unaryExpr([](float x) { return gelu(x); }).eval();
    }
    out = times_columns(view(hidden), columns_, num_threads) + queries;
  }
  normalize_rows(out);
  return out;
}

RowMajor<float> shrunk_to_identity(MatrixView w, float alpha) {
  RowMajor<float> out = alpha * w;
  out.diagonal().array() += 1.0f - alpha;
  return out;
}

void normalize_rows(RowMajor<float>& rows) {
  for (std::ptrdiff_t i = 0; i < rows.rows(); ++i) {
    const double length = rows.row(i).cast<double>().norm();
    if (length > 0) rows.row(i) = (rows.row(i).cast<double>() / length).cast<float>();
  }
}

}  // namespace ragtune
