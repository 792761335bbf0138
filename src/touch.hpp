// Fetching memory ahead of its use.
#pragma once

#include <cstddef>

namespace ragtune {

constexpr std::size_t LINE_BYTES = 64;

// Loads a byte of every cache line that begins in [start, start + size_bytes), and nobody waits
// for it. Loads run side by side like prefetches, but a processor may drop those: on a Zen 3 as
// a virtual machine a walk of the graph was as fast without its prefetches, and 1.6 times as
// fast with these in their place.
inline void touch(const void* start, std::size_t size_bytes) {
  const auto* bytes = static_cast<const volatile std::byte*>(start);
  for (std::size_t b = 0; b < size_bytes; b += LINE_BYTES) (void)bytes[b];
}

}  // namespace ragtune
