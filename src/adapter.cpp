#include "adapter.hpp"

#include <stdexcept>
#include <string>

#include "simd.hpp"
#include "tiles.hpp"

namespace ragtune {

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

RowMajor<float> Adapter::matrix() const {
  if (is_identity()) return RowMajor<float>::Identity(d_, d_);
  return columns_.transpose();
}

RowMajor<float> Adapter::apply(MatrixView queries, int num_threads) const {
  if (queries.cols() != d_)
    throw std::invalid_argument("queries: expected " + std::to_string(d_) + " dimensions, got " +
                                std::to_string(queries.cols()));
  RowMajor<float> out(queries.rows(), d_);
  if (is_identity()) {
    out = queries;
  } else if (queries.rows() == 1) {
    kernels().dot_rows(queries.data(), columns_.data(), std::size_t(d_), std::size_t(d_),
                       out.data());
  } else {
    out = multiply_transposed(queries, MatrixView(columns_.data(), d_, d_), num_threads);
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
