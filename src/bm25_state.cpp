#include "bm25_state.hpp"

#include <algorithm>
#include <numeric>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr double DRIFT = 0.02;  // of the mean length, until impacts are computed anew
constexpr std::size_t MOST_POSTINGS = std::size_t(1) << 31;  // of a segment that is joined

std::shared_ptr<const std::vector<std::uint32_t>> list_sizes(const Postings& postings) {
  std::vector<std::uint32_t> sizes(postings.terms.size());
  for (std::size_t i = 0; i < sizes.size(); ++i)
    sizes[i] = postings.offsets[i + 1] - postings.offsets[i];
  return std::make_shared<const std::vector<std::uint32_t>>(std::move(sizes));
}

Segment segment(std::size_t first, Postings postings) {
  auto shared = std::make_shared<const Postings>(std::move(postings));
  auto frequencies = list_sizes(*shared);
  return {first, std::move(shared), std::move(frequencies), nullptr};
}

std::vector<std::uint32_t> numbered(std::size_t count, std::size_t from) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::uint32_t(from));
  return numbers;
}

Segment joined_pair(const Segment& a, const Segment& b) {
  const Source sources[] = {{a.postings.get(), numbered(a.size(), 0)},
                            {b.postings.get(), numbered(b.size(), a.size())}};
  Segment out = segment(a.first, joined(sources, a.size() + b.size()));
  auto frequencies = *out.frequencies;  // removed documents are still among the postings
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = 0;
    for (const Segment* from : {&a, &b}) {
      const std::uint32_t list = from->postings->find(out.postings->terms[i]);
      if (list != NO_LIST) frequencies[i] += (*from->frequencies)[list];
    }
  }
  out.frequencies = std::make_shared<const std::vector<std::uint32_t>>(std::move(frequencies));
  return out;
}

bool should_join(const Segment& a, const Segment& b) {
  return a.size() < 2 * b.size() && a.size() + b.size() <= SEGMENT_DOCUMENTS &&
         a.postings->documents.size() + b.postings->documents.size() < MOST_POSTINGS;
}

// Takes removed documents of a segment out of its frequencies.
void forget(Segment& segment, const std::vector<std::uint8_t>& removed) {
  const Postings& postings = *segment.postings;
  auto frequencies = std::make_shared<std::vector<std::uint32_t>>(*segment.frequencies);
  for (std::size_t list = 0; list < postings.terms.size(); ++list) {
    std::uint32_t gone = 0;
    for (std::uint32_t p = postings.offsets[list]; p < postings.offsets[list + 1]; ++p)
      gone += removed[postings.documents[p]];
    (*frequencies)[list] -= gone;
  }
  segment.frequencies = std::move(frequencies);
}

}  // namespace

const Segment& Bm25State::segment_of(std::size_t document) const {
  const auto after = std::ranges::upper_bound(segments, document, {}, &Segment::first);
  return *(after - 1);
}

void Bm25State::append(Postings postings, std::span<const std::int64_t> names) {
  if (names.empty()) return;
  const std::size_t before = ids.size();
  for (const std::uint32_t length : postings.lengths) terms += length;
  segments.push_back(segment(before, std::move(postings)));
  while (segments.size() > 1 && should_join(segments.end()[-2], segments.back())) {
    Segment both = joined_pair(segments.end()[-2], segments.back());
    segments.pop_back();
    segments.back() = std::move(both);
  }
  ids.append(names);
  let_in(alive, before, ids.size());
}

std::size_t Bm25State::kill(std::span<const std::int64_t> names) {
  std::vector<std::size_t> dead = take_out(alive, ids.size(), ids, names);
  std::ranges::sort(dead);
  std::size_t at = 0;
  for (Segment& segment : segments) {
    const std::size_t end = segment.first + segment.size();
    if (at == dead.size() || dead[at] >= end) continue;
    std::vector<std::uint8_t> removed(segment.size());
    for (; at < dead.size() && dead[at] < end; ++at) {
      removed[dead[at] - segment.first] = 1;
      terms -= segment.postings->lengths[dead[at] - segment.first];
    }
    forget(segment, removed);
  }
  return dead.size();
}

Bm25State Bm25State::compacted() const {
  Bm25State next;
  next.ids.begin_edit(next_edit());
  std::vector<Source> sources;
  std::vector<std::int64_t> names;
  const auto flush = [&] {
    if (names.empty()) return;
    next.append(joined(sources, names.size()), names);
    sources.clear();
    names.clear();
  };
  for (const Segment& segment : segments) {
    const std::vector<std::uint32_t> none(segment.size(), DROPPED);
    sources.push_back({segment.postings.get(), none});
    for (std::size_t i = 0; i < segment.size(); ++i) {
      if (!alive(segment.first + i)) continue;
      if (names.size() == SEGMENT_DOCUMENTS) {
        flush();
        sources.push_back({segment.postings.get(), none});
      }
      sources.back().numbers[i] = std::uint32_t(names.size());
      names.push_back(ids.of_row(segment.first + i));
    }
  }
  flush();
  return next;
}

void Bm25State::weigh(const Bm25Options& options, int num_threads) {
  const double mean = mean_length();
  const Weights weights(options, mean);
  std::vector<Segment*> stale;
  for (Segment& segment : segments)
    if (!segment.impacts || segment.impacts->mean_length > mean * (1 + DRIFT) ||
        segment.impacts->mean_length < mean * (1 - DRIFT))
      stale.push_back(&segment);
  parallel_for(
      std::ssize(stale),
      [&](std::ptrdiff_t i) {
        Segment& segment = *stale[std::size_t(i)];
        segment.impacts =
            std::make_shared<const Impacts>(impacts(*segment.postings, weights, mean));
      },
      num_threads, 1);
}

}  // namespace ragtune
