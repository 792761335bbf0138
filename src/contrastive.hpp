// Query adapters that learn by contrast: InfoNCE on (query, relevant documents).
//
//   n documents, nq queries, d dimensions, temperature t, all rows of unit length.
//
//   minimise  mean_q InfoNCE(u_q / |u_q|) + penalty,   u_q = q + residual(q)
//
// with the losses of info_nce.hpp (whole corpus: corpus_loss.hpp, mined: mined_loss.hpp), the
// residuals and their penalties of residual.hpp, and Adam of optimizer.hpp. Queries are shuffled
// each epoch and taken `batch` at a time; those without a relevant document are left out.
//
// With a validation set nDCG@10 on it is measured before the first epoch and after each one; the
// weights returned are the best by it, the earliest among equals, and training ends when
// `patience` epochs brought nothing better. The bytes of the result depend on the seed and the
// kernel set, not on the number of threads.
#pragma once

#include <functional>
#include <optional>

#include "residual.hpp"

namespace ragtune {

enum class NegativeKind { corpus, mined };

// "corpus" or "mined". Throws std::invalid_argument for any other name.
NegativeKind negative_kind(const std::string& name);

struct TrainingSet {
  MatrixView queries;  // (nq, d)
  QrelsView qrels;     // rows of the corpus; grades of 0 and below are not relevant
};

struct ContrastiveOptions {
  ResidualKind kind = ResidualKind::linear;
  std::ptrdiff_t width = 32;  // rank or hidden units; ignored if linear
  double temperature = 0.05;
  double penalty = 1e-2;
  double learning_rate = 1e-3;
  std::int64_t epochs = 30;
  std::int64_t batch = 256;
  std::uint64_t seed = 0;
  NegativeKind negatives = NegativeKind::corpus;
  std::int64_t patience = 5;  // epochs; 0: never stop early
  double warm_up = 0.1;       // share of all steps
  double clip = 1.0;          // largest gradient norm
  double drift = 3.0;         // of CorpusLoss, in temperatures
  std::int64_t shortlist = 24;
  std::int64_t remine = 5;                 // epochs between two searches for hard negatives
  std::optional<NamedMatrices> initial{};  // a warm start; its width counts
  int num_threads = 0;

  // progress(step, steps, loss of the last batch) after each step, and now and then during long
  // ones; true ends the training, an exception reaches the caller.
  std::function<bool(std::int64_t, std::int64_t, double)> progress{};
};

struct ContrastiveResult {
  NamedMatrices matrices;          // as Residual takes them
  std::vector<double> loss;        // mean InfoNCE of each epoch's batches, without penalty
  std::vector<double> validation;  // nDCG@10 before the first epoch and after each one
  std::int64_t best_epoch = 0;     // whose weights these are; 0: those of the start
  std::int64_t steps = 0;
  std::int64_t measured = 0;  // queries measured against the whole corpus, over all epochs
  bool cancelled = false;
};

// Throws std::invalid_argument if shapes differ, a row is not in [0, n), an option is out of
// range, no query has a relevant document, or the training diverges.
ContrastiveResult train_contrastive(MatrixView corpus, const TrainingSet& training,
                                    const std::optional<TrainingSet>& validation,
                                    const ContrastiveOptions& options);

// The loss against the whole corpus on all queries as one batch, and its gradient. Given an
// `anchor`, the corpus is measured under that residual and only estimated under this one.
struct LossAndGradient {
  double loss;  // mean InfoNCE plus penalty
  NamedMatrices gradient;
  double mean_squared_drift;  // of |q' - q0|, 0 without an anchor
};
LossAndGradient contrastive_loss(MatrixView corpus, const TrainingSet& training,
                                 const Residual& residual, const std::optional<Residual>& anchor,
                                 const ContrastiveOptions& options);

}  // namespace ragtune
