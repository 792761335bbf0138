// Several vectors per row, as 8-bit codes, of which the nearest to a query counts: the
// sentences of a chunk, or the questions that it answers.
//
//   p parts, d dimensions; each part belongs to a row. About d + 24 bytes a part.
//
//   best(q, row) = max over the parts x of row of  q.x / |x|
//
// Only candidates are scored: what another leg has found, not the corpus. One writer or any
// number of readers at a time.
#pragma once

#include <unordered_map>
#include <vector>

#include "codes.hpp"

namespace ragtune {

class Parts {
 public:
  // Throws std::invalid_argument if d < 1.
  explicit Parts(std::ptrdiff_t d);

  // vectors (p, d), rows (p,); a row keeps the parts that it has. All or none are added.
  // Throws std::invalid_argument if shapes differ, a row is below 0, or there are 2^31 parts.
  void add(MatrixView vectors, std::span<const std::int64_t> rows);

  // Forgets all parts of these rows and returns how many; unknown rows are passed over.
  std::int64_t remove(std::span<const std::int64_t> rows);

  std::ptrdiff_t dimensions() const { return std::ptrdiff_t(encoder_.dimensions()); }
  std::ptrdiff_t size() const { return std::ptrdiff_t(scales_.size()) - dead_; }
  std::size_t size_bytes() const;

  // queries (nq, d), candidates (nq, c), -1 is none -> (nq, c); NaN where a row has no part.
  // Throws std::invalid_argument if shapes differ.
  RowMajor<float> best(MatrixView queries, IdsView candidates, int num_threads = 0) const;

  // The rows of the parts nearest to query (d,), best first, each once, at most k; all parts are
  // scored. Ties by row.
  std::vector<std::int64_t> nearest_rows(const float* query, std::size_t k) const;

  // Cosines of query (d,) and the parts of these numbers. -> as many
  std::vector<float> cosines(const float* query, std::span<const std::uint32_t> parts) const;

  // Calls fn(number) for each part of a row; parts are numbered as they were added, as long as
  // none was removed.
  template <class Fn>
  void for_each_part(std::int64_t row, Fn fn) const {
    const auto place = first_.find(row);
    if (place == first_.end()) return;
    for (std::uint32_t part = place->second; part != END; part = next_[part]) fn(std::size_t(part));
  }

  // What is kept in files: the planes of the codes (p, width), high then low, their scales
  // (p,) and rows (p,), in the order in which they were added.
  struct Stored {
    RowMajor<std::uint8_t> codes;
    std::vector<float> scales;
    std::vector<std::int64_t> rows;
  };
  Stored stored() const;
  // Throws std::invalid_argument if shapes differ, a scale is not finite, or a row is below 0.
  static Parts restored(std::ptrdiff_t d, const Stored& stored);

 private:
  static constexpr std::uint32_t END = ~0u;

  const std::uint8_t* code(std::size_t part) const { return codes_.data() + part * width(); }
  std::size_t width() const { return 2 * encoder_.plane_bytes(); }
  void link(std::size_t part, std::int64_t row);
  void drop_dead();
  void best_of(const float* query, const std::int64_t* rows, std::ptrdiff_t count,
               float* out) const;

  // Calls fn(i, cosine) for i in [0, count) in order, of the part numbered part(i).
  template <class Part, class Fn>
  void score(const float* query, std::size_t count, Part part, Fn fn) const;

  Encoder encoder_;                                        // centred on the origin
  std::vector<std::uint8_t> codes_;                        // (p, width), high plane, low plane
  std::vector<float> scales_;                              // (p,)
  std::vector<std::int64_t> rows_;                         // (p,), -1 for a forgotten part
  std::vector<std::uint32_t> next_;                        // (p,) another part of its row
  std::unordered_map<std::int64_t, std::uint32_t> first_;  // the last added part of each row
  std::ptrdiff_t dead_ = 0;
};

}  // namespace ragtune
