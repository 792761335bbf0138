#include "tiles.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "packing.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

// Steps packed at a time: nr documents of this depth stay in the first cache.
constexpr std::size_t DEPTH = 512;
constexpr std::size_t MAX_BLOCK = 32;

}  // namespace

PackedQueries::PackedQueries(std::size_t rows, std::size_t dimensions)
    : rows_(rows),
      dimensions_(dimensions),
      padded_(rounded_up(rows_, kernels().mr)),
      data_(std::make_unique_for_overwrite<float[]>(padded_ * dimensions_)) {
  if (padded_ == rows_) return;
  const std::size_t mr = kernels().mr;
  for (std::size_t depth = 0; depth < dimensions_; depth += DEPTH) {
    const std::size_t length = std::min(DEPTH, dimensions_ - depth);
    std::fill_n(data_.get() + depth * padded_ + (padded_ - mr) * length, mr * length, 0.0f);
  }
}

PackedQueries::PackedQueries(MatrixView queries)
    : PackedQueries(std::size_t(queries.rows()), std::size_t(queries.cols())) {
  const std::size_t mr = kernels().mr;
  for (std::size_t depth = 0; depth < dimensions_; depth += DEPTH) {
    const std::size_t length = std::min(DEPTH, dimensions_ - depth);
    for (std::size_t q = 0; q < rows_; q += mr)
      pack_side_by_side(
          std::min(mr, rows_ - q), length, mr,
          [&](std::size_t i) { return queries.data() + (q + i) * dimensions_ + depth; },
          data_.get() + depth * padded_ + q * length);
  }
}

PackedQueries PackedQueries::of_columns(MatrixView a) {
  PackedQueries out(std::size_t(a.cols()), std::size_t(a.rows()));
  const std::size_t mr = kernels().mr;
  for (std::size_t p = 0; p < out.dimensions_; ++p) {
    const std::size_t depth = p / DEPTH * DEPTH, length = std::min(DEPTH, out.dimensions_ - depth);
    const float* from = a.data() + p * out.rows_;
    float* to = out.data_.get() + depth * out.padded_ + (p - depth) * mr;
    for (std::size_t q = 0; q < out.rows_; q += mr)
      copy_few(from + q, std::min(mr, out.rows_ - q), to + q * length);
  }
  return out;
}

TileScorer::TileScorer(const PackedQueries& queries)
    : queries_(queries),
      kernels_(kernels()),
      documents_(kernels_.nr * std::min(DEPTH, std::max<std::size_t>(queries.dimensions(), 1))),
      scores_(queries.padded_rows() * kernels_.nr) {}

void TileScorer::pack(const float* const* documents, std::size_t count, std::size_t depth,
                      std::size_t length) {
  const std::size_t nr = kernels_.nr;
  if (count < nr) std::fill_n(documents_.begin(), nr * length, 0.0f);
  pack_side_by_side(
      count, length, nr, [&](std::size_t j) { return documents[j] + depth; }, documents_.data());
}

const float* TileScorer::score(const float* const* documents, std::size_t count) {
  const std::size_t d = queries_.dimensions();
  if (d == 0) std::fill(scores_.begin(), scores_.end(), 0.0f);
  for (std::size_t depth = 0; depth < d; depth += DEPTH) {
    const std::size_t length = std::min(DEPTH, d - depth);
    pack(documents, count, depth, length);
    for (std::size_t q = 0; q < queries_.padded_rows(); q += kernels_.mr)
      kernels_.tile(queries_.panel(q, depth, length), kernels_.mr, documents_.data(), length,
                    scores_.data() + q * kernels_.nr, depth > 0);
  }
  return scores_.data();
}

const float* TileScorer::score_rows(const float* first_row, std::size_t count) {
  std::array<const float*, MAX_BLOCK> rows;
  for (std::size_t j = 0; j < count; ++j) rows[j] = first_row + j * queries_.dimensions();
  return score(rows.data(), count);
}

