#include "scan.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "candidates.hpp"
#include "parallel.hpp"
#include "scan_bounds.hpp"
#include "strip.hpp"

namespace ragtune {
namespace {

constexpr std::size_t CHUNK = 1024;           // rows that a thread takes at a time, in one block
constexpr std::ptrdiff_t QUERIES = 1024;      // queries at a time: bounds the memory for candidates
constexpr std::size_t MIN_TILED_QUERIES = 4;  // below, packing costs more than it saves

class Scan {
 public:
  Scan(const Rows& rows, MatrixView queries, const Allowed& allowed, std::size_t k, int threads)
      : rows_(rows), allowed_(allowed), k_(k), threads_(threads) {
    const bool many = std::size_t(queries.rows()) >= MIN_TILED_QUERIES;
    const int limit = many ? kernels_.query_limit : 127;
    for (std::ptrdiff_t q = 0; q < queries.rows(); ++q)
      questions_.push_back(bounded(rows, queries.row(q).data(), limit));
    if (tiled()) pack_questions();
  }

  void run(Ranking& out, std::ptrdiff_t first) const {
    std::vector<Candidates> found = candidates();
    parallel_for(
        std::ssize(questions_),
        [&](std::ptrdiff_t q) {
          finish(questions_[std::size_t(q)], found[std::size_t(q)], out, first + q);
        },
        threads_, 4);
  }

 private:
  // As the tile kernel takes them; there are zeros after the last.
  void pack_questions() {
    const std::size_t steps = rows_.encoder.groups() * GROUP / 4, mc = kernels().mc;
    packed_.resize((questions_.size() + mc - 1) / mc * mc * steps * 4);
    for (std::size_t q = 0; q < questions_.size(); ++q)
      for (std::size_t s = 0; s < steps; ++s)
        std::memcpy(packed_.data() + (q / mc * steps + s) * mc * 4 + q % mc * 4,
                    questions_[q].code.codes.data() + 4 * s, 4);
  }

  // Every thread has candidates of its own and takes chunks of rows until none is left.
  std::vector<Candidates> candidates() const {
    const std::size_t chunks = (rows_.size() + CHUNK - 1) / CHUNK;
    const std::size_t threads =
        std::min(std::size_t(thread_count(threads_)), std::max<std::size_t>(chunks / 4, 1));
    std::vector<std::vector<Candidates>> parts(
        threads, std::vector<Candidates>(questions_.size(), Candidates(k_)));
    std::atomic<std::size_t> next{0};
    parallel_for(
        std::ptrdiff_t(threads),
        [&](std::ptrdiff_t t) {
          std::vector<Candidates>& own = parts[std::size_t(t)];
          std::vector<Doubts> doubts(tiled() ? 0 : questions_.size());
          Strip strip;
          Tiles tiles(tiled() ? rows_.encoder.groups() * GROUP / 4 : 0);
          for (std::size_t c; (c = next.fetch_add(1)) < chunks;)
            scan_chunk(own, c * CHUNK, strip, tiles, doubts);
          flush(own, strip, tiles, doubts);
          for (std::size_t q = 0; q < doubts.size(); ++q) {
            doubts[q].drop_below(own[q].threshold());
            settle(own[q], questions_[q], doubts[q]);
          }
        },
        int(threads), 1);
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      for (std::size_t t = 1; t < threads; ++t) parts[0][q].absorb(parts[t][q]);
      parts[0][q].shrink();
    }
    return std::move(parts[0]);
  }

  void scan_chunk(std::vector<Candidates>& all, std::size_t first, Strip& strip, Tiles& tiles,
                  std::vector<Doubts>& doubts) const {
    const std::size_t end = std::min(rows_.size(), first + CHUNK);
    if (allowed_.all()) {
      if (!tiled() && end == first + CHUNK) return scan_abreast(all, first, doubts);
      for (std::size_t i = first; i < end; i += STRIP) {
        strip.take(i, std::min(STRIP, end - i));
        flush(all, strip, tiles, doubts);
      }
      return;
    }
    for (std::size_t i = first; i < end; ++i) {
      if (i % 64 == 0 && (*allowed_.bits)[i / 64] == 0) {
        i += 63;
        continue;
      }
      strip.rows[strip.count] = std::uint32_t(i);
      strip.count += allowed_(i);
      if (strip.count == STRIP) flush(all, strip, tiles, doubts);
    }
  }

  void flush(std::vector<Candidates>& all, Strip& strip, Tiles& tiles,
             std::vector<Doubts>& doubts) const {
    if (strip.count == 0) return;
    strip.read_terms(rows_);
    tiled() ? score_tiles(all, strip, tiles) : score_each(all, strip, doubts);
    strip.count = 0;
  }

  bool tiled() const { return questions_.size() >= MIN_TILED_QUERIES; }

