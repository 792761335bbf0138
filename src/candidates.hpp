// Which rows may be among the k best, while only bounds of their scores are known.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "topk.hpp"

namespace ragtune {

// A row that may be among the best: its score lies in [lower, upper].
struct Candidate {
  float lower, upper;
  std::uint32_t row;
};

// Rows that may be among the k best of one query, and what a further row must reach.
class Candidates {
 public:
  explicit Candidates(std::size_t k) : k_(k), capacity_(2 * k + 64) {}

  float threshold() const { return threshold_; }
  std::vector<Candidate>& items() { return items_; }

  void offer(Candidate candidate) {
    raise(candidate.lower);
    items_.push_back(candidate);
    if (items_.size() < capacity_) return;
    shrink();
    capacity_ = std::max(capacity_, 2 * items_.size());  // many rows nearly tie
  }

  // Drops what k others are proven to beat.
  void shrink() {
    std::erase_if(items_, [&](const Candidate& c) { return c.upper < threshold_; });
  }

  void absorb(Candidates& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    for (const float lower : other.lowers_) raise(lower);
    other.items_ = {};
  }

 private:
  // A further row is proven to reach `lower`.
  void raise(float lower) {
    if (lower <= threshold_) return;
    if (lowers_.size() == k_) {
      std::ranges::pop_heap(lowers_, std::greater<>());
      lowers_.back() = lower;
    } else {
      lowers_.push_back(lower);
    }
    std::ranges::push_heap(lowers_, std::greater<>());
    if (lowers_.size() == k_) threshold_ = lowers_.front();
  }

  std::size_t k_, capacity_;
  float threshold_ = LOWEST;
  std::vector<Candidate> items_;
  std::vector<float> lowers_;  // the k highest, a heap with the least on top
};

}  // namespace ragtune
