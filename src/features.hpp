// Numbers that experts weigh: of each candidate, and of each question as a whole.
//
//   nq questions of c candidates each; where the mask is 0 there is padding.
//
// Sums are in float64, one question at a time: the result depends on no number of threads.
#pragma once

#include <vector>

#include "views.hpp"

namespace ragtune {

using MaskView = Eigen::Map<const RowMajor<std::uint8_t>>;  // (nq, c)
using DoublesView = Eigen::Map<const RowMajor<double>>;

// Scores (nq, c) of each leg -> (nq c, legs): mean 0 and deviation 1 over the candidates of a
// question, (x - mean) / (deviation + 1e-6), 0 for padding.
// Throws std::invalid_argument if a shape differs.
RowMajor<float> standardized(std::span<const MatrixView> legs, MaskView mask, int num_threads = 0);

// What the expert with stored questions weighs beside the legs, of a likeness m (nq, c) with NaN
// where a chunk has no question, which counts as 0: -> (nq c, MEMORY_FEATURES), 0 for padding
//
//   4 max(m - h, 0) for h in 0.6, 0.75, 0.9; m standardised; 4 (best - second) for the best;
//   4 (m - best); m times the words' scores standardised
//
// where best and second are over the candidates and padding, whose likeness is -1.
// Throws std::invalid_argument if a shape differs.
constexpr std::ptrdiff_t MEMORY_FEATURES = 7;
RowMajor<float> memory_features(MatrixView memory, MatrixView words, MaskView mask,
                                int num_threads = 0);

// What tells whether a question is like the stored ones: likeness m (nq, c), -1 for padding, and
// scores b (nq, c) without memory, -inf for padding, and what the two experts give the candidates,
// p_seen and p_base (nq, c), 0 for padding -> (nq, QUESTION_FEATURES)
//
//   best m; max(best - 0.6, 0); max(best - 0.8, 0); its lead over the second; gap: b of the
//   likest less the highest b, at least -50; 1 / (1 + candidates with a higher b than the
//   likest); best where gap is 0; the lead of the highest b, at most 50; m where b is highest;
//   best times gap; how far the experts agree, sum sqrt(p_seen p_base) (Bhattacharyya 1943); how
//   unsure each is, -sum p log p of p_seen and of p_base (Shannon 1948)
//
// Throws std::invalid_argument if the shapes differ or c < 1.
constexpr std::ptrdiff_t QUESTION_FEATURES = 13;
RowMajor<double> question_features(MatrixView memory, DoublesView base, DoublesView p_seen,
                                   DoublesView p_base, int num_threads = 0);

// exp(scores) over their sum among the candidates of a question, 0 for padding; (nq, c).
// Throws std::invalid_argument if the shapes differ.
RowMajor<double> softmax(DoublesView scores, MaskView mask, int num_threads = 0);

}  // namespace ragtune
