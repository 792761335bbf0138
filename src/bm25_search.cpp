#include "bm25_search.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "bm25_lists.hpp"
#include "topk.hpp"

namespace ragtune {
namespace {

constexpr std::int32_t PART = 3;  // lists that bring less than 1 / PART of the way are looked up
constexpr std::uint32_t SHORT = 2 * WINDOW;  // postings that are read sooner than weighed up
constexpr double ROUNDING = 1e-6;

using Hit = Scored<float, std::int64_t>;

struct Scratch {
  std::vector<std::int32_t> sums = std::vector<std::int32_t>(WINDOW);  // 0 between windows
  Marks marks;
  std::vector<List> lists;           // by what they can add, the least first
  std::vector<std::int32_t> below;   // what all lists before one can add
  std::vector<std::uint32_t> order;  // the lists by their terms
  std::vector<Found> found, later;
  std::vector<double> scores, normalizers;
};

class Search {
 public:
  Search(const Searched& in, const Question& question, std::size_t k, Scratch& scratch)
      : in_(in), question_(question), k_(k), scratch_(scratch) {
    double inflated = 1;
    for (const Segment& segment : in.state.segments)
      inflated = std::max(inflated, inflation_of(segment));
    unit_ = question.total * in.weights.most() * inflated / (1 << 30);
  }

  // The hits, best first.
  std::vector<Hit> run() && {
    for (std::size_t s = 0; s < in_.state.segments.size(); ++s) {
      open(s);
      scan();
    }
    std::sort_heap(hits_.begin(), hits_.end());
    return std::move(hits_);
  }

 private:
  double inflation_of(const Segment& segment) const {
    return inflation(segment.impacts->mean_length, in_.state.mean_length());
  }

  void open(std::size_t s);
  void scan();
  void read_window();
  void add_lists(std::size_t begin, std::size_t end);
  void pass_over(std::size_t end);
  bool sums_are_close() const;
  std::uint32_t postings_left() const;
  void find_peaks(std::int32_t* peaks) const;
  void raise_cut(const std::int32_t* peaks, std::size_t list);
  void find_by_postings();
  void find_by_sums();
  void collect(const std::int32_t* peaks, std::int32_t least, std::int32_t below);
  void offer_found();
  void look_up_rest();
  void score_found();
  void insert(Hit hit);

  // Documents of the window.
  std::uint32_t size() const { return std::min(WINDOW, std::uint32_t(segment_->size()) - start_); }

  // What the sum of the lists from `list` on must reach for a document to be among the best.
  std::int32_t least(std::size_t list) const { return std::max(1, cut_ - scratch_.below[list]); }

