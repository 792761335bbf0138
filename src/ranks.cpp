#include "ranks.hpp"

#include <stdexcept>
#include <string>

#include "parallel.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

void check(MatrixView corpus, MatrixView queries, MatrixView adapted, const QrelsView& qrels) {
  check_qrels(qrels);
  if (queries.cols() != corpus.cols() || (adapted.rows() && adapted.cols() != corpus.cols()))
    throw std::invalid_argument("queries and adapted: expected " + std::to_string(corpus.cols()) +
                                " dimensions, got " + std::to_string(queries.cols()) + " and " +
                                std::to_string(adapted.cols()));
  if (qrels.queries() != queries.rows())
    throw std::invalid_argument("qrels: expected " + std::to_string(queries.rows()) +
                                " queries, got " + std::to_string(qrels.queries()));
  if (queries.rows() == 0 || adapted.rows() % queries.rows() != 0)
    throw std::invalid_argument("adapted: expected a multiple of " +
                                std::to_string(queries.rows()) + " rows, got " +
                                std::to_string(adapted.rows()));
  for (std::int64_t id : qrels.ids)
    if (id < 0 || id >= corpus.rows())
      throw std::invalid_argument("qrels: expected rows in [0, " + std::to_string(corpus.rows()) +
                                  "), got " + std::to_string(id));
}

float blend(float frozen, float adapted, float alpha) {
  return frozen + alpha * (adapted - frozen);
}

// The scores of one query's judged documents, frozen and under each adapter: (m + 1, judged).
RowMajor<float> judged_scores(MatrixView corpus, MatrixView queries, MatrixView adapted,
                              std::ptrdiff_t q, std::span<const std::int64_t> judged) {
  const std::ptrdiff_t nq = queries.rows(), d = corpus.cols(), m = adapted.rows() / nq;
  RowMajor<float> variants(m + 1, d);
  variants.row(0) = queries.row(q);
  for (std::ptrdiff_t i = 0; i < m; ++i) variants.row(i + 1) = adapted.row(i * nq + q);
  const PackedQueries packed(MatrixView(variants.data(), m + 1, d));
  TileScorer scorer(packed);
  RowMajor<float> out(m + 1, std::ssize(judged));
  for (std::ptrdiff_t r = 0; r < std::ssize(judged); ++r) {
    const float* document = corpus.data() + judged[std::size_t(r)] * d;
    const float* scores = scorer.score(&document, 1);
    for (std::ptrdiff_t i = 0; i <= m; ++i) out(i, r) = scores[i * std::ptrdiff_t(scorer.block())];
  }
  return out;
}

}  // namespace

std::vector<std::int32_t> relevant_ranks(MatrixView corpus, MatrixView queries,
                                         MatrixView adapted, std::span<const float> alphas,
                                         const QrelsView& qrels, int num_threads) {
  check(corpus, queries, adapted, qrels);
  const std::ptrdiff_t nq = queries.rows(), n = corpus.rows(), d = corpus.cols();
  const std::ptrdiff_t m = adapted.rows() / nq, a = std::ssize(alphas), nnz = std::ssize(qrels.ids);
  std::vector<std::int32_t> ranks(std::size_t(m * a * nnz), 0);

  // One task per block of queries: it owns its counters, so the sum has one order.
  constexpr std::ptrdiff_t QUERIES = 48;
  parallel_for(
      (nq + QUERIES - 1) / QUERIES,
      [&](std::ptrdiff_t task) {
        const std::ptrdiff_t first = task * QUERIES, size = std::min(QUERIES, nq - first);
        RowMajor<float> stacked((m + 1) * size, d);
        std::vector<RowMajor<float>> judged;
        stacked.topRows(size) = queries.middleRows(first, size);
        for (std::ptrdiff_t i = 0; i < m; ++i)
          stacked.middleRows((i + 1) * size, size) = adapted.middleRows(i * nq + first, size);
        for (std::ptrdiff_t q = first; q < first + size; ++q) {
          const auto begin = std::size_t(qrels.offsets[std::size_t(q)]);
          const auto count = std::size_t(qrels.offsets[std::size_t(q) + 1]) - begin;
          judged.push_back(
              judged_scores(corpus, queries, adapted, q, qrels.ids.subspan(begin, count)));
        }
        const PackedQueries packed(MatrixView(stacked.data(), stacked.rows(), d));
        TileScorer scorer(packed);
        const auto block = std::ptrdiff_t(scorer.block());
        for (std::ptrdiff_t row = 0; row < n; row += block) {
          const std::ptrdiff_t count = std::min(block, n - row);
          const float* scores = scorer.score_rows(corpus.data() + row * d, std::size_t(count));
          for (std::ptrdiff_t q = 0; q < size; ++q) {
            const std::int64_t begin = qrels.offsets[std::size_t(first + q)];
            const RowMajor<float>& own = judged[std::size_t(q)];
            const float* frozen = scores + q * block;
            for (std::ptrdiff_t r = 0; r < own.cols(); ++r) {
              const std::int64_t target = qrels.ids[std::size_t(begin + r)];
              // Rows before the target win a tie, rows after it lose one.
              const auto ties = std::clamp<std::ptrdiff_t>(target - row, 0, count);
              for (std::ptrdiff_t i = 0; i < m; ++i) {
                const float* shifted = scores + ((i + 1) * size + q) * block;
                for (std::ptrdiff_t s = 0; s < a; ++s) {
                  const float alpha = alphas[std::size_t(s)];
                  const float mine = blend(own(0, r), own(i + 1, r), alpha);
                  std::int32_t above = 0;
                  for (std::ptrdiff_t j = 0; j < ties; ++j)
                    above += blend(frozen[j], shifted[j], alpha) >= mine;
                  for (std::ptrdiff_t j = ties; j < count; ++j)
                    above += blend(frozen[j], shifted[j], alpha) > mine;
                  ranks[std::size_t((i * a + s) * nnz + begin + r)] += above;
                }
              }
            }
          }
        }
      },
      num_threads, 1);
  return ranks;
}

}  // namespace ragtune
