// Portable kernels: what every CPU of the architecture runs, and the pattern for the others.
#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 4, NR = 8, LANES = 8;

// Eight partial sums: the compiler may keep them in vector registers without
// being allowed to reorder additions.
template <class Term>
float summed(std::size_t d, Term term) {
  float lanes[LANES] = {};
  std::size_t i = 0;
  for (; i + LANES <= d; i += LANES)
    for (std::size_t j = 0; j < LANES; ++j) lanes[j] += term(i + j);
  for (std::size_t j = 0; i + j < d; ++j) lanes[j] += term(i + j);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

float dot(const float* a, const float* b, std::size_t d) {
  return summed(d, [&](std::size_t i) { return a[i] * b[i]; });
}

float squared_distance(const float* a, const float* b, std::size_t d) {
  return summed(d, [&](std::size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}

void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

void tile(const float* queries, const float* documents, std::size_t depth, float* out,
          bool accumulate) {
  float sums[MR][NR] = {};
  for (std::size_t p = 0; p < depth; ++p)
    for (std::size_t i = 0; i < MR; ++i)
      for (std::size_t j = 0; j < NR; ++j)
        sums[i][j] += queries[p * MR + i] * documents[p * NR + j];
  for (std::size_t i = 0; i < MR; ++i)
    for (std::size_t j = 0; j < NR; ++j)
      out[i * NR + j] = accumulate ? out[i * NR + j] + sums[i][j] : sums[i][j];
}

}  // namespace

const Kernels baseline_kernels{"baseline", dot, squared_distance, dot_rows, tile, MR, NR};

}  // namespace ragtune
