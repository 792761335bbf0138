#include "topk.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "exact.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t MIN_TILED_QUERIES = 4;  // below, packing costs more than it saves
constexpr std::ptrdiff_t QUERY_BLOCK = 4096;     // bounds the memory for candidates
constexpr std::ptrdiff_t CHUNK = 1024;           // rows that a thread takes at a time
constexpr std::ptrdiff_t STRIP = 64;             // rows that stay in cache for the next query

using Candidate = Scored<float, std::int64_t>;
using Exact = Scored<double, std::int64_t>;

// Keeps the best `keep` of what it is offered: it fills up, then drops the worse part at once.
class Reservoir {
 public:
  explicit Reservoir(std::size_t keep) : keep_(keep) { items_.reserve(capacity()); }

  float threshold() const { return threshold_; }

  void offer(float score, std::int64_t row) {
    items_.push_back({score, row});
    if (items_.size() == capacity()) shrink();
  }

  void shrink() {
    if (items_.size() <= keep_) return;
    std::nth_element(items_.begin(), items_.begin() + std::ptrdiff_t(keep_) - 1, items_.end());
    items_.resize(keep_);
    threshold_ = items_.back().score;
  }

  void absorb(const Reservoir& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    threshold_ = std::max(threshold_, other.threshold_);
  }

  const std::vector<Candidate>& items() const { return items_; }

 private:
  std::size_t capacity() const { return 2 * keep_ + 64; }

  std::size_t keep_;
  float threshold_ = LOWEST;
  std::vector<Candidate> items_;
};

// Nearly always false, and without branches: the compiler vectorises it.
bool any_above(const float* scores, std::ptrdiff_t count, float threshold) {
  int above = 0;
  for (std::ptrdiff_t j = 0; j < count; ++j) above |= scores[j] > threshold;
  return above;
}

// The largest Euclidean length of a row; 0 for an empty matrix.
double max_norm(MatrixView rows, int num_threads) {
  const std::ptrdiff_t parts = (rows.rows() + CHUNK - 1) / CHUNK;
  std::vector<double> longest(std::size_t(parts), 0.0);
  parallel_for(
      parts,
      [&](std::ptrdiff_t part) {
        const std::ptrdiff_t end = std::min(rows.rows(), (part + 1) * CHUNK);
        for (std::ptrdiff_t i = part * CHUNK; i < end; ++i) {
          const float* row = rows.data() + i * rows.cols();
          longest[std::size_t(part)] =
              std::max(longest[std::size_t(part)], exact_dot(row, row, std::size_t(rows.cols())));
        }
      },
      num_threads, 1);
  return longest.empty() ? 0.0 : std::sqrt(*std::max_element(longest.begin(), longest.end()));
}

// All that one search knows. The first pass ranks by q.x + bias, with bias 0 or -|x|^2 / 2;
// so does `exact`, in float64.
class Search {
 public:
  Search(MatrixView corpus, MatrixView queries, std::int64_t k, double longest,
         const SearchOptions& options)
      : corpus_(corpus),
        queries_(queries),
        options_(options),
        n_(corpus.rows()),
        d_(corpus.cols()),
        k_(std::min<std::int64_t>(k, n_)),
        keep_(std::size_t(std::min<std::int64_t>(k_ + 32, n_))),
        longest_(longest) {
    if (options.metric == Metric::l2) fill_bias();
  }

  // Fills the rows of `out` from `first` on, one per query.
  void run(Ranking& out, std::ptrdiff_t first) const {
    std::vector<Reservoir> found = first_pass();
    parallel_for(
        queries_.rows(),
        [&](std::ptrdiff_t q) {
          const std::vector<Exact> best = second_pass(q, found[std::size_t(q)]);
          for (std::size_t r = 0; r < best.size(); ++r) {
            out.scores(first + q, std::ptrdiff_t(r)) = float(best[r].score);
            out.rows(first + q, std::ptrdiff_t(r)) = best[r].row;
          }
        },
        options_.num_threads, 4);
  }

