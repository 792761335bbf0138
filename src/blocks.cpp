#include "blocks.hpp"

#include <sys/mman.h>

#include <atomic>
#include <new>

namespace ragtune {
namespace {

constexpr std::size_t PAGE = 2u << 20;  // a large page; smaller blocks come from the heap

std::shared_ptr<std::byte> mapped_block(std::size_t size, bool huge) {
  // One page more than needed: large pages want an aligned start.
  const std::size_t reserved = size + PAGE;
  void* memory = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  auto* start = reinterpret_cast<std::byte*>((address + PAGE - 1) / PAGE * PAGE);
#ifdef MADV_HUGEPAGE
  if (huge) madvise(start, size, MADV_HUGEPAGE);  // a wish: without it the pages are small
#else
  (void)huge;
#endif
  return {start, [memory, reserved](std::byte*) { munmap(memory, reserved); }};
}

}  // namespace

std::shared_ptr<std::byte> allocate_block(std::size_t size_bytes, bool huge) {
  if (size_bytes >= PAGE) return mapped_block(size_bytes, huge);
  constexpr std::align_val_t ALIGNMENT{64};
  auto* start = static_cast<std::byte*>(operator new(size_bytes, ALIGNMENT));
  std::memset(start, 0, size_bytes);
  return {start, [](std::byte* p) { operator delete(p, ALIGNMENT); }};
}

std::uint64_t next_edit() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace ragtune
