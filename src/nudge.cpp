#include "nudge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "nudge_directions.hpp"
#include "nudge_scan.hpp"
#include "tiles.hpp"

namespace ragtune {
namespace {

constexpr float LOWEST = -std::numeric_limits<float>::infinity();
constexpr double FURTHEST = 1e8;       // a gamma without an upper limit
constexpr std::ptrdiff_t BLOCK = 512;  // validation questions at a time

// Some validation questions.
struct Block {
  MatrixView questions;  // (b, d)
  const Questions& all;
  std::ptrdiff_t first;  // number of the first of them

  std::span<const std::int64_t> relevant(std::ptrdiff_t q) const {
    const auto begin = std::size_t(all.offsets[std::size_t(first + q)]);
    return all.rows.subspan(begin, std::size_t(all.offsets[std::size_t(first + q) + 1]) - begin);
  }
};

// NUDGE-N: how many questions find a relevant document first, for each gamma of the grid.
class Grid {
 public:
  explicit Grid(const NudgeOptions& options) : right_(std::size_t(options.steps) + 1, 0) {
    for (std::int64_t i = 0; i <= options.steps; ++i)
      gammas_.push_back(options.max_gamma * double(i) / double(options.steps));
  }

  void add(const Block& block, const Scan& scan, const Directions& towards) {
    const PackedQueries packed(block.questions);
    const std::size_t b = packed.rows(), steps = gammas_.size();
    const std::vector<Hit> staying = scan.best_staying(packed);
    std::vector<Hit> best(b * steps);
    for (std::size_t i = 0; i < best.size(); ++i) best[i] = staying[i / steps];
    using Hits = std::vector<Hit>;
    scan.over_moving(
        packed, Hits(b * steps),
        [&](Hits& own, std::size_t q, std::size_t first, std::size_t count, const float* here,
            const float* there) {
          turn(std::span(own).subspan(q * steps, steps), towards, first, count, here, there);
        },
        [&](const Hits& own) {
          for (std::size_t i = 0; i < best.size(); ++i) best[i].offer(own[i].score, own[i].row);
        });
    for (std::size_t q = 0; q < b; ++q) {
      const auto relevant = block.relevant(std::ptrdiff_t(q));
      asked_ += !relevant.empty();
      for (std::size_t s = 0; s < steps; ++s)
        right_[s] += std::ranges::find(relevant, best[q * steps + s].row) != relevant.end();
    }
  }

  void choose(Overlay& out) const {
    const auto at = std::ranges::max_element(right_);
    out.gamma = gammas_[std::size_t(at - right_.begin())];
    out.score = double(*at) / double(asked_);
  }

 private:
  void turn(std::span<Hit> best, const Directions& towards, std::size_t first, std::size_t count,
            const float* here, const float* there) const {
    const float *furthest_cosine = towards.cosine.data() + first,
                *furthest_sine = towards.sine.data() + first;
    float scores[64];  // at least nr
    for (std::size_t s = 0; s < gammas_.size(); ++s) {
      const double gamma = gammas_[s];
      const float cosine = float(1.0 - gamma / 2);
      const float sine = float(std::sqrt(gamma * (4.0 - gamma)) / 2);
      float top = LOWEST;
      for (std::size_t j = 0; j < count; ++j) {
        const float c = std::max(cosine, furthest_cosine[j]);
        const float t = std::min(sine, furthest_sine[j]);
        scores[j] = c * here[j] + t * there[j];
        top = std::max(top, scores[j]);
      }
      if (top < best[s].score) continue;
      const std::size_t at = std::size_t(std::find(scores, scores + count, top) - scores);
      best[s].offer(top, towards.rows[first + at]);
    }
  }

  std::vector<double> gammas_;
  std::vector<std::int64_t> right_;  // per gamma
  std::int64_t asked_ = 0;
};

// NUDGE-M: for each pair the gammas under which its document is the best one.
class Intervals {
 public:
  explicit Intervals(MatrixView corpus) : corpus_(corpus) {}

  void add(const Block& block, const Scan& scan, const Directions& towards) {
    const PackedQueries packed(block.questions);
    const std::vector<Hit> staying = scan.best_staying(packed);
    std::vector<std::vector<Interval>> pairs(packed.rows());
    for (std::size_t q = 0; q < pairs.size(); ++q)
      for (std::int64_t row : block.relevant(std::ptrdiff_t(q))) {
        pairs[q].push_back(start(block.questions.row(std::ptrdiff_t(q)), row, towards));
        if (staying[q].row >= 0) pairs[q].back().meet(staying[q].score, 0.0f);
      }
    scan.over_moving(
        packed, pairs,
        [](auto& own, std::size_t q, std::size_t, std::size_t count, const float* here,
           const float* there) {
          for (Interval& pair : own[q])
            for (std::size_t j = 0; j < count; ++j) pair.meet(here[j], there[j]);
        },
        [&](const auto& own) {
          for (std::size_t q = 0; q < pairs.size(); ++q)
            for (std::size_t i = 0; i < pairs[q].size(); ++i) pairs[q][i].intersect(own[q][i]);
        });
    for (const auto& question : pairs)
      for (const Interval& pair : question) {
        ++asked_;
        if (pair.possible && pair.low <= pair.high) {
          lows_.push_back(pair.low);
          highs_.push_back(pair.high);
        }
      }
  }

