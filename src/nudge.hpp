// NUDGE: documents move towards the questions that they answer, in closed form.
//
//   n documents e, nq training questions, d dimensions, all of unit length; m documents have a
//   training question, g_j is the sum of the questions of document j.
//
//   normalized  e' = cos(a) e + sin(a) h,  h = the unit vector of g - (g.e) e
//               with a such that |e' - e|^2 <= gamma: cos(a) = 1 - gamma / 2, but never past g.
//               A document that is more than 90 degrees from g stays. e' has unit length.
//   magnitude   e' = e + gamma g / |g|, to be searched by inner product: not of unit length.
//
// gamma is chosen on validation questions:
//   normalized  of `steps` + 1 equal steps from 0 to max_gamma the first with the most questions
//               whose best document is relevant;
//   magnitude   for each pair (question, relevant document) an interval of gamma in which that
//               document is the best one; the start of the first stretch with the most intervals.
// gamma = 0 moves nothing.
//
// Only documents with a question move, so a question needs one product with the whole corpus,
// for the best of the others, and two with the m; the (nq, n) matrix never exists.
// Source: Zeighami, Wellmer & Parameswaran 2024, arXiv 2409.02343 (NUDGE-N and NUDGE-M).
#pragma once

#include <functional>
#include <vector>

#include "views.hpp"

namespace ragtune {

enum class NudgeKind { normalized, magnitude };

// "n" or "m". Throws std::invalid_argument for any other name.
NudgeKind nudge_kind(const std::string& name);

struct Questions {
  MatrixView embeddings;                  // (nq, d)
  std::span<const std::int64_t> offsets;  // (nq + 1,)
  std::span<const std::int64_t> rows;     // relevant documents of each question
};

struct NudgeOptions {
  NudgeKind kind = NudgeKind::normalized;
  double max_gamma = 0.48;
  std::int64_t steps = 24;
  int num_threads = 0;

  // progress(done, all) after each block of validation questions; true cancels, an exception
  // reaches the caller.
  std::function<bool(std::int64_t, std::int64_t)> progress{};
};

struct Overlay {
  std::vector<std::int64_t> rows;  // (m,) rising: the documents that move
  RowMajor<float> deltas;          // (m, d): e' - e
  double gamma = 0;
  // Share of the validation questions (normalized) or pairs (magnitude) whose document is the
  // best one, under gamma.
  double score = 0;
  bool cancelled = false;  // then nothing moves
};

// Throws std::invalid_argument if shapes differ, a row is not in [0, n), max_gamma is not in
// [0, 4), steps < 1, or no validation question has a relevant document.
Overlay nudge(MatrixView corpus, const Questions& training, const Questions& validation,
              const NudgeOptions& options);

}  // namespace ragtune
