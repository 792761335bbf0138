// InfoNCE against mined negatives, for corpora too large to be measured whole.
//
//   nq training queries, b of them in a batch, h hard negatives per query at most.
//
// The negatives of a query are
//   - its hard negatives: from the first 10 ranks of the current model, at most 4, none that
//     scores above 95 % of the best relevant document's score: those are relevant too often
//     (de Souza P. Moreira et al. 2024, arXiv 2407.15831); mined again every `remine` epochs;
//   - the relevant documents of the other queries in the batch;
//   - `random` rows of the corpus, drawn anew for each batch.
// Never a document that is relevant to the query, and none twice.
#pragma once

#include <functional>

#include "info_nce.hpp"
#include "random.hpp"

namespace ragtune {

constexpr std::ptrdiff_t HARD = 4, HARD_DEPTH = 10;
constexpr double HARD_SHARE = 0.95;

// adapted (nq, d) -> (nq, HARD) rows, -1 where there is none. A query without a relevant
// document has none. `checkpoint` is called now and then.
RowMajor<std::int64_t> hard_negatives(MatrixView corpus, MatrixView adapted,
                                      const Positives& positives, int num_threads = 0,
                                      const std::function<void()>& checkpoint = {});

// One batch: adapted (b, d), queries (b,) their numbers, hard (b, HARD), shared rows in rising
// order, each once. The gradient (b, d) is overwritten.  -> the sum of the losses
struct SampledBatch {
  MatrixView adapted;
  std::span<const std::int64_t> queries;
  const RowMajor<std::int64_t>& hard;
  std::span<const std::int64_t> shared;
};
double sampled_loss(MatrixView corpus, const Positives& positives, const SampledBatch& batch,
                    double temperature, RowMajor<float>& gradient, int num_threads = 0);

struct MinedLossOptions {
  double temperature = 0.05;
  std::size_t random = 64;
  std::uint64_t seed = 0;
  int num_threads = 0;
};

class MinedLoss : public Loss {
 public:
  // corpus (n, d) and positives must outlive this.
  MinedLoss(MatrixView corpus, const Positives& positives, MinedLossOptions options);

  // hard (nq, HARD), as hard_negatives returns them.
  void set_hard(RowMajor<std::int64_t> hard) { hard_ = std::move(hard); }

  double evaluate(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                  RowMajor<float>& gradient) override;

 private:
  MatrixView corpus_;
  const Positives& positives_;
  MinedLossOptions options_;
  Stream random_;
  RowMajor<std::int64_t> hard_;
};

}  // namespace ragtune
