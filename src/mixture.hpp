// Two experts and trust, over the candidates of a question: what a full model serves.
//
//   nq questions of c candidates each, f legs; where the mask is 0 there is padding.
//
//   P = g softmax(seen.[legs, memory]) + (1 - g) softmax(base.legs)
//   g = 1 / (1 + exp(-(trust.[(of_question - mean) / deviation, 1] + shift)))
//
// with the features of features.hpp. For likeness among them a chunk without stored questions has
// what its dense score lets expect, intercept + slope dense: the number does not tell whether there
// are any.
// Source: Jacobs et al. 1991, doi:10.1162/neco.1991.3.1.79.
#pragma once

#include "features.hpp"

namespace ragtune {

struct MixtureWeights {
  std::span<const double> base;             // (f,)
  std::span<const double> seen;             // (f + MEMORY_FEATURES,)
  double intercept = 0, slope = 0;          // of the expected likeness
  std::span<const double> mean, deviation;  // (QUESTION_FEATURES,)
  std::span<const double> trust;            // (QUESTION_FEATURES + 1,) the last one the constant
  double shift = 0;
};

struct MixtureScores {
  std::vector<MatrixView> legs;     // f of (nq, c)
  MatrixView memory, words, dense;  // (nq, c); memory is NaN where a chunk has no question
};

struct Mixed {
  RowMajor<float> probabilities;  // (nq, c), 0 for padding
  std::vector<double> trust;      // (nq,)
};

// Throws std::invalid_argument if a shape differs.
Mixed mixed(const MixtureScores& scores, MaskView mask, const MixtureWeights& weights,
            int num_threads = 0);

}  // namespace ragtune
