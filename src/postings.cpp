#include "postings.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <tuple>

namespace ragtune {
namespace {

constexpr std::uint32_t MOST_COUNTED = std::numeric_limits<std::uint16_t>::max();

// Numbers for terms, in the order in which they are first asked for.
class Numbers {
 public:
  std::uint32_t of(Term term) {
    std::size_t place = term & mask_;
    while (places_[place].term != term) {
      if (places_[place].term == 0) return add(term, place);
      place = (place + 1) & mask_;
    }
    return places_[place].number;
  }

  std::vector<Term>& terms() { return terms_; }

 private:
  struct Place {
    Term term = 0;
    std::uint32_t number = 0;
  };

  std::uint32_t add(Term term, std::size_t place) {
    const auto number = std::uint32_t(terms_.size());
    places_[place] = {term, number};
    terms_.push_back(term);
    if (2 * terms_.size() > mask_) grow();
    return number;
  }

  void grow() {
    mask_ = 2 * mask_ + 1;
    places_.assign(mask_ + 1, {});
    for (std::uint32_t number = 0; number < terms_.size(); ++number) {
      std::size_t place = terms_[number] & mask_;
      while (places_[place].term) place = (place + 1) & mask_;
      places_[place] = {terms_[number], number};
    }
  }

  std::size_t mask_ = (std::size_t(1) << 12) - 1;
  std::vector<Place> places_{mask_ + 1};
  std::vector<Term> terms_;
};

// Each document's distinct terms, by their numbers, with their counts.
struct Counted {
  struct Entry {
    std::uint32_t number, count;
  };
  std::vector<Entry> entries;
  std::vector<std::size_t> ends;
  Numbers numbers;
};

Counted counted(const Documents& documents) {
  Counted out;
  out.entries.reserve(documents.terms.size());
  std::vector<std::size_t> entry_of;  // of each term, where it was counted last
  std::size_t at = 0;
  for (const std::size_t end : documents.ends) {
    const std::size_t first = out.entries.size();
    for (; at < end; ++at) {
      const std::uint32_t number = out.numbers.of(documents.terms[at]);
      if (number == entry_of.size()) entry_of.push_back(std::size_t(-1));
      std::size_t& entry = entry_of[number];
      if (entry == std::size_t(-1) || entry < first) {
        entry = out.entries.size();
        out.entries.push_back({number, 0});
      }
      ++out.entries[entry].count;
    }
    out.ends.push_back(out.entries.size());
  }
  return out;
}

}  // namespace

void Postings::index_terms() {
  const std::size_t bits = std::bit_width(terms.size() | 1);
  firsts.assign((std::size_t(1) << bits) + 1, std::uint32_t(terms.size()));
  for (std::size_t i = terms.size(); i-- > 0;) firsts[bucket_of(terms[i])] = std::uint32_t(i);
  for (std::size_t b = firsts.size() - 1; b-- > 0;) firsts[b] = std::min(firsts[b], firsts[b + 1]);
}

std::uint32_t Postings::find(Term term) const {
  const std::size_t bucket = bucket_of(term);
  for (std::uint32_t i = firsts[bucket]; i < firsts[bucket + 1]; ++i)
    if (terms[i] == term) return i;
  return NO_LIST;
}

Postings inverted(const Documents& documents) {
  if (documents.ends.size() > SEGMENT_DOCUMENTS)
    throw std::invalid_argument("documents: expected at most 65536, got " +
                                std::to_string(documents.ends.size()));
  if (documents.terms.size() >= std::size_t(1) << 31)
    throw std::invalid_argument("texts: expected less than 2^31 terms in 65,536 documents");
  Counted counts = counted(documents);
  const std::vector<Term>& terms = counts.numbers.terms();
  std::vector<std::uint32_t> sizes(terms.size()), order(terms.size()), places(terms.size());
  for (const auto& entry : counts.entries) ++sizes[entry.number];
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](std::uint32_t number) { return terms[number]; });
  Postings out;
  out.offsets.push_back(0);
  for (const std::uint32_t number : order) {
    places[number] = out.offsets.back();
    out.terms.push_back(terms[number]);
    out.offsets.push_back(out.offsets.back() + sizes[number]);
  }
  out.documents.resize(counts.entries.size());
  out.counts.resize(counts.entries.size());
  std::size_t at = 0, begin = 0;
  for (std::size_t document = 0; document < documents.ends.size(); ++document) {
    for (; at < counts.ends[document]; ++at) {
      const std::uint32_t place = places[counts.entries[at].number]++;
      out.documents[place] = std::uint16_t(document);
      out.counts[place] = std::uint16_t(std::min(counts.entries[at].count, MOST_COUNTED));
    }
    out.lengths.push_back(std::uint32_t(documents.ends[document] - begin));
    begin = documents.ends[document];
  }
  out.index_terms();
  return out;
}

Postings joined(std::span<const Source> sources, std::size_t n) {
  std::vector<std::tuple<Term, std::uint32_t, std::uint32_t>> lists;  // term, source, list
  std::size_t most = 0;
  for (std::uint32_t s = 0; s < sources.size(); ++s) {
    const Postings& from = *sources[s].postings;
    for (std::uint32_t i = 0; i < from.terms.size(); ++i) lists.emplace_back(from.terms[i], s, i);
    most += from.documents.size();
  }
  if (most >= std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument("texts: expected less than 2^32 postings in 65,536 documents");
  std::ranges::sort(lists);
  Postings out;
  out.documents.reserve(most);
  out.counts.reserve(most);
  for (const auto& [term, s, list] : lists) {
    const Source& source = sources[s];
    const std::size_t before = out.documents.size();
    for (std::uint32_t p = source.postings->offsets[list]; p < source.postings->offsets[list + 1];
         ++p) {
      const std::uint32_t number = source.numbers[source.postings->documents[p]];
      if (number == DROPPED) continue;
      out.documents.push_back(std::uint16_t(number));
      out.counts.push_back(source.postings->counts[p]);
    }
    if (out.documents.size() == before || (!out.terms.empty() && out.terms.back() == term))
      continue;
    out.terms.push_back(term);
    out.offsets.push_back(std::uint32_t(before));
  }
  out.offsets.push_back(std::uint32_t(out.documents.size()));
  out.lengths.resize(n);
  for (const Source& source : sources)
    for (std::size_t i = 0; i < source.numbers.size(); ++i)
      if (source.numbers[i] != DROPPED)
        out.lengths[source.numbers[i]] = source.postings->lengths[i];
  out.index_terms();
  return out;
}

}  // namespace ragtune
