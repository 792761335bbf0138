// Which rows a search may find.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "ids.hpp"

namespace ragtune {

using Bits = std::vector<std::uint64_t>;  // row r is bit r % 64 of word r / 64

inline std::size_t words_of(std::size_t rows) { return (rows + 63) / 64; }

// Which of n rows may be found: a bit for each, or all of them if there are no bits.
struct Allowed {
  std::shared_ptr<const Bits> bits;
  std::size_t count = 0;

  bool all() const { return !bits; }
  std::size_t among(std::size_t rows) const { return all() ? rows : count; }
  bool operator()(std::size_t row) const { return all() || ((*bits)[row >> 6] >> (row & 63) & 1); }
};

// Lets the rows from `before` on in, of `rows` in all; readers of `alive` keep the bits they have.
void let_in(Allowed& alive, std::size_t before, std::size_t rows);

// Takes the rows of these ids out of `alive`, of `rows` in all; readers keep the bits they have.
// Ids that are not there are passed over. -> the rows, in the order of the ids
std::vector<std::size_t> take_out(Allowed& alive, std::size_t rows, const Ids& ids,
                                  std::span<const std::int64_t> names);

// Which ids may be found. Neither given: all.
struct IdFilter {
  std::optional<std::span<const std::uint8_t>>
      mask;  // 0 or 1 for each id from 0 on; ids beyond may not
  std::optional<std::span<const std::int64_t>> ids;  // unknown ones are passed over
};

// The living rows whose ids the filter lets through.
Allowed filtered(const IdFilter& filter, const Ids& ids, const Allowed& alive);

}  // namespace ragtune
