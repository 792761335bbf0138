// What a lexical index is made of, and how a writer makes the next one of it.
//
//   Documents are numbered in the order in which they came; a segment has those from `first` on.
//   Copies of a state share everything that a change leaves as it was.
#pragma once

#include "bm25_weights.hpp"
#include "filter.hpp"

namespace ragtune {

struct Segment {
  std::size_t first = 0;
  std::shared_ptr<const Postings> postings;
  std::shared_ptr<const std::vector<std::uint32_t>> frequencies;  // (v,) living documents
  std::shared_ptr<const Impacts> impacts;

  std::size_t size() const { return postings->size(); }
};

struct Bm25State {
  std::vector<Segment> segments;
  Ids ids;
  Allowed alive;            // documents that were not removed
  std::uint64_t terms = 0;  // of the living documents, repeated ones too

  std::size_t live() const { return alive.all() ? ids.size() : alive.count; }
  double mean_length() const { return live() ? double(terms) / double(live()) : 0; }

  // Adds documents behind the others. Small segments are joined, so that there are few: each is
  // at least as large as the one behind it, until they are full.
  void append(Postings postings, std::span<const std::int64_t> names);

  // Removes documents and returns how many were there.
  std::size_t kill(std::span<const std::int64_t> names);

  // The living documents alone.
  Bm25State compacted() const;

  // Computes the impacts of new segments, and of all if the mean length has moved too far.
  void weigh(const Bm25Options& options, int num_threads);

  // The segment that has a document.
  const Segment& segment_of(std::size_t document) const;
};

}  // namespace ragtune
