// InfoNCE: the cross entropy of a query's relevant documents among those it must beat.
//
//   A query has p relevant documents with weights v (they sum to 1) and m negatives; l is the
//   logit of a document, its score divided by the temperature.
//
//   loss = sum_i v_i [ log(exp l_i + sum_j exp l_j) - l_i ],   j over the negatives
//
// Other relevant documents are no negatives: each is measured as if it were the only one.
// Source: van den Oord, Li & Vinyals 2018, arXiv 1807.03748.
#pragma once

#include <span>
#include <vector>

#include "views.hpp"

namespace ragtune {

// The relevant documents of each query; grades become weights that sum to 1 in a query.
struct Positives {
  // Throws std::invalid_argument if the judgments are not well formed, do not cover nq queries,
  // or a row is not in [0, n). Grades of 0 and below are left out.
  Positives(const QrelsView& qrels, std::ptrdiff_t n, std::ptrdiff_t nq);

  std::span<const std::int64_t> rows(std::int64_t query) const { return own(rows_, query); }
  std::span<const float> weights(std::int64_t query) const { return own(weights_, query); }
  bool contains(std::int64_t query, std::int64_t row) const;

  // Queries that have any, in rising order.
  std::vector<std::int64_t> queries() const;

 private:
  template <class T>
  std::span<const T> own(const std::vector<T>& all, std::int64_t query) const {
    const std::size_t begin = offsets_[std::size_t(query)];
    return std::span<const T>(all).subspan(begin, offsets_[std::size_t(query) + 1] - begin);
  }

  std::vector<std::size_t> offsets_;  // (nq + 1,)
  std::vector<std::int64_t> rows_;    // rising within a query, each once
  std::vector<float> weights_;
};

// logits (p + m,), the relevant first, become dloss / dlogit. -> loss
double info_nce(std::span<const float> weights, std::span<float> logits);

// A way to choose the negatives of a query.
class Loss {
 public:
  virtual ~Loss() = default;

  // adapted (b, d) of unit length, queries (b,) their numbers. The gradient (b, d) with respect
  // to adapted is overwritten.  -> the sum of the losses
  virtual double evaluate(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                          RowMajor<float>& gradient) = 0;
};

}  // namespace ragtune