 private:
  void fill_bias() {
    bias_.resize(std::size_t(n_));
    parallel_for(
        n_,
        [&](std::ptrdiff_t i) {
          bias_[std::size_t(i)] = float(-0.5 * exact_dot(row(i), row(i), std::size_t(d_)));
        },
        options_.num_threads, CHUNK);
  }

  const float* row(std::int64_t i) const { return corpus_.data() + i * d_; }
  const float* query(std::ptrdiff_t q) const { return queries_.data() + q * d_; }

  // Bound of |first pass - exact| for one query. Throws if float32 may overflow.
  double error(std::ptrdiff_t q) const {
    const double length = std::sqrt(exact_dot(query(q), query(q), std::size_t(d_)));
    const double half = bias_.empty() ? 0.0 : 0.5 * longest_ * longest_;
    const double reach = length * longest_ + half;
    if (!(reach < 1e37))
      throw std::invalid_argument(
          "vectors: expected |query| * |row| below 1e37 (float32 overflows), got " +
          std::to_string(reach));
    return (1.05 * double(d_ + 8) * reach) * 0x1p-24 + double(d_) * 1e-44;
  }

  double exact(std::ptrdiff_t q, std::int64_t i) const {
    if (bias_.empty()) return exact_dot(query(q), row(i), std::size_t(d_));
    return -exact_squared_distance(query(q), row(i), std::size_t(d_));
  }

  // The exact score on the scale of the first pass.
  double comparable(std::ptrdiff_t q, double exact_score) const {
    return bias_.empty() ? exact_score
                         : 0.5 * (exact_score + exact_dot(query(q), query(q), std::size_t(d_)));
  }

  void offer(Reservoir& best, const float* scores, std::int64_t first, std::ptrdiff_t count) const {
    float threshold = best.threshold();
    if (bias_.empty() && !any_above(scores, count, threshold)) return;
    for (std::ptrdiff_t j = 0; j < count; ++j) {
      const float score = bias_.empty() ? scores[j] : scores[j] + bias_[std::size_t(first + j)];
      if (!(score > threshold)) continue;
      best.offer(score, first + j);
      threshold = best.threshold();
    }
  }

  // Every thread has reservoirs of its own and takes chunks of rows until none is left.
  std::vector<Reservoir> first_pass() const {
    const std::ptrdiff_t chunks = (n_ + CHUNK - 1) / CHUNK;
    const auto threads = std::size_t(std::min<std::ptrdiff_t>(thread_count(options_.num_threads),
                                                              std::max<std::ptrdiff_t>(chunks, 1)));
    const auto nq = std::size_t(queries_.rows());
    const bool tiled = queries_.rows() >= MIN_TILED_QUERIES;
    const PackedQueries packed(tiled ? queries_ : MatrixView(nullptr, 0, d_));
    std::vector<std::vector<Reservoir>> parts(threads,
                                              std::vector<Reservoir>(nq, Reservoir(keep_)));
    std::atomic<std::ptrdiff_t> next{0};
    parallel_for(
        std::ptrdiff_t(threads),
        [&](std::ptrdiff_t t) {
          std::vector<Reservoir>& best = parts[std::size_t(t)];
          TileScorer scorer(packed);
          for (std::ptrdiff_t c; (c = next.fetch_add(1)) < chunks;) {
            const std::ptrdiff_t begin = c * CHUNK, end = std::min(n_, begin + CHUNK);
            tiled ? scan_tiles(best, scorer, begin, end) : scan_rows(best, begin, end);
          }
        },
        int(threads), 1);
    merge(parts);
    return std::move(parts.front());
  }

  void merge(std::vector<std::vector<Reservoir>>& parts) const {
    for (std::size_t q = 0; q < parts.front().size(); ++q) {
      for (std::size_t t = 1; t < parts.size(); ++t) parts.front()[q].absorb(parts[t][q]);
      parts.front()[q].shrink();
    }
  }

  void scan_tiles(std::vector<Reservoir>& best, TileScorer& scorer, std::ptrdiff_t begin,
                  std::ptrdiff_t end) const {
    const auto block = std::ptrdiff_t(scorer.block());
    for (std::ptrdiff_t first = begin; first < end; first += block) {
      const std::ptrdiff_t count = std::min(block, end - first);
      const float* scores = scorer.score_rows(row(first), std::size_t(count));
      for (Reservoir& reservoir : best) {
        offer(reservoir, scores, first, count);
        scores += block;
      }
    }
  }

