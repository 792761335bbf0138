// Borrowed, row-major views of memory that somebody else owns.
//
//   n rows, d columns; element (i, j) is at data[i * d + j].
//
// A view never owns and never copies: the caller keeps the array alive.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ragtune {

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

using MatrixView = Eigen::Map<const RowMajor<float>>;      // (n, d) embeddings
using MatrixOut = Eigen::Map<RowMajor<float>>;             // (n, d) to be written
using IdsView = Eigen::Map<const RowMajor<std::int64_t>>;  // (nq, k) corpus rows, -1 is none

inline MatrixView view(const RowMajor<float>& m) { return {m.data(), m.rows(), m.cols()}; }
inline MatrixOut out(RowMajor<float>& m) { return {m.data(), m.rows(), m.cols()}; }

// As errors tell it: "(2, 3)".
inline std::string shape(MatrixView m) {
  return "(" + std::to_string(m.rows()) + ", " + std::to_string(m.cols()) + ")";
}

// Relevance judgments in CSR form: query q owns the half-open slice
// [offsets[q], offsets[q + 1]) of ids and grades.
struct QrelsView {
  std::span<const std::int64_t> offsets;  // (nq + 1,)
  std::span<const std::int64_t> ids;      // (nnz,) corpus rows
  std::span<const float> grades;          // (nnz,) relevance, 0 and below is not relevant

  std::ptrdiff_t queries() const { return std::ssize(offsets) - 1; }
};

// Throws std::invalid_argument unless offsets start at 0, never fall, end at nnz,
// and ids and grades have the same length.
void check_qrels(const QrelsView& qrels);

}  // namespace ragtune
