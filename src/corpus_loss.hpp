// InfoNCE against the whole corpus, at the price of a few documents per query.
//
//   n documents, nq training queries, d dimensions, temperature t, k shortlisted documents.
//
// When a query is first met it is measured: one pass over the corpus finds its k best negatives
// (the shortlist) and, of all others together (the tail), the mass Z and the mean row
// c = sum_i p_i x_i under the softmax of the tail. From then on the shortlist is scored afresh
// each time, and the tail is one more document c with a bias:
//
//   log Z(q') ~ log Z(q0) + (q' - q0) c / t,        q0 the query when it was measured.
//
// This is the tangent of a convex function, so it never overestimates, and by Hoeffding's lemma
// (Hoeffding 1963, doi:10.1080/01621459.1963.10500830) for unit vectors
//
//   0 <= loss - estimate <= s |q' - q0|^2 / (2 t^2),
//
// with s the tail's share of the softmax, at most 1; the true gap is the variance of the tail's
// scores along q' - q0, in practice a hundredth of that. When s |q' - q0|^2 of a batch is more than
// (drift * t)^2 on average, s being that of the last loss, the queries beyond a quarter of it are
// measured again: their estimate is then exact, and so is its gradient. With drift = 0 every loss
// is exact.
#pragma once

#include <functional>

#include "info_nce.hpp"
#include "partition.hpp"

namespace ragtune {

struct CorpusLossOptions {
  double temperature = 0.05;
  std::size_t shortlist = 24;
  double drift = 3.0;  // in temperatures; infinite: a query is measured once
  int num_threads = 0;
  std::function<void()> checkpoint;  // called now and then during long measurements
};

class CorpusLoss : public Loss {
 public:
  // corpus (n, d) and positives must outlive this.
  CorpusLoss(MatrixView corpus, const Positives& positives, std::ptrdiff_t nq,
             CorpusLossOptions options);

  double evaluate(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                  RowMajor<float>& gradient) override;

  std::int64_t measured() const { return measured_; }  // how many measurements there were

 private:
  // Positions in the batch of the queries that must be measured.
  std::vector<std::size_t> moved(const RowMajor<float>& adapted,
                                 std::span<const std::int64_t> queries) const;
  void measure(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
               std::span<const std::size_t> positions);
  float floor(std::int64_t query, const float* adapted) const;
  void keep(std::int64_t query, const float* adapted, const Partition& found, std::size_t at);
  double evaluate_one(const float* adapted, std::int64_t query, float* gradient);

  const float* row(std::int64_t i) const { return corpus_.data() + i * corpus_.cols(); }

  MatrixView corpus_;
  const Positives& positives_;
  CorpusLossOptions options_;
  std::int64_t measured_ = 0;
  RowMajor<float> anchor_, tail_;                     // (nq, d): q0 and c
  std::vector<float> bias_;                           // (nq,) log Z(q0) - q0 c / t
  std::vector<std::vector<std::int32_t>> shortlist_;  // (nq,)
  std::vector<float> share_;  // (nq,) of the tail when last evaluated; 0: not measured yet
};

}  // namespace ragtune
