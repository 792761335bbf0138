// A navigable small-world graph over coded rows, and the walk that searches it.
//
//   Layer 0 holds every row; each layer above about a share 1 / M of the one below
//   (Malkov and Yashunin 2018, Efficient and robust approximate nearest neighbor search
//   using Hierarchical Navigable Small World graphs). A node is known by its slot, its
//   place in its layer; slots of layer 0 are rows.
//
// The walk reads the upper 4 bits of the codes only; the pool that it returns is then scored
// with all 8 bits, and the best of it with the vectors themselves by whoever called.
#pragma once

#include <optional>
#include <vector>

#include "rows.hpp"

namespace ragtune {

using Slot = std::uint32_t;

constexpr std::size_t MAX_LAYERS = 16;

struct Layer {
  explicit Layer(std::size_t degree) : links(degree, 32u << 10) {}

  Blocks<Slot> links;  // (slots, degree), each list ended by the slot itself
  Blocks<Slot> rows;   // row of each slot; empty in layer 0
  Blocks<Slot> down;   // its slot in the layer below; empty in layer 0

  std::size_t size() const { return links.size(); }
  Slot row_of(Slot slot) const { return rows.size() ? rows[slot] : slot; }
};

struct Graph {
  explicit Graph(std::size_t M = 16) : M(M) {}

  std::size_t M;              // links per node; twice as many in layer 0
  std::vector<Layer> layers;  // from the bottom
  Slot entry = 0;             // in the top layer

  bool empty() const { return layers.empty(); }
  void begin_edit(std::uint64_t edit);  // see Blocks
  void add_layer();

 private:
  std::uint64_t edit_ = 0;
};

// The best `breadth` slots that were offered, best first, as one sorted array of integers:
// the score's bits made ordered, then the slot, then whether its links were followed.
class Pool {
 public:
  void reset(std::size_t breadth);
  std::size_t size() const { return size_; }
  Slot slot(std::size_t i) const { return slot_of(items_[i]); }
  float score(std::size_t i) const;

  // What is below is not among the best.
  float last_score() const;

  // False if it is not among the best.
  bool offer(float score, Slot slot);

  // The best slot whose links were not followed yet, marked as followed. False if none is left.
  bool next(Slot& slot);

  // Replaces all scores, scores[i] for slot(i).
  void rescore(const float* scores);

 private:
  static std::uint64_t key(float score, Slot slot);
  static Slot slot_of(std::uint64_t item) { return Slot(~item >> 1 & 0x7fffffffu); }

  std::vector<std::uint64_t> items_;
  std::size_t size_ = 0, breadth_ = 0, cursor_ = 0;
};

// Which slots a walk has seen, forgotten in the time that it took to see them.
class Seen {
 public:
  void reset(std::size_t slots);
  bool insert(Slot slot) {  // true the first time
    std::uint64_t& word = words_[slot >> 6];
    const std::uint64_t bit = std::uint64_t(1) << (slot & 63);
    const bool fresh = !(word & bit);
    word |= bit;
    return fresh;
  }
  void note(const Slot* slots, std::size_t count) {
    noted_.insert(noted_.end(), slots, slots + count);
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<Slot> noted_;
};

// What one thread needs for walks. Keep it: it grows to the size of the graph.
struct Scratch {
  std::optional<Slot> hidden;  // a slot of the walked layer that is passed by, as if not there
  Pool pool;
  Seen seen;
  QueryCode query;
  std::vector<Slot> rows;  // of what the walk found
  std::vector<float> scores;
};

// Where a walk begins.
struct Start {
  Slot slot;
  float score;
};

// From the entry greedily down to `layer`. -> the best slot of that layer met on the way
Start descend(const Graph& graph, const Rows& rows, const QueryCode& query, std::size_t layer);

// Fills scratch.pool with the best `breadth` slots of the layer, scored with 8 bits.
void walk(const Graph& graph, const Rows& rows, const QueryCode& query, std::size_t layer,
          Start start, std::size_t breadth, Scratch& scratch);

}  // namespace ragtune