  void score_each(std::vector<Candidates>& all, const Strip& strip,
                  std::vector<Doubts>& doubts) const {
    std::int32_t high[STRIP + WIDTH];
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      dot(questions_[q], rows_.high, strip.count, high,
          [&](std::size_t i) { return strip.rows[i]; });
      estimate(all[q], questions_[q], strip, high, doubts[q]);
    }
  }

  // Scores the rows whose 4-bit estimate is among the best, and notes those that may be there for
  // all that it proves. An estimate is much nearer to the truth than what is proven of it: by the
  // end of the scan the threshold has risen and rules out many of them unseen.
  void estimate(Candidates& candidates, const Question& question, const Strip& strip,
                const std::int32_t* high, Doubts& doubts) const {
    const float shift = (7.5f - 128.0f) * question.code.sum, gain = question.code.gain;
    const float slope = question.coarse_slope, threshold = candidates.threshold();
    const float coarse = rows_.with_errors ? question.coarse : INFINITY;
    float scores[STRIP], upper[STRIP];
    int in[STRIP], any = 0, good = 0;
    for (std::size_t i = 0; i < strip.count; ++i) {  // no branch: the compiler vectorises it
      scores[i] = gain * strip.scale[i] * (16.0f * float(high[i]) + shift) + strip.bias[i];
      upper[i] = scores[i] + slope * strip.coarse[i] + coarse;
      in[i] = upper[i] >= threshold;
      any |= in[i];
      good |= scores[i] >= threshold;
    }
    if (!any) return;
    for (std::size_t i = 0; good && i < strip.count; ++i) {
      if (scores[i] < candidates.threshold()) continue;
      offer_exactly(candidates, question, strip.rows[i]);
      in[i] = 0;
    }
    doubts.make_room(strip.count);
    for (std::size_t i = 0; i < strip.count; ++i) {
      doubts.items[doubts.count] = {upper[i], strip.rows[i], high[i]};
      doubts.count += std::size_t(in[i]);
    }
    if (doubts.count <= DOUBTS) return;
    doubts.drop_below(candidates.threshold());
    if (doubts.count > DOUBTS / 2) settle(candidates, question, doubts);
  }

  // Scores what was doubtful by all its bits; while STRIP rows are, the next come from memory.
  void settle(Candidates& candidates, const Question& question, Doubts& doubts) const {
    Remainder halves[2];
    Remainder *now = &halves[0], *next = &halves[1];
    for (std::size_t i = 0; i < doubts.count; i += STRIP) {
      next->take(rows_, {&doubts.items[i], std::min(STRIP, doubts.count - i)});
      score_left(candidates, question, *now);
      std::swap(now, next);
    }
    score_left(candidates, question, *now);
    doubts.count = 0;
  }

  // A whole chunk, WIDTH strips at a time, each from its own part of the chunk: memory gives more
  // to four streams than to one (100,000 x 384 on Zen 3: 0.69 ms for the upper planes, not 1.1).
  void scan_abreast(std::vector<Candidates>& all, std::size_t first,
                    std::vector<Doubts>& doubts) const {
    Strip strips[WIDTH];
    std::int32_t high[WIDTH][STRIP];
    for (std::size_t i = 0; i < CHUNK / WIDTH; i += STRIP) {
      for (std::size_t s = 0; s < WIDTH; ++s) {
        strips[s].take(first + s * (CHUNK / WIDTH) + i, STRIP);
        strips[s].read_terms(rows_);
      }
      for (std::size_t q = 0; q < questions_.size(); ++q) {
        dot_abreast(questions_[q], strips, high);
        for (std::size_t s = 0; s < WIDTH; ++s)
          estimate(all[q], questions_[q], strips[s], high[s], doubts[q]);
      }
    }
  }

  // high[s][i] = product of the query and the upper plane of row i of strip s; all are full.
  void dot_abreast(const Question& question, const Strip (&strips)[WIDTH],
                   std::int32_t (&high)[WIDTH][STRIP]) const {
    const std::uint8_t* plane[WIDTH];
    for (std::size_t s = 0; s < WIDTH; ++s) plane[s] = rows_.high.row(strips[s].rows[0]);
    for (std::size_t i = 0; i < STRIP; ++i) {
      std::int32_t sums[WIDTH];
      kernels_.dot_planes(question.code.codes.data(), plane, rows_.encoder.groups(), sums);
      for (std::size_t s = 0; s < WIDTH; ++s) {
        high[s][i] = sums[s];
        plane[s] += rows_.high.width();
      }
    }
  }

  void score_left(Candidates& candidates, const Question& question, Remainder& left) const {
    std::int32_t low[STRIP + WIDTH];
    const float shift = -128.0f * question.code.sum, gain = question.code.gain;
    dot(question, rows_.low, left.count, low, [&](std::size_t i) { return left.rows[i]; });
    for (std::size_t i = 0; i < left.count; ++i) {
      const float sum = float(16 * left.high[i] + low[i]) + shift;
      const float score = gain * left.scale[i] * sum + left.bias[i];
      if (score + question.fine >= candidates.threshold())
        offer_exactly(candidates, question, left.rows[i]);
    }
    left.count = 0;
  }