  // The first point that the most intervals [low, high) cover.
  void choose(Overlay& out) {
    std::ranges::sort(lows_);
    std::ranges::sort(highs_);
    std::ptrdiff_t most = 0;
    out.gamma = 0;
    for (std::size_t i = 0, ended = 0; i < lows_.size(); ++i) {
      if (i + 1 < lows_.size() && lows_[i + 1] == lows_[i]) continue;
      while (ended < highs_.size() && highs_[ended] <= lows_[i]) ++ended;
      const auto open = std::ptrdiff_t(i + 1) - std::ptrdiff_t(ended);
      if (open <= most) continue;
      most = open;
      out.gamma = lows_[i];
    }
    out.score = double(most) / double(asked_);
  }

 private:
  struct Interval {
    float score, gain;  // of the pair's document: at gamma it scores score + gamma * gain
    double low = 0, high = FURTHEST;
    bool possible = true;

    void meet(float other_score, float other_gain) {
      const double lead = double(other_score) - double(score);
      const double lag = double(gain) - double(other_gain);
      if (lag > 0)
        low = std::max(low, lead / lag);
      else if (lag < 0)
        high = std::min(high, lead / lag);
      else
        possible &= lead <= 0;
    }

    void intersect(const Interval& other) {
      low = std::max(low, other.low);
      high = std::min(high, other.high);
      possible &= other.possible;
    }
  };

  // Scores come from the same kernel as those that it will meet: a document ties with itself.
  Interval start(const auto& question, std::int64_t row, const Directions& towards) const {
    const MatrixView asked(question.data(), 1, corpus_.cols());
    const PackedQueries packed(asked);
    TileScorer scorer(packed);
    Interval out{scorer.score_rows(corpus_.data() + row * corpus_.cols(), 1)[0], 0.0f};
    const auto at = std::ranges::lower_bound(towards.rows, row);
    if (at != towards.rows.end() && *at == row)
      out.gain = scorer.score_rows(towards.units.row(at - towards.rows.begin()).data(), 1)[0];
    return out;
  }

  MatrixView corpus_;
  std::vector<double> lows_, highs_;
  std::int64_t asked_ = 0;
};

void check(MatrixView corpus, const Questions& questions, const char* name) {
  if (questions.embeddings.cols() != corpus.cols())
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(corpus.cols()) +
                                " dimensions, got " + std::to_string(questions.embeddings.cols()));
  const std::vector<float> grades(questions.rows.size(), 1.0f);
  check_qrels({questions.offsets, questions.rows, grades});
  if (std::ssize(questions.offsets) != questions.embeddings.rows() + 1)
    throw std::invalid_argument(std::string(name) + " offsets: expected " +
                                std::to_string(questions.embeddings.rows() + 1) + ", got " +
                                std::to_string(questions.offsets.size()));
  for (std::int64_t row : questions.rows)
    if (row < 0 || row >= corpus.rows())
      throw std::invalid_argument(std::string(name) + " rows: expected rows in [0, " +
                                  std::to_string(corpus.rows()) + "), got " + std::to_string(row));
}

template <class Choice>
void choose_gamma(Choice choice, MatrixView corpus, const Questions& validation,
                  const Directions& towards, const NudgeOptions& options, Overlay& out) {
  const Scan scan(corpus, towards, options.num_threads);
  const std::ptrdiff_t nq = validation.embeddings.rows(), d = corpus.cols();
  for (std::ptrdiff_t first = 0; first < nq; first += BLOCK) {
    const std::ptrdiff_t count = std::min(BLOCK, nq - first);
    choice.add({{validation.embeddings.data() + first * d, count, d}, validation, first}, scan,
               towards);
    if (options.progress && options.progress(first + count, nq)) {
      out.cancelled = true;
      return;
    }
  }
  choice.choose(out);
}

}  // namespace

NudgeKind nudge_kind(const std::string& name) {
  if (name == "n") return NudgeKind::normalized;
  if (name == "m") return NudgeKind::magnitude;
  throw std::invalid_argument("kind: expected n or m, got " + name);
}

Overlay nudge(MatrixView corpus, const Questions& training, const Questions& validation,
              const NudgeOptions& options) {
  check(corpus, training, "queries");
  check(corpus, validation, "validation");
  if (!(options.max_gamma >= 0 && options.max_gamma < 4))
    throw std::invalid_argument("max_gamma: expected 0 to 4, got " +
                                std::to_string(options.max_gamma));
  if (options.steps < 1)
    throw std::invalid_argument("steps: expected >= 1, got " + std::to_string(options.steps));
  if (validation.rows.empty())
    throw std::invalid_argument("validation: expected a query with a relevant document, got none");
  Directions towards = directions(corpus, training, options);
  Overlay out;
  if (options.kind == NudgeKind::normalized)
    choose_gamma(Grid(options), corpus, validation, towards, options, out);
  else
    choose_gamma(Intervals(corpus), corpus, validation, towards, options, out);
  to_deltas(corpus, towards, options.kind, out.gamma);
  out.rows = std::move(towards.rows);
  out.deltas = std::move(towards.units);
  return out;
}

}  // namespace ragtune
