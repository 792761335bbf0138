// Adam on a vector of p parameters, with warm-up, cosine decay and gradient clipping.
//
//   g = gradient * min(1, clip / |gradient|)
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   x = x - rate(t) / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + 1e-8)
//
// rate(t) rises linearly to the peak during the first `warm_up` steps and falls to 0 along half
// a cosine until `steps`. b1 = 0.9, b2 = 0.999.
// Sources: Kingma & Ba 2015, arXiv 1412.6980; Loshchilov & Hutter 2017, arXiv 1608.03983.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace ragtune {

struct Schedule {
  double peak;
  std::size_t warm_up, steps;

  double rate(std::size_t step) const;  // step counts from 1
};

class Adam {
 public:
  Adam(std::size_t parameters, Schedule schedule, double clip);

  // parameters (p,), gradient (p,).
  void step(std::span<float> parameters, std::span<const float> gradient, int num_threads = 0);

  std::size_t steps() const { return step_; }

 private:
  Schedule schedule_;
  double clip_;
  std::size_t step_ = 0;
  std::vector<float> mean_, square_;
};

}  // namespace ragtune
