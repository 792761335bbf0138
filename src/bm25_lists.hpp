// One term's postings while a search reads them, window by window.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bm25_weights.hpp"
#include "simd.hpp"

namespace ragtune {

constexpr std::uint32_t WINDOW = 8192;  // documents: their sums fit into 32 KB
constexpr std::uint32_t NONE = ~std::uint32_t(0);

// A document of the window, and the sum of the codes that were read for it.
struct Found {
  std::int32_t sum;
  std::uint32_t document;
};

constexpr std::size_t SIDE_BY_SIDE = 8;

// The places of SIDE_BY_SIDE documents among `count` > 0 ascending ones, NONE where they are not
// there; document(i) is the one at place i. The processor waits for the memory of all of them at
// once, and no branch is guessed wrong.
template <class DocumentAt>
void look_up(std::uint32_t count, DocumentAt document, const std::uint32_t* wanted,
             std::uint32_t* places) {
  std::uint32_t at[SIDE_BY_SIDE] = {};
  while (count > 1) {
    const std::uint32_t half = count / 2;
    for (std::size_t i = 0; i < SIDE_BY_SIDE; ++i)
      at[i] += half * std::uint32_t(document(at[i] + half - 1) < wanted[i]);
    count -= half;
  }
  for (std::size_t i = 0; i < SIDE_BY_SIDE; ++i)
    places[i] = document(at[i]) == wanted[i] ? at[i] : NONE;
}

// Calls fn(i, place) for the place of each wanted(i), i in [0, many), that is there.
template <class DocumentAt, class Wanted, class Fn>
void look_up_each(std::uint32_t count, DocumentAt document, std::size_t many, Wanted wanted,
                  Fn fn) {
  if (count == 0) return;
  for (std::size_t i = 0; i < many; i += SIDE_BY_SIDE) {
    std::uint32_t asked[SIDE_BY_SIDE], places[SIDE_BY_SIDE];
    for (std::size_t j = 0; j < SIDE_BY_SIDE; ++j) asked[j] = wanted(std::min(i + j, many - 1));
    look_up(count, document, asked, places);
    for (std::size_t j = 0; j < SIDE_BY_SIDE && i + j < many; ++j)
      if (places[j] != NONE) fn(i + j, places[j]);
  }
}

struct List {
  const Posting* postings;
  const std::uint16_t* counts;
  std::uint32_t size;
  std::uint32_t term = 0;            // of the question
  std::int32_t weight = 0;           // of 1 in a code, as part of a sum
  std::int32_t bound = 0;            // what the list adds to a sum at most
  std::uint32_t begin = 0, end = 0;  // postings of the window that was entered last
  std::uint32_t window = NONE;       // where that one starts

  // The first posting from `from` on whose document is not before `document`.
  std::uint32_t seek(std::uint32_t from, std::uint32_t document) const {
    std::uint32_t step = 1;
    while (from + step <= size && postings[from + step - 1].document < document) {
      from += step;
      step *= 2;
    }
    step = std::min(step - 1, size - from);
    while (step > 0) {  // the answer lies in [from, from + step]
      const std::uint32_t half = (step + 1) / 2;
      const bool before = postings[from + half - 1].document < document;
      from += before ? half : 0;
      step = before ? step - half : half - 1;
    }
    return from;
  }

  double count(std::uint32_t p) const {
    const std::uint32_t count = postings[p].count;
    return count < MANY ? count : counts[p];
  }

  std::uint32_t next_document() const { return end < size ? postings[end].document : NONE; }

  // Goes on to the window that starts at a document, unless it is there already.
  void enter(std::uint32_t start) {
    if (window == start) return;
    window = start;
    begin = seek(end, start);
    end = seek(begin, start + WINDOW);
  }

  // Goes on to the window and adds its codes, weighed, to the sums of its documents. Only for a
  // list that has no postings between its windows.
  void enter_and_add(std::uint32_t start, std::int32_t* sums) {
    // Copies of the members: the compiler cannot know that the sums are none of them.
    const Posting *at = postings + end, *const last = postings + size;
    const std::int32_t w = weight;
    const std::uint32_t stop = start + WINDOW;
    const auto add = [=](const Posting& posting) {
      sums[posting.document % WINDOW] += w * posting.code;
    };
    window = start;
    begin = end;
    for (; last - at >= 4 && at[3].document < stop; at += 4) {
      add(at[0]);
      add(at[1]);
      add(at[2]);
      add(at[3]);
    }
    for (; at != last && at->document < stop; ++at) add(*at);
    end = std::uint32_t(at - postings);
  }
};

// Tells what is found among the documents of a window; without marks between uses.
class Marks {
 public:
  void set(const std::vector<Found>& found) {
    std::uint16_t mark = 0;
    for (const Found& one : found) marks_[one.document % WINDOW] = ++mark;
  }
  void clear(const std::vector<Found>& found) {
    for (const Found& one : found) marks_[one.document % WINDOW] = 0;
  }

  // Calls fn(i, p) for the posting p of found[i], which are set, in the list's window.
  template <class Fn>
  void for_each_posting(const List& list, const std::vector<Found>& found, Fn fn) const {
    constexpr std::size_t LOOKUP = 32;  // postings are read in the time in which one is looked up
    const Posting* const postings = list.postings;
    if (list.end - list.begin > LOOKUP * found.size()) {
      look_up_each(
          list.end - list.begin, [&](std::uint32_t p) { return postings[list.begin + p].document; },
          found.size(), [&](std::size_t i) { return found[i].document; },
          [&](std::size_t i, std::uint32_t p) { fn(i, list.begin + p); });
      return;
    }
    const std::uint16_t* const marks = marks_.data();
    for (std::uint32_t p = list.begin, end = list.end; p < end; ++p)
      if (const std::uint16_t mark = marks[postings[p].document % WINDOW]) fn(mark - 1u, p);
  }

 private:
  std::vector<std::uint16_t> marks_ = std::vector<std::uint16_t>(WINDOW);
};

}  // namespace ragtune
