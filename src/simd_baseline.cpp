// Portable kernels: what every CPU of the architecture runs, and the pattern for the others.
#include <bit>
#include <cstring>

#include "simd_loops.hpp"
#include "simd_sets.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MR = 4, NR = 8, MC = 4, NC = 16, LANES = 8;
constexpr int QUERY_LIMIT = 127;

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

float widened(std::uint16_t bf16) { return std::bit_cast<float>(std::uint32_t(bf16) << 16); }

float dot_bf16(const float* a, const std::uint16_t* b, std::size_t d) {
  return summed(d, [&](std::size_t i) { return a[i] * widened(b[i]); });
}

float squared_distance_bf16(const float* a, const std::uint16_t* b, std::size_t d) {
  return summed(d, [&](std::size_t i) {
    const float gap = a[i] - widened(b[i]);
    return gap * gap;
  });
}

void dot_planes(const std::int8_t* query, const std::uint8_t* const planes[4], std::size_t groups,
                std::int32_t out[4]) {
  for (std::size_t i = 0; i < 4; ++i) {
    std::int32_t sum = 0;
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t j = 0; j < GROUP_BYTES; ++j) {
        const int codes = planes[i][g * GROUP_BYTES + j];
        const std::int8_t* q = query + g * GROUP + j;
        sum += (codes & 15) * q[0] + (codes >> 4) * q[GROUP_BYTES];
      }
    out[i] = sum;
  }
}

void dot_rows(const float* query, const float* rows, std::size_t n, std::size_t d, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = dot(query, rows + i * d, d);
}

void tile_codes(const std::int8_t* queries, const std::uint8_t* codes, std::size_t steps,
                std::int32_t* out) {
  std::int32_t sums[MC][NC] = {};
  for (std::size_t s = 0; s < steps; ++s, queries += 4 * MC, codes += 4 * NC)
    for (std::size_t q = 0; q < MC; ++q)
      for (std::size_t r = 0; r < NC; ++r)
        for (std::size_t j = 0; j < 4; ++j) sums[q][r] += codes[4 * r + j] * queries[4 * q + j];
  std::memcpy(out, sums, sizeof sums);
}

void tile(const float* queries, std::size_t query_step, const float* documents, std::size_t depth,
          float* out, bool accumulate) {
  float sums[MR][NR] = {};
  for (std::size_t p = 0; p < depth; ++p, queries += query_step, documents += NR)
    for (std::size_t i = 0; i < MR; ++i)
      for (std::size_t j = 0; j < NR; ++j) sums[i][j] += queries[i] * documents[j];
  for (std::size_t i = 0; i < MR; ++i)
    for (std::size_t j = 0; j < NR; ++j)
      out[i * NR + j] = accumulate ? out[i * NR + j] + sums[i][j] : sums[i][j];
}

}  // namespace

const Kernels baseline_kernels{"baseline",
                               dot,
                               squared_distance,
                               dot_bf16,
                               squared_distance_bf16,
                               dot_rows,
                               dot_planes,
                               tile_codes,
                               MC,
                               NC,
                               QUERY_LIMIT,
                               tile,
                               MR,
                               NR,
                               add_scaled,
                               wide_dot,
                               adam,
                               survey<NR>,
                               column_peaks,
                               reached_by,
                               scale_columns<NR>,
                               weigh<NR>};

}  // namespace ragtune
