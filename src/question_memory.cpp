#include "question_memory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "parallel.hpp"

namespace ragtune {
namespace {

// The terms of a text, each once, in their order as numbers.
std::vector<Term> distinct_terms(std::string_view text, const std::string& language) {
  std::vector<Term> terms;
  Analyzer::of_thread(language).read(text, terms);
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  return terms;
}

}  // namespace

QuestionMemory::QuestionMemory(MatrixView vectors, std::span<const std::int64_t> rows,
                               std::optional<Texts> texts, const std::string& language)
    : parts_(vectors.cols()), language_(language) {
  parts_.add(vectors, rows, 0);
  if (!texts) return;
  if (texts->size() != rows.size())
    throw std::invalid_argument("texts: expected " + std::to_string(rows.size()) + ", got " +
                                std::to_string(texts->size()));
  for (const std::string_view text : *texts)
    for (const Term term : distinct_terms(text, language_)) ++frequencies_[term];
  words_.reserve(texts->size());
  for (const std::string_view text : *texts) words_.push_back(words_of(text));
}

float QuestionMemory::idf(Term term) const {
  const auto at = frequencies_.find(term);
  const double frequency = at == frequencies_.end() ? 0 : at->second;
  return float(std::log(1 + double(size()) / (frequency + 0.5)));
}

QuestionMemory::Words QuestionMemory::words_of(std::string_view text) const {
  Words out;
  double square = 0;
  for (const Term term : distinct_terms(text, language_)) {
    out.push_back({term, idf(term)});
    square += double(out.back().weight) * out.back().weight;
  }
  for (Weighted& word : out) word.weight /= float(std::sqrt(square));
  return out;
}

void QuestionMemory::check(MatrixView queries) const {
  if (queries.cols() != parts_.dimensions())
    throw std::invalid_argument("queries: expected " + std::to_string(parts_.dimensions()) +
                                " dimensions, got " + std::to_string(queries.cols()));
}

RowMajor<std::int64_t> QuestionMemory::propose(MatrixView queries, std::int64_t k,
                                               int num_threads) const {
  check(queries);
  if (k < 1) throw std::invalid_argument("k: expected >= 1, got " + std::to_string(k));
  RowMajor<std::int64_t> out = RowMajor<std::int64_t>::Constant(queries.rows(), k, -1);
  parallel_for(
      queries.rows(),
      [&](std::ptrdiff_t q) {
        const auto nearest = parts_.nearest_rows(queries.row(q).data(), std::size_t(k));
        std::copy(nearest.begin(), nearest.end(), out.row(q).data());
      },
      num_threads, 1);
  return out;
}

// What the words of a stored question and of the query have in common.
float QuestionMemory::shared(const std::unordered_map<Term, float>& own, std::size_t stored) const {
  float sum = 0;
  for (const Weighted& word : words_[stored])
    if (const auto at = own.find(word.term); at != own.end()) sum += word.weight * at->second;
  return sum;
}

RowMajor<float> QuestionMemory::likeness(MatrixView queries, std::optional<Texts> texts,
                                         IdsView candidates, int num_threads) const {
  if (!texts || words_.empty()) return score_parts(parts_, queries, candidates, num_threads).best;
  check(queries);
  if (candidates.rows() != queries.rows())
    throw std::invalid_argument("queries: expected " + std::to_string(candidates.rows()) +
                                " rows, got " + std::to_string(queries.rows()));
  if (std::ssize(*texts) != queries.rows())
    throw std::invalid_argument("texts: expected " + std::to_string(queries.rows()) + ", got " +
                                std::to_string(texts->size()));
  RowMajor<float> out(candidates.rows(), candidates.cols());
  parallel_for(
      queries.rows(),
      [&](std::ptrdiff_t q) {
        std::unordered_map<Term, float> own;
        for (const Weighted& word : words_of((*texts)[std::size_t(q)]))
          own.emplace(word.term, word.weight);
        std::vector<std::uint32_t> stored;
        std::vector<std::ptrdiff_t> owners;
        for (std::ptrdiff_t c = 0; c < candidates.cols(); ++c) {
          out(q, c) = std::numeric_limits<float>::quiet_NaN();
          parts_.for_each_part(candidates(q, c), [&](std::size_t part) {
            stored.push_back(std::uint32_t(part));
            owners.push_back(c);
          });
        }
        const std::vector<float> cosines = parts_.cosines(queries.row(q).data(), stored);
        for (std::size_t i = 0; i < stored.size(); ++i) {
          float& best = out(q, owners[i]);
          const float alike = 0.5f * (cosines[i] + shared(own, stored[i]));
          if (!(best >= alike)) best = alike;  // NaN, too
        }
      },
      num_threads);
  return out;
}

}  // namespace ragtune
