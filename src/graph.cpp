#include "graph.hpp"

#include <algorithm>
#include <array>

namespace ragtune {
namespace {

constexpr std::size_t MAX_DEGREE = 512;  // 2 M, see Index

// Slots whose number is a multiple of WIDTH, the last one repeated.
std::size_t padded(Slot* slots, std::size_t count) {
  if (count == 0) return 0;
  std::size_t end = count;
  for (; end % WIDTH != 0; ++end) slots[end] = slots[count - 1];
  return end;
}

void prefetch_links(const Layer& layer, Slot slot) {
  const Slot* list = layer.links.row(slot);
  for (std::size_t i = 0; i < layer.links.width(); i += 16) __builtin_prefetch(list + i, 0, 2);
}

// Unseen neighbours of a slot, their codes on the way to the cache.
std::size_t unseen(const Layer& layer, const Rows& rows, Slot slot, Seen& seen, Slot* out) {
  const Slot* list = layer.links.row(slot);
  std::size_t count = 0;
  for (std::size_t i = 0; i < layer.links.width(); ++i) {  // no branch: what follows is random
    out[count] = list[i];
    count += seen.insert(list[i]);
  }
  for (std::size_t i = 0; i < count; ++i) rows.prefetch(layer.row_of(out[i]));
  seen.note(out, count);
  return count;
}

struct Estimator {
  const Rows& rows;
  const Layer& layer;
  const QueryCode& query;
  const Kernels& simd = kernels();
  const std::size_t groups = rows.encoder.groups();

  // slots[0, WIDTH) -> out[0, WIDTH)
  void operator()(const Slot* slots, float* out) const {
    const std::uint8_t* plane[WIDTH];
    std::array<Slot, WIDTH> row;
    for (std::size_t j = 0; j < WIDTH; ++j) {
      row[j] = layer.row_of(slots[j]);
      plane[j] = rows.high.row(row[j]);
    }
    std::int32_t high[WIDTH];
    simd.dot_planes(query.codes.data(), plane, groups, high);
    for (std::size_t j = 0; j < WIDTH; ++j) out[j] = query.estimate(high[j], rows.terms[row[j]]);
  }
};

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
  Slot neighbours[MAX_DEGREE + WIDTH];
  const Slot first[WIDTH] = {graph.entry, graph.entry, graph.entry, graph.entry};
  float scores[WIDTH];
  std::size_t at = graph.layers.size() - 1;
  Estimator{rows, graph.layers[at], query}(first, scores);
  Start best{graph.entry, scores[0]};
  for (;; --at) {
    const Layer& here = graph.layers[at];
    const Estimator estimate{rows, here, query};
    for (bool better = at > layer; better;) {
      better = false;
      const Slot* list = here.links.row(best.slot);
      std::size_t count = 0;
      while (count < here.links.width() && list[count] != best.slot) ++count;
      for (std::size_t i = 0; i < count; ++i) rows.prefetch(here.row_of(list[i]));
      std::copy_n(list, count, neighbours);
      const std::size_t end = padded(neighbours, count);
      for (std::size_t i = 0; i < end; i += WIDTH) {
        estimate(neighbours + i, scores);
        for (std::size_t j = 0; j < WIDTH; ++j)
          if (scores[j] > best.score) best = {neighbours[i + j], scores[j]}, better = true;
      }
    }
    if (at == layer) return best;
    best.slot = here.down[best.slot];
  }
}

void walk(const Graph& graph, const Rows& rows, const QueryCode& query, std::size_t layer,
          Start start, std::size_t breadth, Scratch& scratch) {
  const Layer& here = graph.layers[layer];
  const Estimator estimate{rows, here, query};
  Pool& pool = scratch.pool;
  Seen& seen = scratch.seen;
  seen.reset(here.size());
  pool.reset(breadth);
  pool.offer(start.score, start.slot);
  for (const Slot slot : {start.slot, scratch.hidden.value_or(start.slot)})
    if (seen.insert(slot)) seen.note(&slot, 1);
  Slot candidates[MAX_DEGREE + WIDTH];
  float scores[WIDTH];
  for (Slot slot; pool.next(slot);) {
    const std::size_t count = unseen(here, rows, slot, seen, candidates);
    padded(candidates, count);
    for (std::size_t i = 0; i < count; i += WIDTH) {
      estimate(candidates + i, scores);
      for (std::size_t j = 0; j < WIDTH && i + j < count; ++j)
        if (pool.offer(scores[j], candidates[i + j])) prefetch_links(here, candidates[i + j]);
    }
  }
  std::vector<Slot>& found = scratch.rows;
  found.resize(pool.size());
  for (std::size_t i = 0; i < pool.size(); ++i) {
    found[i] = here.row_of(pool.slot(i));
    rows.prefetch_lower(found[i]);
  }
  scratch.scores.resize(pool.size());
  rows.score_codes(query, found.data(), found.size(), scratch.scores.data());
  pool.rescore(scratch.scores.data());
}

}  // namespace ragtune
