#include "ranks.hpp"

#include <algorithm>
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

// Some consecutive queries: what one thread counts for.
class QueryBlock {
 public:
  QueryBlock(MatrixView corpus, MatrixView queries, MatrixView adapted,
             std::span<const float> alphas, const QrelsView& qrels, std::ptrdiff_t first,
             std::ptrdiff_t size)
      : corpus_(corpus),
        alphas_(alphas),
        qrels_(qrels),
        first_(first),
        size_(size),
        m_(adapted.rows() / queries.rows()),
        packed_(view(stacked(queries, adapted))),
        scorer_(packed_) {
    score_judged();
  }

  // Adds to each rank the documents that stand above; ranks as relevant_ranks returns them.
  void count(std::vector<std::int32_t>& ranks) {
    const auto block = std::ptrdiff_t(scorer_.block());
    for (std::ptrdiff_t row = 0; row < corpus_.rows(); row += block) {
      const std::ptrdiff_t count = std::min(block, corpus_.rows() - row);
      const float* scores =
          scorer_.score_rows(corpus_.data() + row * corpus_.cols(), std::size_t(count));
      for (std::ptrdiff_t q = 0; q < size_; ++q)
        for (std::ptrdiff_t r = 0; r < judged_[std::size_t(q)].cols(); ++r)
          count_above(ranks, scores, {q, r, row, count});
    }
  }

 private:
  struct Place {
    std::ptrdiff_t q, r, row, count;  // query and judgment; documents [row, row + count)
  };

  // The queries of the block, frozen first, then under each adapter: ((m + 1) size, d).
  RowMajor<float> stacked(MatrixView queries, MatrixView adapted) const {
    RowMajor<float> out((m_ + 1) * size_, queries.cols());
    out.topRows(size_) = queries.middleRows(first_, size_);
    for (std::ptrdiff_t i = 0; i < m_; ++i)
      out.middleRows((i + 1) * size_, size_) =
          adapted.middleRows(i * queries.rows() + first_, size_);
    return out;
  }

  std::int64_t begin_of(std::ptrdiff_t q) const { return qrels_.offsets[std::size_t(first_ + q)]; }

  // Scores of each query's judged documents, frozen and under each adapter: (m + 1, judged).
  // They come out of the same scorer as all others, so that a tie is a tie to the bit.
  void score_judged() {
    struct Pair {
      std::ptrdiff_t q, r;
    };
    std::vector<Pair> pairs;
    std::vector<const float*> documents;
    for (std::ptrdiff_t q = 0; q < size_; ++q) {
      const std::int64_t begin = begin_of(q), end = begin_of(q + 1);
      judged_.emplace_back(m_ + 1, end - begin);
      for (std::int64_t at = begin; at < end; ++at) {
        pairs.push_back({q, at - begin});
        documents.push_back(corpus_.data() + qrels_.ids[std::size_t(at)] * corpus_.cols());
      }
    }
    const std::size_t block = scorer_.block();
    for (std::size_t first = 0; first < pairs.size(); first += block) {
      const std::size_t count = std::min(block, pairs.size() - first);
      const float* scores = scorer_.score(documents.data() + first, count);
      for (std::size_t j = 0; j < count; ++j) {
        const auto [q, r] = pairs[first + j];
        for (std::ptrdiff_t i = 0; i <= m_; ++i)
          judged_[std::size_t(q)](i, r) = scores[std::size_t(i * size_ + q) * block + j];
      }
    }
  }

  void count_above(std::vector<std::int32_t>& ranks, const float* scores, Place at) const {
    const auto block = std::ptrdiff_t(scorer_.block());
    const auto pair = std::size_t(begin_of(at.q) + at.r), nnz = qrels_.ids.size();
    const RowMajor<float>& own = judged_[std::size_t(at.q)];
    // Rows before the judged one win a tie, rows after it lose one.
    const auto ties = std::clamp<std::ptrdiff_t>(qrels_.ids[pair] - at.row, 0, at.count);
    const float* frozen = scores + at.q * block;
    for (std::ptrdiff_t i = 0; i < m_; ++i) {
      const float* shifted = scores + ((i + 1) * size_ + at.q) * block;
      for (std::size_t s = 0; s < alphas_.size(); ++s) {
        const float alpha = alphas_[s], mine = blend(own(0, at.r), own(i + 1, at.r), alpha);
        std::int32_t above = 0;
        for (std::ptrdiff_t j = 0; j < ties; ++j)
          above += blend(frozen[j], shifted[j], alpha) >= mine;
        for (std::ptrdiff_t j = ties; j < at.count; ++j)
          above += blend(frozen[j], shifted[j], alpha) > mine;
        ranks[(std::size_t(i) * alphas_.size() + s) * nnz + pair] += above;
      }
    }
  }

  MatrixView corpus_;
  std::span<const float> alphas_;
  const QrelsView& qrels_;
  std::ptrdiff_t first_, size_, m_;
  PackedQueries packed_;
  TileScorer scorer_;
  std::vector<RowMajor<float>> judged_;  // by query
};

constexpr std::ptrdiff_t QUERIES = 48;  // per block

}  // namespace

std::vector<std::int32_t> relevant_ranks(MatrixView corpus, MatrixView queries, MatrixView adapted,
                                         std::span<const float> alphas, const QrelsView& qrels,
                                         int num_threads) {
  check(corpus, queries, adapted, qrels);
  const std::ptrdiff_t nq = queries.rows(), m = adapted.rows() / nq;
  std::vector<std::int32_t> ranks(std::size_t(m) * alphas.size() * qrels.ids.size(), 0);
  // Each query's ranks are counted by one task, so no two threads write to one place.
  parallel_for((nq + QUERIES - 1) / QUERIES,
               [&](std::ptrdiff_t task) {
                 const std::ptrdiff_t first = task * QUERIES;
                 QueryBlock(corpus, queries, adapted, alphas, qrels, first,
                            std::min(QUERIES, nq - first))
                     .count(ranks);
               },
               num_threads, 1);
  return ranks;
}

}  // namespace ragtune
