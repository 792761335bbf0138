// Rows of equal length in blocks that never move, shared between snapshots.
//
//   size rows of `width` elements; row i lies in block i / rows_per_block.
//
// A copy of Blocks shares every block with the original. Whoever holds a copy may read its
// rows for ever: a writer appends behind them, and edits a row only after taking a block of
// its own (copy on write). One writer at a time; any number of readers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace ragtune {

// Zeroed memory, aligned to 64 bytes; `huge` asks the kernel for large pages.
// Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate_block(std::size_t size_bytes, bool huge);

// A number that no other edit has: it tells which blocks an edit made itself.
std::uint64_t next_edit();

template <class T>
class Blocks {
 public:
  // block: bytes that an edit copies, at most.
  explicit Blocks(std::size_t width = 1, std::size_t block = 64u << 20)
      : width_(width), shift_(std::size_t(std::bit_width(block / (width * sizeof(T)) | 1u) - 1)) {}

  std::size_t width() const { return width_; }
  std::size_t size() const { return size_; }
  std::size_t rows_per_block() const { return std::size_t(1) << shift_; }

  const T* row(std::size_t i) const { return start_[i >> shift_] + (i & mask()) * width_; }
  const T& operator[](std::size_t i) const { return *row(i); }

  // Rows that lie behind row i without a gap, itself included.
  std::size_t run(std::size_t i) const {
    return std::min(rows_per_block() - (i & mask()), size_ - i);
  }

  // Must be called on a copy before its rows are edited or appended to.
  void begin_edit(std::uint64_t edit) { edit_ = edit; }

  // Adds `count` rows, to be written through fresh(): what they hold before is unspecified.
  void append(std::size_t count) {
    own_tail();
    size_ += count;
    const std::size_t blocks = (size_ + mask()) >> shift_;
    while (blocks_.size() < blocks) add_slab(blocks - blocks_.size(), count);
  }

  // A row that was appended since begin_edit: no reader knows it.
  T* fresh(std::size_t i) { return start_[i >> shift_] + (i & mask()) * width_; }

  // Any row, for changing it; its block is copied first unless this edit made it.
  T* edit(std::size_t i) {
    Block& block = blocks_[i >> shift_];
    if (block.edit != edit_) own(i >> shift_);
    return fresh(i);
  }

  // `size` rows that lie somewhere else and are kept alive by `owner`; they are never written.
  void map(std::shared_ptr<const void> owner, const T* rows, std::size_t size) {
    size_ = size;
    blocks_.clear();
    start_.clear();
    for (std::size_t i = 0; i < size; i += rows_per_block()) {
      T* start = const_cast<T*>(rows + i * width_);
      blocks_.push_back(
          {std::shared_ptr<T>(std::const_pointer_cast<void>(owner), start), 0, false});
      start_.push_back(start);
    }
  }

 private:
  static constexpr std::size_t SLAB = 2u << 20;

  struct Block {
    std::shared_ptr<T> data;
    std::uint64_t edit;  // the edit that made it
    bool growable;       // may be appended to
  };

  std::size_t mask() const { return rows_per_block() - 1; }
  std::size_t block_bytes() const { return (width_ * sizeof(T)) << shift_; }

  void put(std::size_t at, std::shared_ptr<T> data) {
    start_[at] = data.get();
    blocks_[at] = {std::move(data), edit_, true};
  }

  void add_slab(std::size_t wanted, std::size_t rows_coming) {
    const std::size_t count = std::min(wanted, std::max<std::size_t>(SLAB / block_bytes(), 1));
    const bool huge = rows_coming >= 4096 || !blocks_.empty();
    const auto slab = allocate_block(count * block_bytes(), huge);
    for (std::size_t b = 0; b < count; ++b) {
      blocks_.emplace_back();
      start_.emplace_back();
      put(blocks_.size() - 1,
          std::shared_ptr<T>(slab, reinterpret_cast<T*>(slab.get() + b * block_bytes())));
    }
  }

  void own(std::size_t at) {
    const auto data = allocate_block(block_bytes(), false);
    const std::size_t rows = std::min(rows_per_block(), size_ - (at << shift_));
    std::memcpy(data.get(), start_[at], rows * width_ * sizeof(T));
    put(at, std::shared_ptr<T>(data, reinterpret_cast<T*>(data.get())));
  }

  void own_tail() {
    if ((size_ & mask()) != 0 && !blocks_.back().growable) own(blocks_.size() - 1);
  }

  std::size_t width_, shift_, size_ = 0;
  std::uint64_t edit_ = 0;
  std::vector<Block> blocks_;
  std::vector<T*> start_;
};

}  // namespace ragtune