  void scan_rows(std::vector<Reservoir>& best, std::ptrdiff_t begin, std::ptrdiff_t end) const {
    float scores[CHUNK];
    const std::ptrdiff_t strip = best.size() == 1 ? CHUNK : STRIP;
    for (std::ptrdiff_t first = begin; first < end; first += strip) {
      const std::ptrdiff_t count = std::min(strip, end - first);
      for (std::size_t q = 0; q < best.size(); ++q) {
        kernels().dot_rows(query(std::ptrdiff_t(q)), row(first), std::size_t(count),
                           std::size_t(d_), scores);
        for (std::ptrdiff_t j = 0; j < count; j += STRIP)
          offer(best[q], scores + j, first + j, std::min(STRIP, count - j));
      }
    }
  }

  std::vector<Exact> ordered(std::ptrdiff_t q, std::vector<Exact> all) const {
    for (Exact& hit : all) hit.score = exact(q, hit.row);
    const std::size_t size = std::min(all.size(), std::size_t(k_));
    std::partial_sort(all.begin(), all.begin() + std::ptrdiff_t(size), all.end());
    all.resize(size);
    return all;
  }

  std::vector<Exact> second_pass(std::ptrdiff_t q, const Reservoir& found) const {
    const double slack = error(q);
    std::vector<Exact> all;
    for (const Candidate& item : found.items()) all.push_back({0.0, item.row});
    std::vector<Exact> best = ordered(q, std::move(all));
    if (best.size() < std::size_t(k_) || found.threshold() == LOWEST) return best;
    const double last = comparable(q, best.back().score);
    if (double(found.threshold()) + slack < last) return best;
    return ordered(q, rows_above(q, last - slack));
  }

  // Every row whose first-pass score reaches `least`: needed where many rows nearly tie.
  std::vector<Exact> rows_above(std::ptrdiff_t q, double least) const {
    std::vector<Exact> all;
    float scores[STRIP];
    const double margin = error(q);  // dot_rows and tiles may round differently
    for (std::ptrdiff_t first = 0; first < n_; first += STRIP) {
      const std::ptrdiff_t count = std::min(STRIP, n_ - first);
      kernels().dot_rows(query(q), row(first), std::size_t(count), std::size_t(d_), scores);
      for (std::ptrdiff_t j = 0; j < count; ++j) {
        const double bias = bias_.empty() ? 0.0 : double(bias_[std::size_t(first + j)]);
        if (double(scores[j]) + bias + margin >= least) all.push_back({0.0, first + j});
      }
    }
    return all;
  }

  MatrixView corpus_, queries_;
  const SearchOptions& options_;
  std::ptrdiff_t n_, d_;
  std::int64_t k_;
  std::size_t keep_;
  double longest_;
  std::vector<float> bias_;
};

void check(MatrixView corpus, MatrixView queries, std::int64_t k) {
  if (corpus.cols() != queries.cols())
    throw std::invalid_argument("queries: expected " + std::to_string(corpus.cols()) +
                                " dimensions, got " + std::to_string(queries.cols()));
  if (k < 1) throw std::invalid_argument("k: expected >= 1, got " + std::to_string(k));
}

}  // namespace

Ranking exact_search(MatrixView corpus, MatrixView queries, std::int64_t k,
                     const SearchOptions& options) {
  check(corpus, queries, k);
  Ranking out{RowMajor<float>::Constant(queries.rows(), k, LOWEST),
              RowMajor<std::int64_t>::Constant(queries.rows(), k, -1)};
  const double longest = max_norm(corpus, options.num_threads);
  for (std::ptrdiff_t first = 0; first < queries.rows(); first += QUERY_BLOCK) {
    const std::ptrdiff_t count = std::min(QUERY_BLOCK, queries.rows() - first);
    const MatrixView block(queries.data() + first * queries.cols(), count, queries.cols());
    Search(corpus, block, k, longest, options).run(out, first);
  }
  return out;
}

}  // namespace ragtune
