// A few rows that are scored together, and how the tile kernel takes them.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "rows.hpp"

namespace ragtune {

constexpr std::size_t STRIP = 64;  // rows that stay in cache for the next query

// Rows that are scored together.
struct Strip {
  std::uint32_t rows[STRIP];
  float scale[STRIP], bias[STRIP], coarse[STRIP] = {};
  std::size_t count = 0;

  // The rows from `first` on.
  void take(std::size_t first, std::size_t many) {
    for (std::size_t i = 0; i < many; ++i) rows[i] = std::uint32_t(first + i);
    count = many;
  }

  // Whether the rows follow each other, also where they are kept.
  template <class T>
  bool in_one_piece(const Blocks<T>& table) const {
    return rows[count - 1] == rows[0] + count - 1 && table.run(rows[0]) >= count;
  }

  void read_terms(const Rows& from) {
    const std::size_t first = rows[0];
    if (in_one_piece(from.terms) && (!from.with_errors || in_one_piece(from.coarse))) {
      const Terms* terms = from.terms.row(first);
      for (std::size_t i = 0; i < count; ++i) scale[i] = terms[i].scale, bias[i] = terms[i].bias;
      if (from.with_errors) std::copy_n(from.coarse.row(first), count, coarse);
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Terms terms = from.terms[rows[i]];
      scale[i] = terms.scale;
      bias[i] = terms.bias;
      if (from.with_errors) coarse[i] = from.coarse[rows[i]];
    }
  }
};

// A row that may be among the best for all that its upper bits prove: its score is at most `upper`.
struct Doubt {
  float upper;
  std::uint32_t row;
  std::int32_t high;  // product of the query and the upper bits
};

constexpr std::size_t DOUBTS = 1 << 15;  // that wait for a better threshold: 384 KiB

struct Doubts {
  // For `more` items and one that is not kept.
  void make_room(std::size_t more) {
    if (items.size() <= count + more) items.resize(std::max(2 * items.size(), count + more + 1));
  }

  void drop_below(float threshold) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {  // no branch: it would be guessed wrong too often
      items[kept] = items[i];
      kept += std::size_t(items[i].upper >= threshold);
    }
    count = kept;
  }

  std::vector<Doubt> items;
  std::size_t count = 0;
};

// Rows that are to be scored by all their bits.
struct Remainder {
  std::uint32_t rows[STRIP];
  std::int32_t high[STRIP];  // product of the query and the upper bits
  float scale[STRIP], bias[STRIP];
  std::size_t count = 0;

  // At most STRIP of them; their lower bits are then on the way to the cache.
  void take(const Rows& from, std::span<const Doubt> doubts) {
    count = doubts.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Terms terms = from.terms[doubts[i].row];
      rows[i] = doubts[i].row;
      high[i] = doubts[i].high;
      scale[i] = terms.scale;
      bias[i] = terms.bias;
      from.touch_lower(rows[i]);
    }
  }
};

// A strip as the tile kernel takes it.
struct Tiles {
  explicit Tiles(std::size_t steps)
      : steps(steps), codes(STRIP * steps * 4), sums(kernels().mc * kernels().nc), row(steps * 4) {}

  void pack(const Rows& rows, const Strip& strip) {
    const std::size_t nc = kernels().nc;
    for (std::size_t r = 0; r < strip.count; ++r) {
      const std::uint32_t i = strip.rows[r];
      join_planes(rows.high.row(i), rows.low.row(i), rows.encoder.groups(), row.data());
      std::uint8_t* to = codes.data() + r / nc * nc * steps * 4 + r % nc * 4;
      for (std::size_t s = 0; s < steps; ++s) std::memcpy(to + s * nc * 4, row.data() + 4 * s, 4);
    }
  }

  std::size_t steps;
  std::vector<std::uint8_t> codes;
  std::vector<std::int32_t> sums;

 private:
  std::vector<std::uint8_t> row;
};

}  // namespace ragtune
