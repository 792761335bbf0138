// Which rows may be among the k best, while only bounds of their scores are known.
#pragma once

#include <algorithm>
#include <cstdint>
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
    items_.push_back(candidate);
    if (items_.size() < capacity_) return;
    shrink();
    capacity_ = std::max(capacity_, 2 * items_.size());  // many rows nearly tie
  }

  // Drops what k others are proven to beat.
  void shrink() {
    if (items_.size() < k_) return;
    std::nth_element(items_.begin(), items_.begin() + std::ptrdiff_t(k_) - 1, items_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.lower > b.lower; });
    threshold_ = std::max(threshold_, items_[k_ - 1].lower);
    std::erase_if(items_, [&](const Candidate& c) { return c.upper < threshold_; });
  }

  void absorb(Candidates& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    threshold_ = std::max(threshold_, other.threshold_);
    other.items_ = {};
  }

 private:
  std::size_t k_, capacity_;
  float threshold_ = LOWEST;
  std::vector<Candidate> items_;
};

}  // namespace ragtune
