#include "pointwise.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "parallel.hpp"
#include "simd.hpp"

namespace ragtune {

RowMajor<float> candidate_scores(MatrixView corpus, MatrixView queries, IdsView candidates,
                                 int num_threads) {
  if (queries.cols() != corpus.cols() || candidates.rows() != queries.rows())
    throw std::invalid_argument("queries: expected shape (" + std::to_string(candidates.rows()) +
                                ", " + std::to_string(corpus.cols()) + "), got (" +
                                std::to_string(queries.rows()) + ", " +
                                std::to_string(queries.cols()) + ")");
  const auto c = candidates.cols(), d = corpus.cols();
  for (std::ptrdiff_t i = 0; i < candidates.size(); ++i)
    if (candidates.data()[i] < -1 || candidates.data()[i] >= corpus.rows())
      throw std::invalid_argument("candidates: expected rows in [-1, " +
                                  std::to_string(corpus.rows()) + "), got " +
                                  std::to_string(candidates.data()[i]));
  RowMajor<float> out(queries.rows(), c);
  const auto dot = kernels().dot;
  parallel_for(
      queries.rows(),
      [&](std::ptrdiff_t q) {
        const std::int64_t* rows = candidates.data() + q * c;
        for (std::ptrdiff_t j = 0; j < c; ++j) {
          if (j + 4 < c && rows[j + 4] >= 0) __builtin_prefetch(corpus.data() + rows[j + 4] * d);
          out(q, j) = rows[j] < 0 ? 0.0f
                                  : dot(queries.data() + q * d, corpus.data() + rows[j] * d,
                                        std::size_t(d));
        }
      },
      num_threads);
  return out;
}

RowMajor<std::int64_t> united(std::span<const IdsView> proposals, int num_threads) {
  const std::ptrdiff_t nq = proposals.empty() ? 0 : proposals[0].rows();
  for (const IdsView& rows : proposals)
    if (rows.rows() != nq)
      throw std::invalid_argument("proposals: expected " + std::to_string(nq) + " rows, got " +
                                  std::to_string(rows.rows()));
  std::vector<std::vector<std::int64_t>> found(static_cast<std::size_t>(nq));
  parallel_for(
      nq,
      [&](std::ptrdiff_t q) {
        auto& own = found[std::size_t(q)];
        for (const IdsView& rows : proposals)
          for (std::ptrdiff_t i = 0; i < rows.cols(); ++i)
            if (rows(q, i) >= 0) own.push_back(rows(q, i));
        std::ranges::sort(own);
        own.erase(std::unique(own.begin(), own.end()), own.end());
      },
      num_threads);
  std::size_t width = 1;
  for (const auto& own : found) width = std::max(width, own.size());
  RowMajor<std::int64_t> out = RowMajor<std::int64_t>::Constant(nq, std::ptrdiff_t(width), -1);
  for (std::ptrdiff_t q = 0; q < nq; ++q)
    std::ranges::copy(found[std::size_t(q)], out.row(q).data());
  return out;
}

}  // namespace ragtune
