// A hash of numbers: splitmix64 (Steele, Lea and Flood 2014).
#pragma once

#include <cstdint>

namespace ragtune {

inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = (a + 1) * 0x9e3779b97f4a7c15u + b;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

}  // namespace ragtune
