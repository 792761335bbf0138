// Random numbers that are the same on every machine.
//
// splitmix64: a stream per (seed, number). Steele, Lea & Flood 2014,
// doi:10.1145/2660193.2660195.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace ragtune {

class Stream {
 public:
  Stream(std::uint64_t seed, std::uint64_t number) : state_(seed) { state_ = next() ^ number; }

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, n) without bias worth naming: n is far below 2^32.
  std::size_t below(std::size_t n) { return std::size_t(((next() >> 32) * n) >> 32); }

  // Uniform in [0, 1).
  double uniform() { return double(next() >> 11) * 0x1p-53; }

  // Every order is equally likely. Durstenfeld 1964, doi:10.1145/364520.364540.
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace ragtune
