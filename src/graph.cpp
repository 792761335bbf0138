#include "graph.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace ragtune {
namespace {

constexpr std::size_t MAX_DEGREE = 512;  // 2 M, see Index

// A wish only, as few of those that are offered are followed.
void prefetch_links(const Layer& layer, Slot slot) {
  const Slot* list = layer.links.row(slot);
  for (std::size_t i = 0; i < layer.links.width(); i += 16) __builtin_prefetch(list + i, 0, 2);
}

// Neighbours of a slot that were not seen before.
std::size_t unseen(const Layer& layer, Slot slot, Seen& seen, Slot* out) {
  const Slot* list = layer.links.row(slot);
  std::size_t count = 0;
  for (std::size_t i = 0; i < layer.links.width(); ++i) {  // no branch: what follows is random
    out[count] = list[i];
    count += seen.insert(list[i]);
  }
  seen.note(out, count);
  return count;
}

// Scores of the neighbours of one slot, from the upper planes of their codes.
class Estimator {
 public:
  Estimator(const Layer& layer, const Rows& rows, const QueryCode& query)
      : layer_(layer), rows_(rows), query_(query) {}

  // slots (count,) -> out (count,), count <= MAX_DEGREE.
  void operator()(const Slot* slots, std::size_t count, float* out) {
    for (std::size_t i = 0; i < count; ++i) {  // all on the way before the first is waited for
      const Slot row = layer_.row_of(slots[i]);
      rows_.touch_upper(row);
      planes_[i] = rows_.high.row(row);
      terms_[i] = rows_.terms[row];
    }
    for (std::size_t i = count; i % WIDTH != 0; ++i) planes_[i] = planes_[count - 1];
    for (std::size_t i = 0; i < count; i += WIDTH)
      simd_.dot_planes(query_.codes.data(), &planes_[i], groups_, &sums_[i]);
    for (std::size_t i = 0; i < count; ++i) out[i] = query_.estimate(sums_[i], terms_[i]);
  }

 private:
  const Layer& layer_;
  const Rows& rows_;
  const QueryCode& query_;
  const Kernels& simd_ = kernels();
  const std::size_t groups_ = rows_.encoder.groups();
  std::array<const std::uint8_t*, MAX_DEGREE + WIDTH> planes_;
  std::array<Terms, MAX_DEGREE> terms_;
  std::array<std::int32_t, MAX_DEGREE + WIDTH> sums_;
};

// Moves the candidates that score at least `least` to the front, in their order. -> how many
std::size_t not_below(float least, Slot* slots, float* scores, std::size_t count) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {  // no branch: it would be guessed wrong too often
    slots[kept] = slots[i];
    scores[kept] = scores[i];
    kept += scores[i] >= least;
  }
  return kept;
}

}  // namespace

void Graph::add_layer() {
  layers.emplace_back(layers.empty() ? 2 * M : M);
  begin_edit(edit_);
}

void Graph::begin_edit(std::uint64_t edit) {
  edit_ = edit;
  for (Layer& layer : layers) {
    layer.links.begin_edit(edit);
    layer.rows.begin_edit(edit);
    layer.down.begin_edit(edit);
  }
}

void Pool::reset(std::size_t breadth) {
  breadth_ = breadth;
  size_ = cursor_ = 0;
  if (items_.size() < breadth + 1) items_.resize(breadth + 1);
}

std::uint64_t Pool::key(float score, Slot slot) {
  const auto bits = std::bit_cast<std::uint32_t>(score);
  const std::uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
  return std::uint64_t(ordered) << 32 | std::uint64_t(~slot & 0x7fffffffu) << 1;
}

float Pool::last_score() const {
  return size_ < breadth_ ? -std::numeric_limits<float>::infinity() : score(size_ - 1);
}

float Pool::score(std::size_t i) const {
  const auto ordered = std::uint32_t(items_[i] >> 32);
  return std::bit_cast<float>(ordered >> 31 ? ordered & 0x7fffffffu : ~ordered);
}

