// Ranking metrics, one value per query.
//
//   nq queries, K results given, the first k of them count.
//
// ids (nq, K) are best first; -1 is an empty slot, and a repeated id counts once. A document is
// relevant if its grade is above 0. A query without relevant documents scores 0. If K < k the
// missing ranks count as empty, as in trec_eval.
#pragma once

#include <string>
#include <vector>

#include "views.hpp"

namespace ragtune {

enum class RankingMetric {
  recall,     // found among the first k / relevant
  precision,  // found among the first k / k
  hit_rate,   // 1 if any was found
  mrr,        // 1 / rank of the first one found
  map,        // mean over the relevant of precision at their rank, 0 if not found
  ndcg,       // sum of grade / log2(rank + 1), over the best possible;
              // Jarvelin & Kekalainen 2002, doi:10.1145/582415.582418
};

struct MetricAtK {
  RankingMetric metric;
  int k;
};

// "recall", "precision", "hit_rate", "mrr", "map" or "ndcg".
// Throws std::invalid_argument for any other name.
RankingMetric metric_named(const std::string& name);

// -> (metrics, nq), all in one pass over ids.
// Throws std::invalid_argument if a k < 1 or the judgments do not cover nq queries.
RowMajor<double> evaluate_rankings(IdsView ids, const QrelsView& qrels,
                                   const std::vector<MetricAtK>& metrics, int num_threads = 0);

}  // namespace ragtune
