#include "metrics.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "parallel.hpp"

namespace ragtune {
namespace {

struct Found {
  int rank;  // from 0
  float grade;
};

// What a ranking shows of the relevant documents of its query.
struct Judged {
  std::vector<Found> found;  // by rank
  std::vector<float> ideal;  // grades of the relevant, best first
};

double discount(int rank) {
  static const auto table = [] {
    std::vector<double> values(1024);
    for (std::size_t r = 0; r < values.size(); ++r) values[r] = 1.0 / std::log2(double(r) + 2.0);
    return values;
  }();
  return rank < int(table.size()) ? table[std::size_t(rank)] : 1.0 / std::log2(rank + 2.0);
}

struct Relevant {
  std::int64_t id;
  float grade;
  bool operator<(const Relevant& other) const { return id < other.id; }
};

class Judge {
 public:
  // Looks at the first `depth` ranks of one query.
  const Judged& look(const std::int64_t* ids, std::ptrdiff_t depth,
                     std::span<const std::int64_t> judged, std::span<const float> grades) {
    relevant_.clear();
    seen_.ideal.clear();
    seen_.found.clear();
    for (std::size_t i = 0; i < judged.size(); ++i)
      if (grades[i] > 0) {
        relevant_.push_back({judged[i], grades[i]});
        seen_.ideal.push_back(grades[i]);
      }
    std::ranges::sort(seen_.ideal, std::greater<>());
    std::sort(relevant_.begin(), relevant_.end());
    depth = relevant_.empty() ? 0 : depth;
    relevant_.size() == 1 ? scan_for_one(ids, depth) : scan(ids, depth);
    return seen_;
  }

 private:
  // By far the usual case, and the one that the compiler can vectorise.
  void scan_for_one(const std::int64_t* ids, std::ptrdiff_t depth) {
    const std::int64_t* at = std::find(ids, ids + depth, relevant_[0].id);
    if (at != ids + depth) seen_.found.push_back({int(at - ids), relevant_[0].grade});
  }

  void scan(const std::int64_t* ids, std::ptrdiff_t depth) {
    for (std::ptrdiff_t r = 0; r < depth && !relevant_.empty(); ++r) {
      const auto at = std::ranges::lower_bound(relevant_, ids[r], {}, &Relevant::id);
      if (at == relevant_.end() || at->id != ids[r]) continue;
      seen_.found.push_back({int(r), at->grade});
      relevant_.erase(at);  // counts once
    }
  }

  std::vector<Relevant> relevant_;
  Judged seen_;
};

double average_precision(std::span<const Found> found, std::size_t relevant) {
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) sum += double(i + 1) / (found[i].rank + 1.0);
  return sum / double(relevant);
}

double normalized_gain(std::span<const Found> found, const std::vector<float>& ideal, int k) {
  double gain = 0, best = 0;
  for (const Found& hit : found) gain += hit.grade * discount(hit.rank);
  for (int r = 0; r < std::min<int>(k, int(ideal.size())); ++r)
    best += ideal[std::size_t(r)] * discount(r);
  return gain / best;
}

double score(const Judged& query, MetricAtK metric) {
  if (query.ideal.empty()) return 0;
  const auto end = std::ranges::partition_point(
      query.found, [&](const Found& hit) { return hit.rank < metric.k; });
  const std::span<const Found> found(query.found.begin(), end);
  const double hits = double(found.size());
  switch (metric.metric) {
    case RankingMetric::recall: return hits / double(query.ideal.size());
    case RankingMetric::precision: return hits / metric.k;
    case RankingMetric::hit_rate: return found.empty() ? 0.0 : 1.0;
    case RankingMetric::mrr: return found.empty() ? 0.0 : 1.0 / (found[0].rank + 1.0);
    case RankingMetric::map: return average_precision(found, query.ideal.size());
    case RankingMetric::ndcg: return normalized_gain(found, query.ideal, metric.k);
  }
  return 0;
}

}  // namespace

RankingMetric metric_named(const std::string& name) {
  constexpr std::pair<const char*, RankingMetric> known[] = {
      {"recall", RankingMetric::recall},     {"precision", RankingMetric::precision},
      {"hit_rate", RankingMetric::hit_rate}, {"mrr", RankingMetric::mrr},
      {"map", RankingMetric::map},           {"ndcg", RankingMetric::ndcg}};
  for (const auto& [label, metric] : known)
    if (name == label) return metric;
  throw std::invalid_argument(
      "metric: expected recall, precision, hit_rate, mrr, map or ndcg, got " + name);
}

RowMajor<double> evaluate_rankings(IdsView ids, const QrelsView& qrels,
                                   const std::vector<MetricAtK>& metrics, int num_threads) {
  check_qrels(qrels);
  if (qrels.queries() != ids.rows())
    throw std::invalid_argument("qrels: expected " + std::to_string(ids.rows()) + " queries, got " +
                                std::to_string(qrels.queries()));
  int deepest = 0;
  for (const MetricAtK& metric : metrics) {
    if (metric.k < 1)
      throw std::invalid_argument("k: expected >= 1, got " + std::to_string(metric.k));
    deepest = std::max(deepest, metric.k);
  }
  RowMajor<double> out(std::ssize(metrics), ids.rows());
  constexpr std::ptrdiff_t BLOCK = 256;
  constexpr std::ptrdiff_t AHEAD = 8;  // rows: a cold ranking is on its way when its turn comes
  parallel_for((ids.rows() + BLOCK - 1) / BLOCK,
               [&](std::ptrdiff_t block) {
                 Judge judge;
                 for (auto q = block * BLOCK; q < std::min(ids.rows(), (block + 1) * BLOCK); ++q) {
                   __builtin_prefetch(ids.data() + (q + AHEAD) * ids.cols());
                   __builtin_prefetch(ids.data() + (q + AHEAD) * ids.cols() + 8);
                   const auto begin = std::size_t(qrels.offsets[std::size_t(q)]);
                   const auto count = std::size_t(qrels.offsets[std::size_t(q) + 1]) - begin;
                   const Judged& seen = judge.look(
                       ids.data() + q * ids.cols(), std::min<std::ptrdiff_t>(deepest, ids.cols()),
                       qrels.ids.subspan(begin, count), qrels.grades.subspan(begin, count));
                   for (std::size_t i = 0; i < metrics.size(); ++i)
                     out(std::ptrdiff_t(i), q) = score(seen, metrics[i]);
                 }
               },
               num_threads, 1);
  return out;
}

}  // namespace ragtune