RowMajor<float> multiply_transposed(MatrixView a, MatrixView b, int num_threads) {
  if (a.cols() != b.cols())
    throw std::invalid_argument("expected equal dimensions, got " + std::to_string(a.cols()) +
                                " and " + std::to_string(b.cols()));
  RowMajor<float> out(a.rows(), b.rows());
  const PackedQueries packed(a);
  const auto nr = std::ptrdiff_t(kernels().nr);
  const std::ptrdiff_t span = nr * std::clamp<std::ptrdiff_t>(b.rows() / nr / 16, 1, 16);
  parallel_for(
      (b.rows() + span - 1) / span,
      [&](std::ptrdiff_t part) {
        TileScorer scorer(packed);
        const auto end = std::min<std::ptrdiff_t>(b.rows(), (part + 1) * span);
        for (auto row = part * span; row < end; row += std::ptrdiff_t(scorer.block())) {
          const auto count = std::min<std::ptrdiff_t>(std::ptrdiff_t(scorer.block()), end - row);
          const float* scores = scorer.score_rows(b.data() + row * b.cols(), std::size_t(count));
          for (std::ptrdiff_t q = 0; q < a.rows(); ++q, scores += scorer.block())
            std::copy_n(scores, count, out.data() + q * b.rows() + row);
        }
      },
      num_threads, 1);
  return out;
}

namespace {

// `count` of the nr columns of b (k, n) from `first` on, steps [depth, depth + length).
void pack_columns(MatrixView b, std::size_t first, std::size_t count, std::size_t depth,
                  std::size_t length, float* to) {
  const std::size_t nr = kernels().nr, n = std::size_t(b.cols());
  const float* from = b.data() + depth * n + first;
  for (std::size_t p = 0; p < length; ++p, from += n, to += nr) copy_few(from, count, to);
}

// left (m, k) times columns [first, first + nr) of b (k, n), or as many as there are.
void multiply_panel(const PackedQueries& left, MatrixView b, std::size_t first, MatrixOut out) {
  const Kernels& kernel = kernels();
  const std::size_t nr = kernel.nr, n = std::size_t(b.cols()), k = left.dimensions();
  const std::size_t count = std::min(nr, n - first);
  const auto panel = std::make_unique_for_overwrite<float[]>(std::min(DEPTH, k) * nr);
  const auto sums = std::make_unique_for_overwrite<float[]>(left.padded_rows() * nr);
  if (count < nr) std::fill_n(panel.get(), std::min(DEPTH, k) * nr, 0.0f);
  if (k == 0) std::fill_n(sums.get(), left.padded_rows() * nr, 0.0f);
  for (std::size_t depth = 0; depth < k; depth += DEPTH) {
    const std::size_t length = std::min(DEPTH, k - depth);
    pack_columns(b, first, count, depth, length, panel.get());
    for (std::size_t q = 0; q < left.padded_rows(); q += kernel.mr)
      kernel.tile(left.panel(q, depth, length), kernel.mr, panel.get(), length, sums.get() + q * nr,
                  depth > 0);
  }
  for (std::size_t q = 0; q < left.rows(); ++q)
    copy_few(sums.get() + q * nr, count, out.data() + q * n + first);
}

void write_product(const PackedQueries& left, MatrixView b, MatrixOut out, int num_threads) {
  if (std::ptrdiff_t(left.dimensions()) != b.rows())
    throw std::invalid_argument("b: expected " + std::to_string(left.dimensions()) + " rows, got " +
                                std::to_string(b.rows()));
  if (out.rows() != std::ptrdiff_t(left.rows()) || out.cols() != b.cols())
    throw std::invalid_argument("out: expected " + std::to_string(left.rows()) + " rows and " +
                                std::to_string(b.cols()) + " columns, got " +
                                shape({out.data(), out.rows(), out.cols()}));
  const auto nr = std::ptrdiff_t(kernels().nr);
  parallel_for((b.cols() + nr - 1) / nr,
               [&](std::ptrdiff_t part) { multiply_panel(left, b, std::size_t(part * nr), out); },
               num_threads, 1);
}

RowMajor<float> product(const PackedQueries& left, MatrixView b, int num_threads) {
  RowMajor<float> own(std::ptrdiff_t(left.rows()), b.cols());
  write_product(left, b, out(own), num_threads);
  return own;
}

}  // namespace

RowMajor<float> multiply(MatrixView a, MatrixView b, int num_threads) {
  return product(PackedQueries(a), b, num_threads);
}

void multiply(MatrixView a, MatrixView b, MatrixOut out, int num_threads) {
  write_product(PackedQueries(a), b, out, num_threads);
}

RowMajor<float> multiply_first_transposed(MatrixView a, MatrixView b, int num_threads) {
  return product(PackedQueries::of_columns(a), b, num_threads);
}

void multiply_first_transposed(MatrixView a, MatrixView b, MatrixOut out, int num_threads) {
  write_product(PackedQueries::of_columns(a), b, out, num_threads);
}

}  // namespace ragtune
