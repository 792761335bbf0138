// A lexical index as arrays and back: see Bm25Arrays. Impacts and frequencies are computed anew.
#include <algorithm>
#include <functional>
#include <limits>
#include <stdexcept>
#include <unordered_set>

#include "bm25.hpp"

namespace ragtune {
namespace {

constexpr std::int64_t FORMAT = 1;
constexpr std::int64_t MOST = std::numeric_limits<std::int32_t>::max();

void expect(bool right, const std::string& array, const std::string& what) {
  if (!right) throw std::invalid_argument(array + ": expected " + what);
}

template <class T, class U>
void extend(std::vector<T>& out, const std::vector<U>& values) {
  for (const U& value : values) out.push_back(static_cast<T>(value));
}

// The next `count` elements of an array that was checked to have them.
template <class T>
class Cursor {
 public:
  explicit Cursor(const std::vector<T>& values) : rest_(values) {}
  std::span<const T> take(std::size_t count) {
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

 private:
  std::span<const T> rest_;
};

Bm25Options options_of(const Bm25Arrays& arrays) {
  const std::string names(arrays.names.begin(), arrays.names.end());
  const std::size_t line = names.find('\n');
  expect(line != std::string::npos, "names", "two lines");
  expect(arrays.parameters.size() == 2, "parameters", "k1 and b");
  const Bm25Options options{names.substr(0, line), names.substr(line + 1), arrays.parameters[0],
                            arrays.parameters[1]};
  check(options);
  expect(arrays.analysis.size() == 2, "analysis", "two numbers");
  expect(arrays.analysis[0] == FORMAT, "analysis",
         "format " + std::to_string(FORMAT) + ", got " + std::to_string(arrays.analysis[0]));
  expect(std::uint64_t(arrays.analysis[1]) == analysis_fingerprint(options.language), "analysis",
         "the terms of this program's stemmer, got another's: add the texts anew");
  return options;
}

// Whether the segments add up to the lengths of the arrays.
void check_segments(const Bm25Arrays& arrays) {
  expect(arrays.segments.size() % 3 == 0, "segments", "three numbers each");
  std::uint64_t sums[3] = {};
  for (std::size_t i = 0; i < arrays.segments.size(); ++i) {
    const std::int64_t most = i % 3 == 0 ? std::int64_t(SEGMENT_DOCUMENTS) : MOST;
    const std::int64_t least = i % 3 == 0;
    expect(arrays.segments[i] >= least && arrays.segments[i] <= most, "segments",
           "numbers in range, got " + std::to_string(arrays.segments[i]));
    sums[i % 3] += std::uint64_t(arrays.segments[i]);
  }
  const auto all = [&](const std::string& name, std::size_t size, std::uint64_t expected) {
    expect(size == expected, name,
           std::to_string(expected) + " elements, got " + std::to_string(size));
  };
  all("rows", arrays.rows.size(), sums[0]);
  all("lengths", arrays.lengths.size(), sums[0]);
  all("terms", arrays.terms.size(), sums[1]);
  all("sizes", arrays.sizes.size(), sums[1]);
  all("documents", arrays.documents.size(), sums[2]);
  all("counts", arrays.counts.size(), sums[2]);
}

// Whether lists, their documents and the lengths of these belong together.
void check_lists(const Postings& postings) {
  expect(std::ranges::adjacent_find(postings.terms, std::greater_equal<>()) == postings.terms.end(),
         "terms", "rising ones in a segment");
  std::vector<std::uint64_t> counted(postings.size());
  for (std::size_t list = 0; list < postings.terms.size(); ++list) {
    std::int64_t before = -1;
    for (std::uint32_t p = postings.offsets[list]; p < postings.offsets[list + 1]; ++p) {
      const std::uint16_t document = postings.documents[p];
      expect(document > before && document < postings.size(), "documents",
             "rising ones of the segment in a list");
      expect(postings.counts[p] > 0, "counts", "> 0");
      counted[document] += postings.counts[p];
      before = document;
    }
  }
  for (std::size_t i = 0; i < counted.size(); ++i)
    expect(counted[i] <= postings.lengths[i], "lengths", "at least what is counted");
}

Postings postings_of(std::span<const std::int32_t> lengths, std::span<const std::int64_t> terms,
                     std::span<const std::int32_t> sizes) {
  Postings out;
  for (const std::int32_t length : lengths) {
    expect(length >= 0, "lengths", ">= 0, got " + std::to_string(length));
    out.lengths.push_back(std::uint32_t(length));
  }
  for (const std::int64_t term : terms) out.terms.push_back(Term(term));
  out.offsets.push_back(0);
  std::uint64_t sum = 0;
  for (const std::int32_t size : sizes) {
    expect(size > 0, "sizes", "> 0, got " + std::to_string(size));
    sum += std::uint64_t(size);
    expect(sum <= std::uint64_t(MOST), "sizes", "the postings of the segment");
    out.offsets.push_back(std::uint32_t(sum));
  }
  return out;
}

void check_rows(const std::vector<std::int64_t>& rows) {
  std::unordered_set<std::int64_t> seen;
  seen.reserve(rows.size());
  for (const std::int64_t row : rows)
    expect(row >= 0 && seen.insert(row).second, "rows",
           "distinct ones >= 0, got " + std::to_string(row));
}

}  // namespace

Bm25::Bm25(const Bm25Arrays& arrays) : options_(options_of(arrays)) {
  check_segments(arrays);
  check_rows(arrays.rows);
  Cursor rows(arrays.rows), terms(arrays.terms);
  Cursor lengths(arrays.lengths), sizes(arrays.sizes);
  Cursor documents(arrays.documents), counts(arrays.counts);
  Bm25State next;
  next.ids.begin_edit(next_edit());
  for (std::size_t s = 0; s < arrays.segments.size(); s += 3) {
    const auto n = std::size_t(arrays.segments[s]), v = std::size_t(arrays.segments[s + 1]),
               p = std::size_t(arrays.segments[s + 2]);
    Postings postings = postings_of(lengths.take(n), terms.take(v), sizes.take(v));
    expect(postings.offsets.back() == p, "sizes", "the postings of the segment");
    const auto list = documents.take(p);
    postings.documents.assign(list.begin(), list.end());
    const auto count = counts.take(p);
    postings.counts.assign(count.begin(), count.end());
    check_lists(postings);
    postings.index_terms();
    next.append(std::move(postings), rows.take(n));
  }
  publish(std::move(next), 0);
}

Bm25Arrays Bm25::arrays() const {
  auto state = state_.get();
  if (!state->alive.all() && state->live() < state->ids.size())
    state = std::make_shared<const Bm25State>(state->compacted());
  Bm25Arrays out;
  extend(out.names, std::vector<char>(options_.language.begin(), options_.language.end()));
  out.names.push_back('\n');
  extend(out.names, std::vector<char>(options_.method.begin(), options_.method.end()));
  out.parameters = {options_.k1, options_.b};
  out.analysis = {FORMAT, std::int64_t(analysis_fingerprint(options_.language))};
  for (const Segment& segment : state->segments) {
    const Postings& from = *segment.postings;
    for (const std::size_t size : {from.size(), from.terms.size(), from.documents.size()})
      out.segments.push_back(std::int64_t(size));
    for (std::size_t i = 0; i < from.size(); ++i)
      out.rows.push_back(state->ids.of_row(segment.first + i));
    extend(out.lengths, from.lengths);
    extend(out.terms, from.terms);
    for (std::size_t i = 0; i < from.terms.size(); ++i)
      out.sizes.push_back(std::int32_t(from.offsets[i + 1] - from.offsets[i]));
    extend(out.documents, from.documents);
    extend(out.counts, from.counts);
  }
  return out;
}

}  // namespace ragtune
