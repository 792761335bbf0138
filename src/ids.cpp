#include "ids.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <unordered_set>

#include "hash.hpp"

namespace ragtune {

void check_distinct(const char* name, std::span<const std::int64_t> ids, std::size_t count) {
  const std::string what = std::string(name) + ": expected ";
  if (ids.size() != count)
    throw std::invalid_argument(what + std::to_string(count) + ", got " +
                                std::to_string(ids.size()));
  const bool rising = std::ranges::adjacent_find(ids, std::greater_equal<>()) == ids.end();
  if (rising && (ids.empty() || ids.front() >= 0)) return;
  std::unordered_set<std::int64_t> seen;
  seen.reserve(ids.size());
  for (const std::int64_t id : ids) {
    if (id < 0) throw std::invalid_argument(what + ">= 0, got " + std::to_string(id));
    if (!seen.insert(id).second)
      throw std::invalid_argument(what + "distinct " + name + ", got " + std::to_string(id) +
                                  " twice");
  }
}

void Ids::begin_edit(std::uint64_t edit) {
  ids_.begin_edit(edit);
  places_.begin_edit(edit);
}

// Where the id stands, or the free place where it would.
std::size_t Ids::place_of(std::int64_t id) const {
  const std::size_t mask = places_.size() - 1;
  std::size_t place = mixed(0, std::uint64_t(id)) & mask;
  while (places_[place] != FREE && ids_[places_[place]] != id) place = (place + 1) & mask;
  return place;
}

std::int64_t Ids::row_of(std::int64_t id) const {
  if (are_rows()) return id >= 0 && std::size_t(id) < size_ ? id : -1;
  const std::uint32_t row = places_[place_of(id)];
  return row == FREE ? -1 : std::int64_t(row);
}

void Ids::append(std::span<const std::int64_t> ids) {
  bool rows = are_rows();
  for (std::size_t i = 0; rows && i < ids.size(); ++i) rows = ids[i] == std::int64_t(size_ + i);
  if (rows) {
    size_ += ids.size();
    return;
  }
  if (are_rows()) write_out();
  const std::size_t first = size_;
  ids_.append(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) *ids_.fresh(first + i) = ids[i];
  size_ += ids.size();
  if (4 * size_ > 3 * places_.size()) {
    rebuild(size_);
  } else {
    for (std::size_t row = first; row < size_; ++row) insert(row);
  }
}

void Ids::map(std::shared_ptr<const void> owner, const std::int64_t* ids, std::size_t n) {
  ids_.map(std::move(owner), ids, n);
  size_ = n;
  rebuild(n);
}

void Ids::write_out() {
  ids_.append(size_);
  for (std::size_t row = 0; row < size_; ++row) *ids_.fresh(row) = std::int64_t(row);
  rebuild(size_);
}

// Twice the room that `rows` need at most, so that the next rebuild is far.
void Ids::rebuild(std::size_t rows) {
  Blocks<std::uint32_t> places(1, 32u << 10);
  places.begin_edit(next_edit());
  places.append(std::bit_ceil(std::max<std::size_t>(rows * 4 / 3 + 1, 64)));
  for (std::size_t i = 0; i < places.size(); ++i) *places.fresh(i) = FREE;
  std::swap(places_, places);
  for (std::size_t row = 0; row < rows; ++row)
    *places_.fresh(place_of(ids_[row])) = std::uint32_t(row);
}

void Ids::insert(std::size_t row) { *places_.edit(place_of(ids_[row])) = std::uint32_t(row); }

}  // namespace ragtune
