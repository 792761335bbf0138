#include "corpus_loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "parallel.hpp"
#include "simd.hpp"

namespace ragtune {
namespace {

constexpr double NOISE = 1e-6;           // share of the mass below which a tail is rounding
constexpr std::size_t GROUP_SIZE = 256;  // queries measured together
constexpr double GROUP_WORK = 2e10;      // multiplications between two checkpoints
constexpr float LEAST_SHARE = 0.01f;     // of a tail: it may have grown since it was last seen
constexpr float ROUNDING = 1e-4f;        // more than two ways to score unit vectors differ by

}  // namespace

CorpusLoss::CorpusLoss(MatrixView corpus, const Positives& positives, std::ptrdiff_t nq,
                       CorpusLossOptions options)
    : corpus_(corpus),
      positives_(positives),
      options_(std::move(options)),
      anchor_(nq, corpus.cols()),
      tail_(nq, corpus.cols()),
      bias_(std::size_t(nq)),
      shortlist_(std::size_t(nq)),
      share_(std::size_t(nq), 0.0f) {}

// A pass over the corpus costs nearly the same for a few queries as for many: so it is made when
// the batch as a whole has moved, and then for all that have come half as far.
std::vector<std::size_t> CorpusLoss::moved(const RowMajor<float>& adapted,
                                           std::span<const std::int64_t> queries) const {
  const double limit = options_.drift * options_.temperature, limit2 = limit * limit;
  std::vector<double> gaps(queries.size(), std::numeric_limits<double>::infinity());
  double sum = 0, known = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float share = share_[std::size_t(queries[i])];
    if (share == 0) continue;
    gaps[i] = double(share) * kernels().squared_distance(adapted.row(std::ptrdiff_t(i)).data(),
                                                         anchor_.row(queries[i]).data(),
                                                         std::size_t(corpus_.cols()));
    sum += gaps[i];
    known += 1;
  }
  const bool far = sum > limit2 * known;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < queries.size(); ++i)
    if (share_[std::size_t(queries[i])] == 0 || (far && 4 * gaps[i] > limit2)) out.push_back(i);
  return out;
}

void CorpusLoss::measure(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                         std::span<const std::size_t> positions) {
  const double work = double(corpus_.rows()) * double(corpus_.cols());
  const auto group = std::clamp<std::size_t>(std::size_t(GROUP_WORK / work), 32, GROUP_SIZE);
  for (std::size_t first = 0; first < positions.size(); first += group) {
    if (first > 0 && options_.checkpoint) options_.checkpoint();
    const auto part = positions.subspan(first, std::min(group, positions.size() - first));
    RowMajor<float> own(std::ssize(part), corpus_.cols());
    std::vector<float> floors(part.size());
    parallel_for(
        std::ssize(part),
        [&](std::ptrdiff_t i) {
          const std::size_t at = part[std::size_t(i)];
          own.row(i) = adapted.row(std::ptrdiff_t(at));
          floors[std::size_t(i)] = floor(queries[at], own.row(i).data());
        },
        options_.num_threads, 8);
    const Partition found = partition(corpus_, view(own), options_.temperature, options_.shortlist,
                                      floors, options_.num_threads);
    parallel_for(
        std::ssize(part),
        [&](std::ptrdiff_t i) {
          keep(queries[part[std::size_t(i)]], own.row(i).data(), found, std::size_t(i));
        },
        options_.num_threads, 8);
    measured_ += std::ssize(part);
  }
}

// A score that as many documents reach as the shortlist is long: those of the last measurement and
// the relevant ones.
float CorpusLoss::floor(std::int64_t query, const float* adapted) const {
  const auto& before = shortlist_[std::size_t(query)];
  const auto relevant = positives_.rows(query);
  if (before.size() + relevant.size() < options_.shortlist) return LOWEST;
  std::vector<float> scores;
  const auto score = [&](std::int64_t r) {
    scores.push_back(kernels().dot(adapted, row(r), std::size_t(corpus_.cols())));
  };
  std::ranges::for_each(before, score);
  std::ranges::for_each(relevant, score);
  const auto last = scores.begin() + std::ptrdiff_t(options_.shortlist) - 1;
  std::ranges::nth_element(scores, last, std::ranges::greater());
  return *last - ROUNDING;
}

// The tail is all of the corpus less the shortlist and the relevant documents.
void CorpusLoss::keep(std::int64_t query, const float* adapted, const Partition& found,
                      std::size_t at) {
  const auto q = std::size_t(query);
  const std::ptrdiff_t d = corpus_.cols();
  const double inverse = 1.0 / options_.temperature, log_mass = found.log_mass[at];
  anchor_.row(query) = Eigen::Map<const Eigen::RowVectorXf>(adapted, d);
  float* tail = tail_.row(query).data();
  std::copy_n(found.moment.row(std::ptrdiff_t(at)).data(), d, tail);
  double mass = 1.0;
  const auto take_out = [&](std::int64_t r, double score) {
    const double p = std::exp(score * inverse - log_mass);
    mass -= p;
    kernels().add_scaled(tail, row(r), float(-p), std::size_t(d));
  };
  shortlist_[q].clear();
  for (const ScoredRow& best : found.best[at]) {
    if (positives_.contains(query, best.row)) continue;
    shortlist_[q].push_back(best.row);
    take_out(best.row, best.score);
  }
  for (std::int64_t r : positives_.rows(query))
    take_out(r, kernels().dot(adapted, row(r), std::size_t(d)));
  if (mass > NOISE) {
    tail_.row(query) *= float(1.0 / mass);
    const double along = tail_.row(query).cast<double>().dot(anchor_.row(query).cast<double>());
    bias_[q] = float(log_mass + std::log(mass) - along * inverse);
  } else {
    tail_.row(query).setZero();
    bias_[q] = LOWEST;
  }
}

double CorpusLoss::evaluate_one(const float* adapted, std::int64_t query, float* gradient) {
  const std::ptrdiff_t d = corpus_.cols();
  const float inverse = float(1.0 / options_.temperature);
  const auto relevant = positives_.rows(query);
  const auto& negatives = shortlist_[std::size_t(query)];
  std::vector<const float*> documents;
  documents.reserve(relevant.size() + negatives.size() + 1);
  for (std::int64_t r : relevant) documents.push_back(row(r));
  for (std::int32_t r : negatives) documents.push_back(row(r));
  documents.push_back(tail_.row(query).data());
  std::vector<float> logits(documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i)
    logits[i] = kernels().dot(adapted, documents[i], std::size_t(d)) * inverse;
  logits.back() += bias_[std::size_t(query)];
  const double loss = info_nce(positives_.weights(query), logits);
  share_[std::size_t(query)] = std::max(logits.back(), LEAST_SHARE);
  std::fill_n(gradient, d, 0.0f);
  for (std::size_t i = 0; i < documents.size(); ++i)
    kernels().add_scaled(gradient, documents[i], logits[i] * inverse, std::size_t(d));
  return loss;
}

double CorpusLoss::evaluate(const RowMajor<float>& adapted, std::span<const std::int64_t> queries,
                            RowMajor<float>& gradient) {
  measure(adapted, queries, moved(adapted, queries));
  std::vector<double> losses(queries.size());
  gradient.resize(adapted.rows(), adapted.cols());
  parallel_for(
      std::ssize(queries),
      [&](std::ptrdiff_t i) {
        losses[std::size_t(i)] =
            evaluate_one(adapted.row(i).data(), queries[std::size_t(i)], gradient.row(i).data());
      },
      options_.num_threads, 8);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace ragtune
