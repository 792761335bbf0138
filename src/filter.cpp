#include "filter.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ragtune {
namespace {

// Eight booleans as the lowest eight bits.
std::uint64_t packed(const std::uint8_t* booleans) {
  std::uint64_t eight;
  std::memcpy(&eight, booleans, sizeof eight);
  return (eight & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

// Bits of the rows whose ids the mask has, where ids are rows.
void read_mask(std::span<const std::uint8_t> mask, std::size_t rows, Bits& bits) {
  const std::size_t size = std::min(mask.size(), rows);
  std::size_t row = 0;
  for (; row + 8 <= size; row += 8) bits[row >> 6] |= packed(mask.data() + row) << (row & 63);
  for (; row < size; ++row) bits[row >> 6] |= std::uint64_t(mask[row] & 1) << (row & 63);
}

// The same where ids are anything.
void read_mask(std::span<const std::uint8_t> mask, const Ids& ids, std::size_t rows, Bits& bits) {
  for (std::size_t row = 0; row < rows; ++row) {
    const auto id = std::size_t(ids.of_row(row));
    bits[row >> 6] |= std::uint64_t(id < mask.size() && mask[id]) << (row & 63);
  }
}

void read_ids(std::span<const std::int64_t> wanted, const Ids& ids, Bits& bits) {
  for (const std::int64_t id : wanted) {
    const std::int64_t row = ids.row_of(id);
    if (row >= 0) bits[std::size_t(row) >> 6] |= std::uint64_t(1) << (row & 63);
  }
}

}  // namespace

void let_in(Allowed& alive, std::size_t before, std::size_t rows) {
  if (alive.all()) return;
  auto bits = std::make_shared<Bits>(*alive.bits);
  bits->resize(words_of(rows));
  for (std::size_t row = before; row < rows; ++row)
    (*bits)[row >> 6] |= std::uint64_t(1) << (row & 63);
  alive = {std::move(bits), alive.count + (rows - before)};
}

std::vector<std::size_t> take_out(Allowed& alive, std::size_t rows, const Ids& ids,
                                  std::span<const std::int64_t> names) {
  std::vector<std::size_t> out;
  std::shared_ptr<Bits> bits;
  for (const std::int64_t name : names) {
    const std::int64_t row = ids.row_of(name);
    if (row < 0 || !alive(std::size_t(row))) continue;
    if (!bits) {
      bits = alive.all() ? std::make_shared<Bits>(words_of(rows), ~std::uint64_t(0))
                         : std::make_shared<Bits>(*alive.bits);
      alive = {bits, alive.among(rows)};
    }
    (*bits)[std::size_t(row) >> 6] &= ~(std::uint64_t(1) << (row & 63));
    --alive.count;
    out.push_back(std::size_t(row));
  }
  return out;
}

Allowed filtered(const IdFilter& filter, const Ids& ids, const Allowed& alive) {
  if (!filter.mask && !filter.ids) return alive;
  const std::size_t rows = ids.size();
  auto bits = std::make_shared<Bits>(words_of(rows));
  if (filter.ids) {
    read_ids(*filter.ids, ids, *bits);
  } else if (ids.are_rows()) {
    read_mask(*filter.mask, rows, *bits);
  } else {
    read_mask(*filter.mask, ids, rows, *bits);
  }
  std::size_t count = 0;
  for (std::size_t w = 0; w < bits->size(); ++w) {
    if (!alive.all()) (*bits)[w] &= (*alive.bits)[w];
    count += std::size_t(std::popcount((*bits)[w]));
  }
  return {std::move(bits), count};
}

}  // namespace ragtune