  const Searched& in_;
  const Question& question_;
  const std::size_t k_;
  Scratch& scratch_;
  std::vector<Hit> hits_;  // a heap, the worst on top
  double unit_;            // score of 1 in a sum
  std::int32_t cut_ = 1;   // what a sum over all lists must reach
  const Segment* segment_ = nullptr;
  std::size_t first_ = 0;    // the lists before it cannot bring up a document
  std::uint32_t start_ = 0;  // of the window
};

void Search::open(std::size_t s) {
  segment_ = &in_.state.segments[s];
  const Postings& postings = *segment_->postings;
  const double scale = in_.weights.most() * inflation_of(*segment_) / 255 / unit_;
  auto& [sums, marks, lists, below, order, found, later, scores, normalizers] = scratch_;
  lists.clear();
  for (std::uint32_t t = 0; t < question_.weights.size(); ++t) {
    const std::uint32_t list = question_.lists[t * in_.state.segments.size() + s];
    if (list == NO_LIST) continue;
    const std::uint32_t at = postings.offsets[list];
    const auto weight = std::int32_t(std::ceil(question_.weights[t] * scale));
    lists.push_back({.postings = segment_->impacts->postings.data() + at,
                     .counts = postings.counts.data() + at,
                     .size = postings.offsets[list + 1] - at,
                     .term = t,
                     .weight = weight,
                     .bound = weight * segment_->impacts->largest[list]});
  }
  std::ranges::sort(lists, {}, [](const List& list) { return std::pair(list.bound, list.term); });
  below.assign(1, 0);
  for (const List& list : lists) below.push_back(below.back() + list.bound);
  order.resize(lists.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](std::uint32_t i) { return lists[i].term; });
}

void Search::scan() {
  auto& lists = scratch_.lists;
  first_ = 0;
  for (;;) {
    if (scratch_.below.back() < cut_) return;
    pass_over(lists.size());
    std::uint32_t next = NONE;
    for (std::size_t i = first_; i < lists.size(); ++i)
      next = std::min(next, lists[i].next_document());
    if (next == NONE) return;
    start_ = next / WINDOW * WINDOW;
    read_window();
  }
}

void Search::read_window() {
  const std::size_t all = scratch_.lists.size();
  std::size_t added = all;  // the lists from here on are
  if (cut_ == 1 && all > 1 && postings_left() > SHORT && sums_are_close()) {
    do --added;
    while (added > 1 && scratch_.below[added] > scratch_.below[all] / 2);
    add_lists(added, all);
    std::int32_t peaks[COLUMNS];
    find_peaks(peaks);
    raise_cut(peaks, added);
    pass_over(added);
  }
  add_lists(first_, added);
  std::uint32_t count = 0;
  for (std::size_t i = first_; i < all; ++i)
    count += scratch_.lists[i].end - scratch_.lists[i].begin;
  if (count < size() / 8)
    find_by_postings();
  else
    find_by_sums();
}

// Of all lists, from the window on.
std::uint32_t Search::postings_left() const {
  std::uint32_t left = 0;
  for (const List& list : scratch_.lists) left += list.size - list.end;
  return left;
}

void Search::add_lists(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i)
    scratch_.lists[i].enter_and_add(start_, scratch_.sums.data());
}

// Passes over lists before `end` that together cannot bring a document a good part of the way.
void Search::pass_over(std::size_t end) {
  while (first_ < end && scratch_.below[first_ + 1] < cut_ / PART) ++first_;
}

// Whether sums are but a step of each code too high, and each is of a document that may be found.
bool Search::sums_are_close() const {
  return in_.allowed.all() && k_ <= COLUMNS &&
         segment_->impacts->mean_length == in_.state.mean_length();
}

// The largest sum of each column, where row r of the window is COLUMNS documents from
// r * COLUMNS on. Sums behind the last document are 0.
void Search::find_peaks(std::int32_t* peaks) const {
  kernels().column_peaks(scratch_.sums.data(), (size() + COLUMNS - 1) / COLUMNS, peaks);
}

// As far as k documents of the window are proven to be brought by the lists from `list` on: their
// sums, less a step of each code and what weights are rounded up.
void Search::raise_cut(const std::int32_t* peaks, std::size_t list) {
  double proven = kernels().reached_by(peaks, k_);
  for (; list < scratch_.lists.size(); ++list) proven -= scratch_.lists[list].weight + 255.0;
  cut_ = std::max(cut_, std::int32_t(proven * (1 - ROUNDING)));
}

// Where few documents have a sum: goes through the postings again.
void Search::find_by_postings() {
  const std::int32_t least = this->least(first_);
  scratch_.found.clear();
  for (std::size_t i = first_; i < scratch_.lists.size(); ++i) {
    const List& list = scratch_.lists[i];
    for (std::uint32_t p = list.begin; p < list.end; ++p) {
      const std::uint32_t document = list.postings[p].document;
      std::int32_t& sum = scratch_.sums[document % WINDOW];
      if (sum >= least) scratch_.found.push_back({sum, document});
      sum = 0;
    }
  }
  offer_found();
}

// Where many have: goes through the sums. While there are fewer than k hits, what k documents of
// this window are proven to reach, or are found to, raises what the rest must.
void Search::find_by_sums() {
  constexpr std::int32_t ALL = std::numeric_limits<std::int32_t>::max();
  std::int32_t peaks[COLUMNS], rest = ALL;
  find_peaks(peaks);
  if (hits_.size() < k_ && sums_are_close()) {
    raise_cut(peaks, first_);
  } else if (hits_.size() < k_ && k_ <= COLUMNS) {
    rest = std::max(kernels().reached_by(peaks, k_), least(first_));
    collect(peaks, rest, ALL);
    offer_found();
  }
  collect(peaks, least(first_), rest);
  offer_found();
  std::fill_n(scratch_.sums.begin(), size(), 0);
}

