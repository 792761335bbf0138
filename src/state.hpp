// What an index is made of, and how a writer makes the next one of it.
//
//   d dimensions. Copies of a state share their blocks; a writer changes the copy that edited()
//   gives it, and nobody who reads the old one notices.
#pragma once

#include <optional>
#include <string>

#include "filter.hpp"
#include "nearest.hpp"

namespace ragtune {

struct IndexOptions {
  std::string metric = "cosine";  // or "ip", "l2"; cosine brings vectors to unit length
  std::string kind = "flat";      // or "hnsw"
  std::string store = "f32";      // or "bf16": half the memory, scores of rounded vectors
  std::size_t M = 16;             // links of a node, twice as many in the lowest layer
  std::size_t ef_construction = 100;
  std::uint64_t seed = 0;
};

class State {
 public:
  State(std::size_t d, const IndexOptions& options);

  Rows rows;
  Graph graph;
  Ids ids;
  Allowed alive;  // rows that were not removed
  Calibration calibration;
  std::int64_t next_id = 0;  // for vectors without one

  std::size_t live() const { return alive.among(rows.size()); }

  // A copy to be changed by what follows.
  State edited() const;

  // The ids that are given, or the next free ones.
  // Throws std::invalid_argument if there are not so many.
  std::vector<std::int64_t> take_ids(std::optional<std::span<const std::int64_t>> given,
                                     std::ptrdiff_t count);

  void append(MatrixView vectors, std::span<const std::int64_t> names, const IndexOptions& options,
              int num_threads);

  // Removes ids and returns how many were there.
  std::size_t kill(std::span<const std::int64_t> names);

  // The living rows alone, linked anew.
  State compacted(const IndexOptions& options, int num_threads) const;

 private:
  void begin_edit();
  void link(std::size_t first, const IndexOptions& options, int num_threads);
};

}  // namespace ragtune
