// Which rows a row of a graph is linked to.
//
// A neighbour that is closer to another, closer one than to the row itself adds no direction to
// walk in (Malkov and Yashunin 2018, algorithm 4). All is decided on 8-bit codes; rows that
// these cannot tell apart are taken in an order of its own for each row: else many
// near-duplicates would all link to the same few, and none to the others.
#pragma once

#include "graph.hpp"

namespace ragtune {

struct Neighbour {
  float score;
  Slot slot;
  Slot row;
  bool operator<(const Neighbour& other) const {  // better first
    return score != other.score ? score > other.score : slot < other.slot;
  }
};

class NeighbourChooser {
 public:
  explicit NeighbourChooser(const Rows& rows);

  // At most `most` of the candidates (best first, scored with the row as the query), each closer
  // to the row than to those before it; then the best of the others until a quarter of the list
  // is used.
  std::vector<Slot> choose(Slot row, std::vector<Neighbour> candidates, std::size_t most) const;

  // Makes room for the last of the slots (rows[i] is that of slots[i]), a newcomer to a full
  // list: by what is closer to it than to the owner, or by itself if it is closer to another
  // than to the owner, or by the farthest. The others were held against each other when they came.
  void make_room(Slot owner, std::vector<Slot>& rows, std::vector<Slot>& slots) const;

 private:
  bool closer_to_another(Slot row, const std::vector<Slot>& kept, float score) const;
  void shuffle_alike(Slot row, std::vector<Neighbour>& sorted) const;
  void scores_between(Slot row, const std::vector<Slot>& others, std::vector<float>& out) const;
  QueryCode& as_query(Slot row) const;

  const Rows& rows_;
  const float resolution_;  // of 8-bit scores
};

}  // namespace ragtune