// Finds documents with sums in [least, below).
void Search::collect(const std::int32_t* peaks, std::int32_t least, std::int32_t below) {
  scratch_.found.clear();
  for (std::uint32_t column = 0; column < COLUMNS; ++column) {
    if (peaks[column] < least) continue;
    for (std::uint32_t i = column; i < size(); i += COLUMNS)
      if (scratch_.sums[i] >= least && scratch_.sums[i] < below)
        scratch_.found.push_back({scratch_.sums[i], start_ + i});
  }
}

// Scores what was found, the best first if it is much: they raise what the others must reach.
void Search::offer_found() {
  auto& found = scratch_.found;
  auto& later = scratch_.later;
  if (!in_.allowed.all())
    std::erase_if(found,
                  [&](const Found& one) { return !in_.allowed(segment_->first + one.document); });
  look_up_rest();
  if (found.size() > 2 * k_) {
    const auto first = found.begin() + std::ptrdiff_t(k_);
    std::ranges::nth_element(found, first, std::greater<>(), &Found::sum);
    later.assign(first, found.end());
    found.erase(first, found.end());
    score_found();
    found.swap(later);
    std::erase_if(found, [&](const Found& one) { return one.sum < cut_; });
  }
  score_found();
}

// Adds the lists that bring nothing up to the sums of what was found, and drops what they cannot
// carry among the best.
void Search::look_up_rest() {
  for (std::size_t i = first_; i-- > 0 && !scratch_.found.empty();) {
    List& list = scratch_.lists[i];
    list.enter(start_);
    scratch_.marks.set(scratch_.found);
    scratch_.marks.for_each_posting(list, scratch_.found, [&](std::size_t at, std::uint32_t p) {
      scratch_.found[at].sum += list.weight * list.postings[p].code;
    });
    scratch_.marks.clear(scratch_.found);
    const std::int32_t least = this->least(i);
    std::erase_if(scratch_.found, [&](const Found& one) { return one.sum < least; });
  }
}

void Search::score_found() {
  auto& found = scratch_.found;
  auto& scores = scratch_.scores;
  auto& normalizers = scratch_.normalizers;
  scores.assign(found.size(), 0);
  normalizers.clear();
  for (const Found& one : found)
    normalizers.push_back(in_.weights.normalizer(segment_->postings->lengths[one.document]));
  scratch_.marks.set(found);
  for (const std::uint32_t i : scratch_.order) {
    List& list = scratch_.lists[i];
    list.enter(start_);
    const double weight = question_.weights[list.term];
    scratch_.marks.for_each_posting(list, found, [&](std::size_t at, std::uint32_t p) {
      scores[at] += weight * in_.weights.present(list.count(p), normalizers[at]);
    });
  }
  scratch_.marks.clear(found);
  for (std::size_t i = 0; i < found.size(); ++i)
    insert({float(question_.base + scores[i]),
            in_.state.ids.of_row(segment_->first + found[i].document)});
}

void Search::insert(Hit hit) {
  if (hits_.size() == k_) {
    if (!(hit < hits_.front())) return;
    std::pop_heap(hits_.begin(), hits_.end());
    hits_.back() = hit;
  } else {
    hits_.push_back(hit);
  }
  std::push_heap(hits_.begin(), hits_.end());
  if (hits_.size() < k_) return;
  // A little less than the worst hit's: sums are exact, but float scores and bounds are rounded.
  const double reach = double(hits_.front().score) * (1 - ROUNDING) - question_.base;
  cut_ = std::max(cut_, std::int32_t(std::floor(reach / unit_ * (1 - ROUNDING))));
}

}  // namespace

void find_best(const Searched& in, const Question& question, std::size_t k, float* scores,
               std::int64_t* rows) {
  thread_local Scratch scratch;
  std::size_t i = 0;
  if (!question.weights.empty())
    for (const Hit& hit : Search(in, question, k, scratch).run()) {
      scores[i] = hit.score;
      rows[i++] = hit.row;
    }
  std::fill(scores + i, scores + k, 0.0f);
  std::fill(rows + i, rows + k, -1);
}

}  // namespace ragtune
