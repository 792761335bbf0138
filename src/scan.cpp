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
#include "strip.hpp"

namespace ragtune {
namespace {

constexpr std::size_t CHUNK = 1024;           // rows that a thread takes at a time
constexpr std::ptrdiff_t QUERIES = 1024;      // queries at a time: bounds the memory for candidates
constexpr std::size_t MIN_TILED_QUERIES = 4;  // below, packing costs more than it saves

// A query and how far its scores may be off.
struct Question {
  const float* vector;
  QueryCode code;
  double constant;
  float fine;    // of an 8-bit score
  float coarse;  // of a 4-bit estimate, but for coarse_slope * Rows::coarse
  float coarse_slope;
};

class Scan {
 public:
  Scan(const Rows& rows, MatrixView queries, const Allowed& allowed, std::size_t k, int threads)
      : rows_(rows), allowed_(allowed), k_(k), threads_(threads) {
    questions_.resize(std::size_t(queries.rows()));
    for (std::size_t q = 0; q < questions_.size(); ++q)
      prepare(questions_[q], queries.data() + std::ptrdiff_t(q) * queries.cols());
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
  void prepare(Question& question, const float* vector) const {
    CodeError error;
    const int limit = tiled() ? kernels().query_limit : 127;
    rows_.encoder.encode_query(vector, question.code, &error, limit);
    question.vector = vector;
    question.constant = rows_.encoder.constant(vector);
    const double reach = error.length + rows_.longest_centred;
    if (!(reach * reach < 1e36))
      throw std::invalid_argument(
          "vectors: expected lengths below 1e18 (float32 overflows), got a query and a row of " +
          std::to_string(reach) + " together");
    const double slope = rows_.encoder.slope();
    const double coded = error.length + error.residual;  // of the query's codes, at most
    // Sums of d terms in float32, with room: the terms are at most |q'| |x'| sqrt(d).
    // What the mean adds to products is rounded, too.
    const double shift = rows_.encoder.shift() * reach;
    const double rounding =
        0x1p-21 * shift + 0x1p-19 * std::sqrt(double(rows_.dimensions())) * reach * reach + 1e-37;
    const double query_part = slope * error.residual * rows_.longest_centred + rounding;
    question.fine = up(query_part + slope * coded * rows_.largest_residual);
    question.coarse = up(query_part);
    question.coarse_slope = up(slope * coded);
  }

  // As the tile kernel takes them; there are zeros after the last.
  void pack_questions() {
    const std::size_t steps = rows_.encoder.groups() * GROUP / 4, mc = kernels().mc;
    packed_.resize((questions_.size() + mc - 1) / mc * mc * steps * 4);
    for (std::size_t q = 0; q < questions_.size(); ++q)
      for (std::size_t s = 0; s < steps; ++s)
        std::memcpy(packed_.data() + (q / mc * steps + s) * mc * 4 + q % mc * 4,
                    questions_[q].code.codes.data() + 4 * s, 4);
  }

  static float up(double x) {
    return std::nextafter(float(x), std::numeric_limits<float>::infinity());
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
          Strip strip;
          Tiles tiles(tiled() ? rows_.encoder.groups() * GROUP / 4 : 0);
          for (std::size_t c; (c = next.fetch_add(1)) < chunks;)
            scan_chunk(parts[std::size_t(t)], c * CHUNK, strip, tiles);
          flush(parts[std::size_t(t)], strip, tiles);
        },
        int(threads), 1);
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      for (std::size_t t = 1; t < threads; ++t) parts[0][q].absorb(parts[t][q]);
      parts[0][q].shrink();
    }
    return std::move(parts[0]);
  }

  void scan_chunk(std::vector<Candidates>& all, std::size_t first, Strip& strip,
                  Tiles& tiles) const {
    const std::size_t end = std::min(rows_.size(), first + CHUNK);
    for (std::size_t i = first; i < end; ++i) {
      if (!allowed_.all() && i % 64 == 0 && (*allowed_.bits)[i / 64] == 0) {
        i += 63;
        continue;
      }
      strip.rows[strip.count] = std::uint32_t(i);
      strip.count += allowed_(i);
      if (strip.count == STRIP) flush(all, strip, tiles);
    }
  }

  void flush(std::vector<Candidates>& all, Strip& strip, Tiles& tiles) const {
    if (strip.count == 0) return;
    prefetch_after(strip);
    strip.read_terms(rows_);
    tiled() ? score_tiles(all, strip, tiles) : score_each(all, strip);
    strip.count = 0;
  }

  // One query is as fast as its rows come from memory.
  void prefetch_after(const Strip& strip) const {
    const std::size_t first = strip.rows[strip.count - 1] + std::size_t(1);
    if (questions_.size() > 2 || !allowed_.all()) return;
    for (std::size_t i = first; i < std::min(first + STRIP, rows_.size()); ++i) rows_.prefetch(i);
  }

  bool tiled() const { return questions_.size() >= MIN_TILED_QUERIES; }

  void score_each(std::vector<Candidates>& all, const Strip& strip) const {
    const std::size_t count = strip.count;
    std::int32_t high[STRIP + WIDTH], low[STRIP + WIDTH];
    std::uint32_t left[STRIP];  // places in the strip
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      const Question& question = questions_[q];
      const float shift = -128.0f * question.code.sum, gain = question.code.gain;
      dot(question, rows_.high, count, high, [&](std::size_t i) { return strip.rows[i]; });
      const std::size_t size = survivors(question, all[q].threshold(), strip, high, left);
      dot(question, rows_.low, size, low, [&](std::size_t i) { return strip.rows[left[i]]; });
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t r = left[i];
        const float sum = float(16 * high[r] + low[i]) + shift;
        offer(all[q], question, gain * strip.scale[r] * sum + strip.bias[r], strip.rows[r]);
      }
    }
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

  static void offer(Candidates& candidates, const Question& question, float score,
                    std::uint32_t row) {
    if (score + question.fine >= candidates.threshold())
      candidates.offer({score - question.fine, score + question.fine, row});
  }

  // Places of rows whose 4-bit estimate does not prove that they are below the threshold; their
  // lower bits are on the way to the cache.
  std::size_t survivors(const Question& question, float threshold, const Strip& strip,
                        const std::int32_t* high, std::uint32_t* out) const {
    const float shift = (7.5f - 128.0f) * question.code.sum, gain = question.code.gain;
    const float slope = question.coarse_slope;
    const float least = rows_.with_errors ? threshold - question.coarse : LOWEST;
    int in[STRIP], any = 0;
    for (std::size_t i = 0; i < strip.count; ++i) {  // no branch: the compiler vectorises it
      const float score = gain * strip.scale[i] * (16.0f * float(high[i]) + shift) + strip.bias[i];
      in[i] = score + slope * strip.coarse[i] >= least;
      any |= in[i];
    }
    std::size_t size = 0;
    if (!any) return size;
    for (std::size_t i = 0; i < strip.count; ++i) {
      out[size] = std::uint32_t(i);
      size += std::size_t(in[i]);
    }
    for (std::size_t i = 0; i < size; ++i) rows_.prefetch_lower(strip.rows[out[i]]);
    return size;
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
