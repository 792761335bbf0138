#include "bm25_question.hpp"

#include <algorithm>

#include "bm25_lists.hpp"

namespace ragtune {

Question question(const Bm25State& state, const Weights& weights, std::vector<Term> terms) {
  Question out;
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
      out.base += out.weights.back() * weights.absent();
    } else {
      out.lists.resize(before);
    }
  }
  return out;
}

void score_candidates(const Searched& in, const Question& question,
                      std::span<const std::int64_t> candidates, float* scores) {
  struct Wanted {
    std::uint32_t document, place;
  };
  thread_local std::vector<Wanted> wanted;
  thread_local std::vector<double> sums;
  wanted.clear();
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    scores[i] = 0;
    const std::int64_t document = candidates[i] < 0 ? -1 : in.state.ids.row_of(candidates[i]);
    if (document >= 0 && in.allowed(std::size_t(document)))
      wanted.push_back({std::uint32_t(document), i});
  }
  std::ranges::sort(wanted, {}, &Wanted::document);
  const std::size_t segments = in.state.segments.size();
  for (std::size_t s = 0, begin = 0, end = 0; s < segments; ++s, begin = end) {
    const Segment& segment = in.state.segments[s];
    while (end < wanted.size() && wanted[end].document < segment.first + segment.size()) ++end;
    if (begin == end) continue;
    sums.assign(end - begin, 0);
    for (std::size_t t = 0; t < question.weights.size(); ++t) {
      const std::uint32_t number = question.lists[t * segments + s];
      if (number == NO_LIST) continue;
      const std::uint32_t first = segment.postings->offsets[number];
      const List list{.postings = segment.impacts->postings.data() + first,
                      .counts = segment.postings->counts.data() + first,
                      .size = segment.postings->offsets[number + 1] - first};
      std::uint32_t at = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const auto document = std::uint32_t(wanted[i].document - segment.first);
        at = list.seek(at, document);
        if (at == list.size) break;
        if (document_of(list.postings[at]) != document) continue;
        const double normalizer = in.weights.normalizer(segment.postings->lengths[document]);
        sums[i - begin] += question.weights[t] * in.weights.present(list.count(at), normalizer);
      }
    }
    for (std::size_t i = begin; i < end; ++i)
      if (sums[i - begin] > 0) scores[wanted[i].place] = float(question.base + sums[i - begin]);
  }
}

}  // namespace ragtune
