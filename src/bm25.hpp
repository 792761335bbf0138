// A lexical index of texts with rows of the caller: add, remove, search, score.
//
//   n living documents, nq questions, k results, c candidates of each question.
//
// Document frequencies and the mean length are those of the living documents. Searches run on a
// snapshot: they never wait for a writer, and see all of an add() or remove() or nothing of it.
// Writers wait for each other. Texts are UTF-8; see tokens.hpp for what becomes of them.
#pragma once

#include <string_view>

#include "bm25_state.hpp"
#include "published.hpp"
#include "topk.hpp"

namespace ragtune {

using Texts = std::span<const std::string_view>;

// An index as arrays, for a file. Removed documents are not in it.
struct Bm25Arrays {
  std::vector<std::uint8_t> names;       // language, a line feed, method
  std::vector<double> parameters;        // k1, b
  std::vector<std::int64_t> analysis;    // format, analysis_fingerprint()
  std::vector<std::int64_t> segments;    // (s, 3) documents, terms, postings of each
  std::vector<std::int64_t> rows;        // (n,) of the documents of all segments
  std::vector<std::int32_t> lengths;     // (n,)
  std::vector<std::int64_t> terms;       // (v,) of the segments, one after the other
  std::vector<std::int32_t> sizes;       // (v,) postings of each term
  std::vector<std::uint16_t> documents;  // (p,)
  std::vector<std::uint16_t> counts;     // (p,)
};

class Bm25 {
 public:
  // Throws std::invalid_argument as check(const Bm25Options&) does.
  explicit Bm25(const Bm25Options& options);

  // Believes nothing: throws std::invalid_argument, naming the array, unless each length, order
  // and number is one that arrays() writes, and this program's analysis makes the same terms.
  explicit Bm25(const Bm25Arrays& arrays);
  Bm25Arrays arrays() const;

  // Adds texts (m,) with rows (m,) >= 0 and distinct; a row that is there already is replaced.
  // Throws std::invalid_argument, and changes nothing, for anything else.
  void add(std::span<const std::int64_t> rows, Texts texts, int num_threads);

  // Rows that are not there are passed over. -> how many were removed.
  std::size_t remove(std::span<const std::int64_t> rows);

  // The k best of the documents that match, with scores (nq, k) above 0 and rows (nq, k), best
  // first, ties by row; 0 and -1 where there is none. Throws std::invalid_argument if k < 1.
  Ranking search(Texts texts, std::int64_t k, const IdFilter& filter, int num_threads) const;

  // Scores of candidates (nq, c) -> (nq, c), as search() gives them; 0 for what does not match,
  // for rows that are not there, and for -1. Throws std::invalid_argument if nq differs.
  RowMajor<float> score(Texts texts, IdsView candidates, int num_threads) const;

  // The same, and the share of the question's idf that each has the terms of, in [0, 1]. 0 and
  // errors as there.
  struct Coordinated {
    RowMajor<float> scores, shares;  // (nq, c)
  };
  Coordinated score_and_coordination(Texts texts, IdsView candidates, int num_threads) const;

  std::size_t size() const { return state_.get()->live(); }
  const Bm25Options& options() const { return options_; }

 private:
  void publish(Bm25State next, int num_threads);
  void fill(Texts texts, IdsView candidates, int num_threads, float* scores, float* shares) const;

  Bm25Options options_;
  WriterLock writer_;  // held for as long as a change takes
  Published<Bm25State> state_{Bm25State{}};
};

}  // namespace ragtune
