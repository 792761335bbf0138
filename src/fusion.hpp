// Weights of a candidate's features, learned so that relevant candidates stand first.
//
//   nq queries of c candidates each, f features; candidate j of query q is feature row q c + j.
//
//   w = argmin sum_q v_q mean_p log(1 + sum_n exp(w.x_n - w.x_p)) / sum_q v_q
//              + penalty |w - prior|^2
//
// p runs over the relevant candidates of q, by grade, n over those that are not: other relevant
// ones are never negatives. The loss is convex; Newton's method with its exact Hessian needs
// about ten passes. The result depends on no number of threads.
// Source: Cao et al. 2007, doi:10.1145/1273496.1273513 (listwise softmax).
#pragma once

#include <vector>

#include "views.hpp"

namespace ragtune {

struct FusionExamples {
  MatrixView features;             // (nq c, f)
  MatrixView grades;               // (nq, c): above 0 relevant, 0 not, below 0 no candidate
  std::span<const float> weights;  // (nq,) >= 0
};

struct FusionFit {
  Eigen::VectorXd weights;  // (f,)
  double loss;              // with the penalty
  int steps;
};

// Queries without a relevant candidate, or without another, teach nothing and are passed over.
// Throws std::invalid_argument if shapes differ, a value is not finite, or penalty <= 0.
// `initial` (f,) is where the search begins; empty: at the prior.
FusionFit fit_fusion(const FusionExamples& examples, const Eigen::VectorXd& prior, double penalty,
                     const Eigen::VectorXd& initial = {}, int num_threads = 0);

// Loss without the penalty, its gradient (f,) and Hessian (f, f) at w.
struct FusionLoss {
  double value = 0;
  Eigen::VectorXd gradient;
  Eigen::MatrixXd hessian;
};
FusionLoss fusion_loss(const FusionExamples& examples, const Eigen::VectorXd& w,
                       int num_threads = 0);

}  // namespace ragtune
