#include "pointwise.hpp"

#include <stdexcept>
#include <string>

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

}  // namespace ragtune
