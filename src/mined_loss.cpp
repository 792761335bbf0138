#include "mined_loss.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "parallel.hpp"
#include "simd.hpp"
#include "tiles.hpp"
#include "topk.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t MINED_TOGETHER = 256;  // queries between two checkpoints

RowMajor<float> gathered(MatrixView corpus, std::span<const std::int64_t> rows) {
  RowMajor<float> out(std::ssize(rows), corpus.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) out.row(std::ptrdiff_t(i)) = corpus.row(rows[i]);
  return out;
}

float score_of(MatrixView corpus, std::int64_t row, const float* adapted) {
  const auto d = std::size_t(corpus.cols());
  return kernels().dot(adapted, corpus.data() + std::size_t(row) * d, d);
}

}  // namespace

RowMajor<std::int64_t> hard_negatives(MatrixView corpus, MatrixView adapted,
                                      const Positives& positives, int num_threads,
                                      const std::function<void()>& checkpoint) {
  const std::ptrdiff_t nq = adapted.rows(), d = adapted.cols();
  RowMajor<std::int64_t> out = RowMajor<std::int64_t>::Constant(nq, HARD, -1);
  for (std::ptrdiff_t first = 0; first < nq; first += MINED_TOGETHER) {
    if (checkpoint) checkpoint();
    const std::ptrdiff_t count = std::min(MINED_TOGETHER, nq - first);
    const Ranking found = exact_search(corpus, {adapted.data() + first * d, count, d}, HARD_DEPTH,
                                       {.num_threads = num_threads});
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const std::int64_t q = first + i;
      float best = LOWEST;
      for (std::int64_t r : positives.rows(q))
        best = std::max(best, score_of(corpus, r, adapted.data() + q * d));
      const double limit = best > 0 ? HARD_SHARE * double(best) : double(best);
      std::ptrdiff_t kept = 0;
      for (std::ptrdiff_t r = 0; r < HARD_DEPTH && kept < HARD; ++r) {
        const std::int64_t row = found.rows(i, r);
        if (row >= 0 && double(found.scores(i, r)) <= limit && !positives.contains(q, row))
          out(q, kept++) = row;
      }
    }
  }
  return out;
}

double sampled_loss(MatrixView corpus, const Positives& positives, const SampledBatch& batch,
                    double temperature, RowMajor<float>& gradient, int num_threads) {
  const std::ptrdiff_t b = batch.adapted.rows(), d = batch.adapted.cols();
  const std::ptrdiff_t s = std::ssize(batch.shared);
  const float inverse = float(1.0 / temperature);
  const RowMajor<float> shared = gathered(corpus, batch.shared);
  RowMajor<float> weights = multiply_transposed(batch.adapted, view(shared), num_threads);
  RowMajor<float> own = RowMajor<float>::Zero(b, d);
  std::vector<double> losses(std::size_t(b), 0.0);
  // Scores of the shared rows become their weights; what is the query's own is added at once.
  const auto evaluate_one = [&](std::ptrdiff_t i) {
    const std::int64_t q = batch.queries[std::size_t(i)];
    const float* adapted = batch.adapted.data() + i * d;
    std::vector<std::int64_t> rows(positives.rows(q).begin(), positives.rows(q).end());
    for (std::ptrdiff_t h = 0; h < batch.hard.cols(); ++h)
      if (const std::int64_t row = batch.hard(i, h);
          row >= 0 && !std::ranges::binary_search(batch.shared, row))
        rows.push_back(row);
    std::vector<float> logits(rows.size() + std::size_t(s));
    for (std::size_t k = 0; k < rows.size(); ++k)
      logits[k] = inverse * score_of(corpus, rows[k], adapted);
    for (std::ptrdiff_t k = 0; k < s; ++k)
      logits[rows.size() + std::size_t(k)] =
          positives.contains(q, batch.shared[std::size_t(k)]) ? LOWEST : inverse * weights(i, k);
    losses[std::size_t(i)] = info_nce(positives.weights(q), logits);
    for (std::size_t k = 0; k < rows.size(); ++k)
      own.row(i) += (inverse * logits[k]) * corpus.row(rows[k]);
    for (std::ptrdiff_t k = 0; k < s; ++k)
      weights(i, k) = inverse * logits[rows.size() + std::size_t(k)];
  };
  parallel_for(b, evaluate_one, num_threads, 8);
  gradient = own + multiply(view(weights), view(shared), num_threads);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

MinedLoss::MinedLoss(MatrixView corpus, const Positives& positives, MinedLossOptions options)
    : corpus_(corpus), positives_(positives), options_(options), random_(options.seed, 0x3a3d) {}

double MinedLoss::evaluate(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                           RowMajor<float>& gradient) {
  std::vector<std::int64_t> shared;
  RowMajor<std::int64_t> hard(adapted.rows(), HARD);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto relevant = positives_.rows(queries[i]);
    shared.insert(shared.end(), relevant.begin(), relevant.end());
    hard.row(std::ptrdiff_t(i)) = hard_.row(queries[i]);
  }
  for (std::size_t i = 0; i < options_.random; ++i)
    shared.push_back(std::int64_t(random_.below(std::size_t(corpus_.rows()))));
  std::ranges::sort(shared);
  const auto repeated = std::ranges::unique(shared);
  shared.erase(repeated.begin(), repeated.end());
  return sampled_loss(corpus_, positives_, {view(adapted), queries, hard, shared},
                      options_.temperature, gradient, options_.num_threads);
}

}  // namespace ragtune
