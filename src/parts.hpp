// Several vectors per row, as 8-bit codes, of which the nearest to a query counts: the
// sentences of a chunk, or the questions that it answers.
//
//   p parts, d dimensions; each part belongs to a row. About d + 24 bytes a part.
//
//   best(q, row) = max over the parts x of row of  q.x / |x|
//   mean(q, row) = mean of the TOP_PARTS largest of them, of all where there are less
//
// Only candidates are scored: what another leg has found, not the corpus. That few sentences tell
// more of a document than the best alone: Akkalyoncu Yilmaz et al. 2019, doi:10.18653/v1/D19-1352.
#pragma once

#include <vector>

#include "codes.hpp"
#include "ids.hpp"
#include "published.hpp"

namespace ragtune {

constexpr std::size_t TOP_PARTS = 3;  // those whose mean counts beside the best

// What is kept in files: the planes of the codes (p, width), high then low, their scales (p,) and
// rows (p,), in the order in which they were added.
struct StoredParts {
  RowMajor<std::uint8_t> codes;
  std::vector<float> scales;
  std::vector<std::int64_t> rows;
};

// What parts say of candidates, (nq, c) each; NaN where a row has none.
struct BestAndMean {
  RowMajor<float> best, mean;
};

// One state of the parts. A copy shares all with the original, until it is edited.
class PartsState {
 public:
  // Throws std::invalid_argument if d < 1.
  explicit PartsState(std::ptrdiff_t d);

  std::ptrdiff_t dimensions() const { return std::ptrdiff_t(encoder_.dimensions()); }
  std::ptrdiff_t size() const { return std::ptrdiff_t(ids_.size() - dead_); }
  std::size_t size_bytes() const;

  // Must be called on a copy before it is changed.
  void begin_edit();
  // See Parts.
  void add(MatrixView vectors, std::span<const std::int64_t> rows, int num_threads);
  std::int64_t remove(std::span<const std::int64_t> rows);
  void restore(const StoredParts& stored);
  StoredParts stored() const;

  // The nearest part of each of `count` rows, and the mean of the TOP_PARTS nearest; NaN where
  // there is none. -> best, mean
  void best_of(const float* query, const std::int64_t* rows, std::ptrdiff_t count, float* best,
               float* mean) const;

  // The rows of the parts nearest to query (d,), best first, each once, at most k; all parts are
  // scored. Ties by row.
  std::vector<std::int64_t> nearest_rows(const float* query, std::size_t k) const;

  // Cosines of query (d,) and the parts of these numbers. -> as many
  std::vector<float> cosines(const float* query, std::span<const std::uint32_t> parts) const;

  // Calls fn(number) for each part of a row; parts are numbered as they were added, as long as
  // none was removed.
  template <class Fn>
  void for_each_part(std::int64_t row, Fn fn) const {
    const std::int64_t newest = row < 0 ? -1 : ids_.row_of(row);
    if (newest < 0) return;
    for (auto part = std::uint32_t(newest); part != END && next_[part] != GONE; part = next_[part])
      fn(std::size_t(part));
  }

 private:
  static constexpr std::uint32_t END = ~0u, GONE = ~0u - 1;

  std::size_t width() const { return 2 * encoder_.plane_bytes(); }
  std::size_t append(std::span<const std::int64_t> rows);
  PartsState compacted() const;

  // Calls fn(i, cosine) for i in [0, count) in order, of the part numbered part(i).
  template <class Part, class Fn>
  void score(const float* query, std::size_t count, Part part, Fn fn) const;

  Encoder encoder_;             // centred on the origin
  Blocks<std::uint8_t> codes_;  // (p, width), high plane, low plane
  Blocks<float> scales_;        // (p,)
  Blocks<std::uint32_t> next_;  // (p,) another part of its row, END, or GONE if it was removed
  Ids ids_;                     // the row of each part, and the newest part of each row
  std::size_t dead_ = 0;
};

// Searches run on a snapshot: they never wait for a writer, and see all of an add() or remove() or
// nothing of it. Writers wait for each other.
class Parts {
 public:
  // Throws std::invalid_argument if d < 1.
  explicit Parts(std::ptrdiff_t d) : state_(PartsState(d)) {}

  // vectors (p, d), rows (p,); a row keeps the parts that it has. All or none are added.
  // Throws std::invalid_argument if shapes differ, a row is below 0, or there are 2^31 parts.
  void add(MatrixView vectors, std::span<const std::int64_t> rows, int num_threads = 0);

  // Forgets all parts of these rows and returns how many; unknown rows are passed over.
  std::int64_t remove(std::span<const std::int64_t> rows);

  std::ptrdiff_t dimensions() const { return state_.get()->dimensions(); }
  std::ptrdiff_t size() const { return state_.get()->size(); }
  std::size_t size_bytes() const { return state_.get()->size_bytes(); }

  // queries (nq, d), candidates (nq, c), -1 is none -> (nq, c); NaN where a row has no part.
  // Throws std::invalid_argument if shapes differ.
  RowMajor<float> best(MatrixView queries, IdsView candidates, int num_threads = 0) const;
  // The same, and the mean of the TOP_PARTS nearest parts.
  BestAndMean best_and_mean(MatrixView queries, IdsView candidates, int num_threads = 0) const;

  StoredParts stored() const { return state_.get()->stored(); }
  // Throws std::invalid_argument if shapes differ, a scale is not finite, or a row is below 0.
  static std::unique_ptr<Parts> restored(std::ptrdiff_t d, const StoredParts& stored);

 private:
  WriterLock writer_;
  Published<PartsState> state_;
};

// Parts::best_and_mean of one state.
BestAndMean score_parts(const PartsState& parts, MatrixView queries, IdsView candidates,
                        int num_threads);

}  // namespace ragtune