bool Pool::offer(float score, Slot slot) {
  const std::uint64_t item = key(score, slot);
  if (size_ == breadth_) {
    if (item <= items_[size_ - 1]) return false;
  } else {
    ++size_;
  }
  const std::uint64_t* base = items_.data();
  for (std::size_t left = size_ - 1; left > 0;) {  // halving without branches
    const std::size_t half = (left + 1) / 2;
    base += std::size_t(base[half - 1] > item) * half;
    left -= half;
  }
  const auto at = std::size_t(base - items_.data());
  std::memmove(&items_[at + 1], &items_[at], (size_ - 1 - at) * sizeof(std::uint64_t));
  items_[at] = item;
  cursor_ = std::min(cursor_, at);
  return true;
}

bool Pool::next(Slot& slot) {
  while (cursor_ < size_ && (items_[cursor_] & 1)) ++cursor_;
  if (cursor_ == size_) return false;
  items_[cursor_] |= 1;
  slot = slot_of(items_[cursor_]);
  return true;
}

void Pool::rescore(const float* scores) {
  for (std::size_t i = 0; i < size_; ++i) items_[i] = key(scores[i], slot(i)) | 1;
  std::sort(items_.begin(), items_.begin() + std::ptrdiff_t(size_), std::greater<>());
}

void Seen::reset(std::size_t slots) {
  for (const Slot slot : noted_) words_[slot >> 6] = 0;
  noted_.clear();
  if (words_.size() < (slots + 63) / 64) words_.resize((slots + 63) / 64);
}

Start descend(const Graph& graph, const Rows& rows, const QueryCode& query, std::size_t layer) {
  float scores[MAX_DEGREE];
  std::size_t at = graph.layers.size() - 1;
  Estimator{graph.layers[at], rows, query}(&graph.entry, 1, scores);
  Start best{graph.entry, scores[0]};
  for (;; --at) {
    const Layer& here = graph.layers[at];
    Estimator estimate(here, rows, query);
    for (bool better = at > layer; better;) {
      better = false;
      const Slot* list = here.links.row(best.slot);
      std::size_t count = 0;
      while (count < here.links.width() && list[count] != best.slot) ++count;
      estimate(list, count, scores);
      for (std::size_t i = 0; i < count; ++i)
        if (scores[i] > best.score) best = {list[i], scores[i]}, better = true;
    }
    if (at == layer) return best;
    best.slot = here.down[best.slot];
  }
}

void walk(const Graph& graph, const Rows& rows, const QueryCode& query, std::size_t layer,
          Start start, std::size_t breadth, Scratch& scratch) {
  const Layer& here = graph.layers[layer];
  Estimator estimate(here, rows, query);
  Pool& pool = scratch.pool;
  Seen& seen = scratch.seen;
  seen.reset(here.size());
  pool.reset(breadth);
  pool.offer(start.score, start.slot);
  for (const Slot slot : {start.slot, scratch.hidden.value_or(start.slot)})
    if (seen.insert(slot)) seen.note(&slot, 1);
  Slot candidates[MAX_DEGREE];
  float scores[MAX_DEGREE];
  for (Slot slot; pool.next(slot);) {
    const std::size_t count = unseen(here, slot, seen, candidates);
    estimate(candidates, count, scores);
    const std::size_t good = not_below(pool.last_score(), candidates, scores, count);
    for (std::size_t i = 0; i < good; ++i)
      if (pool.offer(scores[i], candidates[i])) prefetch_links(here, candidates[i]);
  }
  std::vector<Slot>& found = scratch.rows;
  found.resize(pool.size());
  for (std::size_t i = 0; i < pool.size(); ++i) {
    found[i] = here.row_of(pool.slot(i));
    rows.touch_lower(found[i]);
  }
  scratch.scores.resize(pool.size());
  rows.score_codes(query, found.data(), found.size(), scratch.scores.data());
  pool.rescore(scratch.scores.data());
}

}  // namespace ragtune
