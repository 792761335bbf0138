// Which documents of a segment have which terms, and how often: never changed once made.
//
//   n <= 65,536 documents, v terms, p postings.
//
// The postings of term i are those from offsets[i] to offsets[i + 1], in the order of their
// documents. A count above 65,535 is kept as 65,535.
#pragma once

#include <array>
#include <bit>
#include <span>
#include <vector>

#include "tokens.hpp"
#include "touch.hpp"

namespace ragtune {

constexpr std::size_t SEGMENT_DOCUMENTS = std::size_t(1) << 16;
constexpr std::uint32_t NO_LIST = ~std::uint32_t(0);

struct Postings {
  std::vector<Term> terms;               // (v,) rising
  std::vector<std::uint32_t> offsets;    // (v + 1,)
  std::vector<std::uint16_t> documents;  // (p,)
  std::vector<std::uint16_t> counts;     // (p,) >= 1
  std::vector<std::uint32_t> lengths;    // (n,) terms of each document, repeated ones too
  std::vector<std::uint32_t> firsts;     // where terms with these leading bits begin

  std::size_t size() const { return lengths.size(); }

  // Fetches what find() is going to read.
  void touch_term(Term term) const {
    const std::uint32_t first = firsts[bucket_of(term)];
    if (first < terms.size()) touch(&terms[first], 1);
  }

  // Which list a term has, or NO_LIST.
  std::uint32_t find(Term term) const;

  // Of `firsts`.
  std::size_t bucket_of(Term term) const { return term >> (64 - std::bit_width(terms.size() | 1)); }

  // To be called when terms have been filled.
  void index_terms();
};

// Documents as their terms: document i owns those from ends[i - 1] (0 for the first) to ends[i].
struct Documents {
  std::vector<Term> terms;
  std::vector<std::size_t> ends;
};

// Throws std::invalid_argument for more than 65,536 documents or 2^31 terms.
Postings inverted(const Documents& documents);

// Documents of a segment that another one takes over, under new numbers.
struct Source {
  const Postings* postings;
  std::vector<std::uint32_t> numbers;  // (n,) rising; DROPPED for those that are not taken
};
constexpr std::uint32_t DROPPED = ~std::uint32_t(0);

// One segment of n documents: those of all sources, whose numbers rise from one to the next.
Postings joined(std::span<const Source> sources, std::size_t n);

}  // namespace ragtune
