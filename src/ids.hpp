// Ids of the caller for the rows of an index, and back.
//
//   Each row has one id; an id that was given again belongs to its newest row. While ids are
//   the row numbers themselves, as they are when the caller gives none, nothing is stored.
#pragma once

#include <span>

#include "blocks.hpp"

namespace ragtune {

// Throws std::invalid_argument, calling them `name`, unless there are `count` ids, all distinct and
// >= 0.
void check_distinct(const char* name, std::span<const std::int64_t> ids, std::size_t count);

class Ids {
 public:
  std::size_t size() const { return size_; }
  std::size_t size_bytes() const {
    return ids_.size() * sizeof(std::int64_t) + places_.size() * sizeof(std::uint32_t);
  }
  bool are_rows() const { return ids_.size() == 0; }

  std::int64_t of_row(std::size_t row) const { return are_rows() ? std::int64_t(row) : ids_[row]; }
  // The newest row of an id, -1 if it has none.
  std::int64_t row_of(std::int64_t id) const;

  void begin_edit(std::uint64_t edit);
  void append(std::span<const std::int64_t> ids);

  const Blocks<std::int64_t>& table() const { return ids_; }
  // n ids that lie somewhere else, see Blocks::map; the way back is built anew.
  void map(std::shared_ptr<const void> owner, const std::int64_t* ids, std::size_t n);
  void number(std::size_t n) { size_ = n; }

 private:
  static constexpr std::uint32_t FREE = ~std::uint32_t(0);

  void write_out();
  void rebuild(std::size_t rows);
  void insert(std::size_t row);
  std::size_t place_of(std::int64_t id) const;

  std::size_t size_ = 0;
  Blocks<std::int64_t> ids_;                    // of each row; empty while ids are rows
  Blocks<std::uint32_t> places_{1, 32u << 10};  // rows by hash of id, open addressing
};

}  // namespace ragtune
