// An index of vectors with ids of the caller: add, remove, search.
//
//   d dimensions, n live vectors, nq queries, k results.
//
// FAISS stores the vectors (IndexFlat); exact_search (topk.hpp) finds the nearest.
// Searches run together; add, remove and compact wait for them and run alone.
#pragma once

#include <faiss/IndexFlat.h>

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "topk.hpp"

namespace ragtune {

class Index {
 public:
  // metric: "cosine" (vectors are brought to unit length), "ip" or "l2".
  // Throws std::invalid_argument unless 1 <= d <= 65536 and the metric is known.
  Index(std::ptrdiff_t d, const std::string& metric);

  // vectors (n, d), ids (n,) >= 0 and distinct; an id that is there already is replaced.
  // Throws std::invalid_argument, and adds nothing, for anything else.
  void add(MatrixView vectors, std::span<const std::int64_t> ids);

  // Ids that are not there are passed over. -> how many were removed.
  std::size_t remove(std::span<const std::int64_t> ids);

  // Gives back the memory of removed vectors; remove() does so by itself when half are gone.
  void compact();

  // Ids in place of rows; Ranking::scores as SearchOptions tells, cosine in [-1, 1].
  // Throws std::invalid_argument if the dimensions differ or k < 1.
  Ranking search(MatrixView queries, std::int64_t k, int num_threads) const;

  std::ptrdiff_t dimensions() const { return d_; }
  std::size_t size() const;

 private:
  void compact_locked();
  std::size_t remove_locked(std::span<const std::int64_t> ids);
  MatrixView vectors() const;

  const std::ptrdiff_t d_;
  const bool unit_length_;
  const Metric metric_;
  faiss::IndexFlat storage_;
  std::vector<std::int64_t> ids_;                          // of each row
  std::vector<std::uint8_t> alive_;                        // of each row
  std::unordered_map<std::int64_t, std::int64_t> row_of_;  // live ids
  double max_norm_ = 0;
  mutable std::shared_mutex mutex_;
};

}  // namespace ragtune
