#include "bm25_question.hpp"

#include <algorithm>

#include "bm25_lists.hpp"

namespace ragtune {

Question question(const Bm25State& state, const Weights& weights, std::span<Term> terms) {
  Question out;
  out.weights.reserve(terms.size());
  out.lists.reserve(terms.size() * state.segments.size());
  for (const Segment& segment : state.segments)
    for (const Term term : terms) segment.postings->touch_term(term);
  std::ranges::sort(terms);
  for (std::size_t begin = 0, end = 0; begin < terms.size(); begin = end) {
    while (end < terms.size() && terms[end] == terms[begin]) ++end;
    std::uint64_t frequency = 0;
    const std::size_t before = out.lists.size();
    for (const Segment& segment : state.segments) {
      std::uint32_t list = segment.postings->find(terms[begin]);
      if (list != NO_LIST && (*segment.frequencies)[list] == 0) list = NO_LIST;
      if (list != NO_LIST) frequency += (*segment.frequencies)[list];
      out.lists.push_back(list);
    }
    const double idf = frequency ? weights.idf(double(frequency), double(state.live())) : 0;
    if (idf > 0) {
      out.weights.push_back(idf * double(end - begin));
      out.total += out.weights.back();
      out.base += out.weights.back() * weights.absent();
    } else {
      out.lists.resize(before);
    }
  }
  return out;
}

namespace {

constexpr std::size_t MOST_DOCUMENTS = 0xFFFF;  // that marks can tell apart
constexpr std::size_t LOOKUP = 12;  // postings are read in the time in which one is looked up

// Calls fn(i, place) for the place in a list of each documents[i] that it has. `marks` are 0 for
// each document of the segment, before and after.
template <class Fn>
void for_each_found(std::span<const std::uint16_t> list, std::span<const std::uint16_t> documents,
                    std::span<std::uint16_t> marks, Fn fn) {
  if (list.size() < LOOKUP * documents.size()) {
    for (std::uint32_t place = 0; place < list.size(); ++place)
      if (const std::uint16_t mark = marks[list[place]]) fn(mark - 1u, place);
    return;
  }
  look_up_each(
      std::uint32_t(list.size()), [&](std::uint32_t place) { return list[place]; },
      documents.size(), [&](std::size_t i) { return documents[i]; }, fn);
}

// What a document is worth to a question, before what every document gets, and the weight of the
// terms that it has.
struct Sums {
  double score = 0, weight = 0;
};

// Adds each term that they have to the sums of some documents of segment s, in their order.
void add_terms(const Searched& in, const Question& question, std::size_t s,
               std::span<const std::uint16_t> documents, Sums* sums) {
  const Postings& postings = *in.state.segments[s].postings;
  thread_local std::vector<std::uint16_t> marks(SEGMENT_DOCUMENTS);
  thread_local std::vector<double> normalizers;
  normalizers.clear();
  for (std::size_t i = 0; i < documents.size(); ++i) {
    marks[documents[i]] = std::uint16_t(i + 1);
    normalizers.push_back(in.weights.normalizer(postings.lengths[documents[i]]));
  }
  for (std::size_t t = 0; t < question.weights.size(); ++t) {
    const std::uint32_t number = question.lists[t * in.state.segments.size() + s];
    if (number == NO_LIST) continue;
    const std::uint32_t first = postings.offsets[number];
    const std::span list(postings.documents.data() + first, postings.offsets[number + 1] - first);
    for_each_found(list, documents, marks, [&](std::size_t i, std::uint32_t place) {
      const double tf = postings.counts[first + place];
      sums[i].score += question.weights[t] * in.weights.present(tf, normalizers[i]);
      sums[i].weight += question.weights[t];
    });
  }
  for (const std::uint16_t document : documents) marks[document] = 0;
}

}  // namespace

void score_candidates(const Searched& in, const Question& question,
                      std::span<const std::int64_t> candidates, float* scores, float* shares) {
  struct Wanted {
    std::uint32_t document, place;
  };
  thread_local std::vector<Wanted> wanted;
  wanted.clear();
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    scores[i] = 0;
    if (shares) shares[i] = 0;
    const std::int64_t document = candidates[i] < 0 ? -1 : in.state.ids.row_of(candidates[i]);
    if (document >= 0 && in.allowed(std::size_t(document)))
      wanted.push_back({std::uint32_t(document), i});
  }
  std::ranges::sort(wanted, {}, &Wanted::document);
  for (std::size_t s = 0, begin = 0, end = 0; s < in.state.segments.size(); begin = end) {
    const Segment& segment = in.state.segments[s];
    thread_local std::vector<std::uint16_t> documents;
    thread_local std::vector<Sums> sums;
    documents.clear();
    for (; end < wanted.size() && wanted[end].document < segment.first + segment.size(); ++end) {
      const auto document = std::uint16_t(wanted[end].document - segment.first);
      if (!documents.empty() && documents.back() == document) continue;
      if (documents.size() == MOST_DOCUMENTS) break;
      documents.push_back(document);
    }
    if (begin == end) {
      ++s;
      continue;
    }
    sums.assign(documents.size(), {});
    add_terms(in, question, s, documents, sums.data());
    std::size_t own = 0;
    for (std::size_t i = begin; i < end; ++i) {
      own += i > begin && wanted[i].document != wanted[i - 1].document;
      const auto [score, weight] = sums[own];
      if (score > 0) scores[wanted[i].place] = float(question.base + score);
      if (shares && weight > 0) shares[wanted[i].place] = float(weight / question.total);
    }
  }
}

}  // namespace ragtune
