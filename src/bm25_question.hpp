// A question held against an index, and the scores of given documents.
//
//   t distinct terms of the question, s segments, c candidates.
//
// A score is summed in float64, in the order of the terms, so that it does not depend on how a
// document was found.
#pragma once

#include "bm25_state.hpp"

namespace ragtune {

// A question held against a state. Terms that nobody has are left out; those given are sorted.
struct Question {
  std::vector<double> weights;       // (t,) idf, times how often it is asked for
  std::vector<std::uint32_t> lists;  // (t, s) NO_LIST where a segment lacks the term
  double total = 0;                  // of the weights
  double base = 0;                   // what bm25+ and bm25l give to every document
};
Question question(const Bm25State& state, const Weights& weights, std::span<Term> terms);

struct Searched {
  const Bm25State& state;
  const Weights& weights;
  const Allowed& allowed;  // of its living documents
};

// Fills scores (c,) of candidates (c,), and, unless it is null, shares (c,): that of the question's
// idf whose terms a candidate has, however often and however long it is (coordination level
// matching, weighted by idf). 0 for what does not match or is not there.
// Sources: Cleverdon 1967, doi:10.1108/eb050097; Spaerck Jones 1972, doi:10.1108/eb026526.
void score_candidates(const Searched& in, const Question& question,
                      std::span<const std::int64_t> candidates, float* scores, float* shares);

}  // namespace ragtune
