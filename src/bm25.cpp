#include "bm25.hpp"

#include <algorithm>
#include <stdexcept>

#include "bm25_search.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MOST_DOCUMENTS = std::size_t(1) << 31;
constexpr std::size_t BATCH_BYTES = std::size_t(1) << 30;  // bounds the terms of a segment
constexpr std::size_t TOGETHER = 64;                       // texts that one thread reads at once

// The texts as terms, in their order.
Documents read(const std::string& language, Texts texts, int num_threads) {
  const std::size_t parts = (texts.size() + TOGETHER - 1) / TOGETHER;
  std::vector<Documents> read(parts);
  parallel_for(
      std::ptrdiff_t(parts),
      [&](std::ptrdiff_t part) {
        Analyzer& analyzer = Analyzer::of_thread(language);
        Documents& out = read[std::size_t(part)];
        const std::size_t first = std::size_t(part) * TOGETHER;
        for (std::size_t i = first; i < std::min(first + TOGETHER, texts.size()); ++i) {
          analyzer.read(texts[i], out.terms);
          out.ends.push_back(out.terms.size());
        }
      },
      num_threads, 1);
  Documents all;
  std::size_t terms = 0;
  for (const Documents& part : read) terms += part.terms.size();
  all.terms.reserve(terms);
  for (Documents& part : read) {
    for (const std::size_t end : part.ends) all.ends.push_back(all.terms.size() + end);
    all.terms.insert(all.terms.end(), part.terms.begin(), part.terms.end());
    part = {};
  }
  return all;
}

// A text as a question to a state.
Question asked(const Bm25State& state, const Weights& weights, const std::string& language,
               std::string_view text) {
  thread_local std::vector<Term> terms;
  terms.clear();
  Analyzer::of_thread(language).read(text, terms);
  return question(state, weights, terms);
}

// How many texts, from the first on, make the next segment.
std::size_t batch(Texts texts) {
  std::size_t count = 0, size_bytes = 0;
  while (count < std::min(texts.size(), SEGMENT_DOCUMENTS) && size_bytes < BATCH_BYTES)
    size_bytes += texts[count++].size();
  return count;
}

}  // namespace

Bm25::Bm25(const Bm25Options& options) : options_(options) { check(options); }

void Bm25::publish(Bm25State next, int num_threads) {
  if (2 * next.live() < next.ids.size()) next = next.compacted();
  next.weigh(options_, num_threads);
  state_.set(std::move(next));
}

void Bm25::add(std::span<const std::int64_t> rows, Texts texts, int num_threads) {
  check_distinct("rows", rows, texts.size());
  thread_count(num_threads);  // throws
  const std::lock_guard lock(writer_);
  Bm25State next = *state_.get();
  if (next.ids.size() + texts.size() > MOST_DOCUMENTS)
    throw std::invalid_argument("texts: expected at most 2^31 in an index");
  next.ids.begin_edit(next_edit());
  next.kill(rows);
  for (std::size_t first = 0; first < texts.size();) {
    const std::size_t count = batch(texts.subspan(first));
    const Documents documents = read(options_.language, texts.subspan(first, count), num_threads);
    next.append(inverted(documents), rows.subspan(first, count));
    first += count;
  }
  publish(std::move(next), num_threads);
}

std::size_t Bm25::remove(std::span<const std::int64_t> rows) {
  const std::lock_guard lock(writer_);
  Bm25State next = *state_.get();
  const std::size_t removed = next.kill(rows);
  if (removed) publish(std::move(next), 1);
  return removed;
}

Ranking Bm25::search(Texts texts, std::int64_t k, const IdFilter& filter, int num_threads) const {
  if (k < 1) throw std::invalid_argument("k: expected >= 1, got " + std::to_string(k));
  thread_count(num_threads);  // throws
  const auto state = state_.get();
  const Weights weights(options_, state->mean_length());
  const Allowed allowed = filtered(filter, state->ids, state->alive);
  const Searched in{*state, weights, allowed};
  Ranking out{RowMajor<float>(std::ssize(texts), k), RowMajor<std::int64_t>(std::ssize(texts), k)};
  parallel_for(
      std::ssize(texts),
      [&](std::ptrdiff_t q) {
        find_best(in, asked(*state, weights, options_.language, texts[std::size_t(q)]),
                  std::size_t(k), out.scores.row(q).data(), out.rows.row(q).data());
      },
      num_threads, 4);
  return out;
}

void Bm25::fill(Texts texts, IdsView candidates, int num_threads, float* scores,
                float* shares) const {
  if (candidates.rows() != std::ssize(texts))
    throw std::invalid_argument("candidates: expected " + std::to_string(texts.size()) +
                                " rows, got " + std::to_string(candidates.rows()));
  thread_count(num_threads);  // throws
  const auto state = state_.get();
  const Weights weights(options_, state->mean_length());
  const Searched in{*state, weights, state->alive};
  parallel_for(
      std::ssize(texts),
      [&](std::ptrdiff_t q) {
        const auto c = std::size_t(candidates.cols()), at = std::size_t(q) * c;
        score_candidates(in, asked(*state, weights, options_.language, texts[std::size_t(q)]),
                         {candidates.data() + at, c}, scores + at, shares ? shares + at : nullptr);
      },
      num_threads, 4);
}

RowMajor<float> Bm25::score(Texts texts, IdsView candidates, int num_threads) const {
  RowMajor<float> out(candidates.rows(), candidates.cols());
  fill(texts, candidates, num_threads, out.data(), nullptr);
  return out;
}

Bm25::Coordinated Bm25::score_and_coordination(Texts texts, IdsView candidates,
                                               int num_threads) const {
  Coordinated out{RowMajor<float>(candidates.rows(), candidates.cols()),
                  RowMajor<float>(candidates.rows(), candidates.cols())};
  fill(texts, candidates, num_threads, out.scores.data(), out.shares.data());
  return out;
}

}  // namespace ragtune
