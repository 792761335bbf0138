// An index of vectors with ids of the caller: add, remove, search, save, load.
//
//   d dimensions, n live vectors, nq queries, k results.
//
// Searches run on a snapshot: they never wait for a writer, and see all of an add() or remove()
// or nothing of it. Writers wait for each other.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "published.hpp"
#include "state.hpp"

namespace ragtune {

struct SearchParameters {
  std::optional<std::size_t> ef_search;  // breadth of the walk
  std::optional<double> recall;          // or what recall@k it should have, in (0, 1]
  IdFilter filter;
  int num_threads = 0;  // 0: all
};

class Index {
 public:
  // Throws std::invalid_argument unless 1 <= d <= 65536, 2 <= M <= 256, ef_construction is in
  // [1, 10000] and the names are known.
  Index(std::ptrdiff_t d, const IndexOptions& options);
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // Removes the ids of `removed`, then adds vectors (n, d) with ids (n,) >= 0 and distinct; an id
  // that is there already is replaced. Without ids the vectors are numbered on. One step for all
  // who search. -> their ids
  // Throws std::invalid_argument, and changes nothing, for anything else.
  std::vector<std::int64_t> update(MatrixView vectors,
                                   std::optional<std::span<const std::int64_t>> ids,
                                   std::span<const std::int64_t> removed, int num_threads);

  // Ids that are not there are passed over. -> how many were removed.
  std::size_t remove(std::span<const std::int64_t> ids, int num_threads = 0);

  // Gives back the memory of removed vectors, and links the others anew; update() and remove()
  // do so by themselves when more than half of the rows are removed ones.
  void compact(int num_threads = 0);

  // Measures which breadth gives which recall for queries (nq, d); without, for made-up ones.
  // update() does so by itself when the index has doubled.
  void calibrate(std::optional<MatrixView> queries, int num_threads);

  // Ids in place of rows. Always min(k, allowed) of them, all exact if kind is flat.
  // Throws std::invalid_argument if the dimensions differ, k < 1, or a parameter is out of range.
  Ranking search(MatrixView queries, std::int64_t k, const SearchParameters& parameters) const;

  // Scores of chosen ids, as search() gives them: queries (nq, d), ids (nq, c) -> (nq, c); 0 for
  // an id that is not there. Throws std::invalid_argument if shapes differ.
  RowMajor<float> scores(MatrixView queries, IdsView ids, int num_threads) const;

  // Replaces the file in one step. Throws std::runtime_error (with path) if it can't be written.
  // `note` comes back from load(): whatever the caller wants to know of the file.
  void save(const std::string& path, std::span<const std::int64_t> note) const;

  // Maps the file. Throws CorruptFile (with path) unless every checksum and every link is right.
  static std::unique_ptr<Index> load(const std::string& path, std::vector<std::int64_t>& note);

  std::ptrdiff_t dimensions() const { return d_; }
  const IndexOptions& options() const { return options_; }
  std::size_t size() const { return state_.get()->live(); }
  Calibration calibration() const { return state_.get()->calibration; }

 private:
  // Queries (nq, d) as they are compared: of unit length, kept in `unit`, if need be.
  MatrixView compared(MatrixView queries, RowMajor<float>& unit) const;
  bool is_graph() const { return options_.kind == "hnsw"; }

  const std::ptrdiff_t d_;
  const IndexOptions options_;
  WriterLock writer_;  // held for as long as a change takes
  Published<State> state_;
};

}  // namespace ragtune
