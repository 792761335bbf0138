// Questions that chunks are known to answer, and how near a new question comes to them.
//
//   m stored questions, d dimensions; each belongs to a row. Built once, then only read.
//
//   likeness(q, s) = cosine of the vectors, or the mean of that and of
//                    sum_{t in q and s} idf(t)^2 / (|q| |s|),  |x|^2 = sum_{t in x} idf(t)^2
//
// where both have texts: the same words may ask for another thing, and other words for the same.
// idf(t) = log(1 + m / (df(t) + 1/2)) over the stored questions.
#pragma once

#include <optional>
#include <string_view>

#include "parts.hpp"
#include "tokens.hpp"

namespace ragtune {

class QuestionMemory {
 public:
  using Texts = std::span<const std::string_view>;

  // vectors (m, d), rows (m,) and texts (m,), or none of these.
  // Throws std::invalid_argument as Parts::add and Analyzer do, or if the lengths differ.
  QuestionMemory(MatrixView vectors, std::span<const std::int64_t> rows, std::optional<Texts> texts,
                 const std::string& language);

  std::ptrdiff_t size() const { return parts_.size(); }

  // The rows of the k stored questions with the nearest vectors, best first, each row once;
  // -1 where there are fewer. queries (nq, d) -> (nq, k)
  RowMajor<std::int64_t> propose(MatrixView queries, std::int64_t k, int num_threads = 0) const;

  // Likeness to the nearest stored question of each candidate: queries (nq, d), texts (nq,) or
  // none, candidates (nq, c) -> (nq, c), NaN for a row without a question.
  RowMajor<float> likeness(MatrixView queries, std::optional<Texts> texts, IdsView candidates,
                           int num_threads = 0) const;

 private:
  struct Weighted {
    Term term;
    float weight;  // idf / |text|
  };
  using Words = std::vector<Weighted>;  // by term, each once

  void check(MatrixView queries) const;
  float shared(const std::unordered_map<Term, float>& own, std::size_t stored) const;
  Words words_of(std::string_view text) const;
  float idf(Term term) const;

  PartsState parts_;
  std::string language_;
  std::vector<Words> words_;  // (m,), empty without texts
  std::unordered_map<Term, std::uint32_t> frequencies_;
};

}  // namespace ragtune