  // out[i] = product of the query and plane row_of(i), for i in [0, count).
  template <class RowOf>
  void dot(const Question& question, const Blocks<std::uint8_t>& planes, std::size_t count,
           std::int32_t* out, RowOf row_of) const {
    for (std::size_t i = 0; i < count; i += WIDTH) {
      const std::uint8_t* plane[WIDTH];
      for (std::size_t j = 0; j < WIDTH; ++j)
        plane[j] = planes.row(row_of(std::min(i + j, count - 1)));
      kernels_.dot_planes(question.code.codes.data(), plane, rows_.encoder.groups(), out + i);
    }
  }

  // Few rows come so far, and the nearer the threshold is to the truth, the fewer will.
  void offer_exactly(Candidates& candidates, const Question& question, std::uint32_t row) const {
    const double score = rows_.exact_score(question.vector, row) - question.constant;
    candidates.offer({-up(-score), up(score), row});
  }

  static void offer(Candidates& candidates, const Question& question, float score,
                    std::uint32_t row) {
    if (score + question.fine >= candidates.threshold())
      candidates.offer({score - question.fine, score + question.fine, row});
  }

  // All queries against a strip, by tiles.
  void score_tiles(std::vector<Candidates>& all, const Strip& strip, Tiles& tiles) const {
    const Kernels& simd = kernels_;
    tiles.pack(rows_, strip);
    for (std::size_t first = 0; first < strip.count; first += simd.nc) {
      const std::size_t count = std::min(simd.nc, strip.count - first);
      const std::uint8_t* codes = tiles.codes.data() + first * tiles.steps * 4;
      for (std::size_t q = 0; q < questions_.size(); q += simd.mc) {
        simd.tile_codes(packed_.data() + q * tiles.steps * 4, codes, tiles.steps,
                        tiles.sums.data());
        for (std::size_t j = 0; j < simd.mc && q + j < questions_.size(); ++j)
          sift(all[q + j], questions_[q + j], strip, first, count, tiles.sums.data() + j * simd.nc);
      }
    }
  }

  void sift(Candidates& candidates, const Question& question, const Strip& strip, std::size_t first,
            std::size_t count, const std::int32_t* sums) const {
    const float shift = -128.0f * question.code.sum, gain = question.code.gain;
    const float least = candidates.threshold() - question.fine;
    const float *scale = strip.scale + first, *bias = strip.bias + first;
    float scores[STRIP];
    int any = 0;
    for (std::size_t i = 0; i < count; ++i) {  // no branch: the compiler vectorises it
      scores[i] = gain * scale[i] * (float(sums[i]) + shift) + bias[i];
      any |= scores[i] >= least;
    }
    if (!any) return;
    for (std::size_t i = 0; i < count; ++i)
      if (scores[i] >= least) offer(candidates, question, scores[i], strip.rows[first + i]);
  }

  void finish(const Question& question, Candidates& candidates, Ranking& out,
              std::ptrdiff_t q) const {
    using Hit = Scored<double, std::uint32_t>;
    std::vector<Candidate>& items = candidates.items();
    std::sort(items.begin(), items.end(),
              [](const Candidate& a, const Candidate& b) { return a.upper > b.upper; });
    std::vector<Hit> best;  // a heap, the worst on top
    for (const Candidate& item : items) {
      if (best.size() == k_ && double(item.upper) + question.constant < best.front().score) break;
      const Hit hit{rows_.exact_score(question.vector, item.row), item.row};
      if (best.size() == k_) {
        if (!(hit < best.front())) continue;
        std::pop_heap(best.begin(), best.end());
        best.pop_back();
      }
      best.push_back(hit);
      std::push_heap(best.begin(), best.end());
    }
    std::sort_heap(best.begin(), best.end());
    for (std::size_t i = 0; i < best.size(); ++i) {
      out.scores(q, std::ptrdiff_t(i)) = float(best[i].score);
      out.rows(q, std::ptrdiff_t(i)) = best[i].row;
    }
  }

  const Rows& rows_;
  const Kernels& kernels_ = kernels();
  const Allowed& allowed_;
  std::size_t k_;
  int threads_;
  std::vector<Question> questions_;
  std::vector<std::int8_t> packed_;
};

}  // namespace

void exact_scan(const Rows& rows, MatrixView queries, const Allowed& allowed, std::int64_t k,
                int num_threads, Ranking& out, std::ptrdiff_t first) {
  const std::size_t there = allowed.among(rows.size());
  const std::size_t size = std::min(std::size_t(k), there);
  if (size == 0) return;
  for (std::ptrdiff_t q = 0; q < queries.rows(); q += QUERIES) {
    const std::ptrdiff_t count = std::min(QUERIES, queries.rows() - q);
    const MatrixView block(queries.data() + q * queries.cols(), count, queries.cols());
    Scan(rows, block, allowed, size, num_threads).run(out, first + q);
  }
}

}  // namespace ragtune
