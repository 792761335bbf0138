// Distance kernels, chosen once at run time for the CPU at hand.
//
//   d dimensions. Pointers need no alignment.
//
// The module is compiled for the baseline of its architecture; each set below is
// compiled for its own instruction set in a file of its own (simd_avx2.cpp, ...).
// The environment variable RAGTUNE_SIMD = baseline | avx2 | avx512 | neon forces one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ragtune {

// Dimensions in one group of a plane of 4-bit codes (codes.hpp): byte j of a group holds
// dimension j in its low half and dimension j + 64 in its high half.
constexpr std::size_t GROUP = 128, GROUP_BYTES = GROUP / 2;
constexpr std::size_t WIDTH = 4;  // planes that a kernel scores at once

constexpr std::size_t COLUMNS = 256;  // of a table whose largest values are looked for

constexpr std::size_t WIDE_LANES = 8;  // sums in double that wide_dot keeps

// What a step of Adam multiplies with, see optimizer.hpp.
struct AdamFactors {
  float shrink, rate, correction, beta1, beta2, epsilon;
};

struct Kernels {
  const char* name;

  // sum_i a_i b_i
  float (*dot)(const float* a, const float* b, std::size_t d);

  // sum_i (a_i - b_i)^2
  float (*squared_distance)(const float* a, const float* b, std::size_t d);

  // The same where b is in bfloat16: the upper half of a float32.
  float (*dot_bf16)(const float* a, const std::uint16_t* b, std::size_t d);
  float (*squared_distance_bf16)(const float* a, const std::uint16_t* b, std::size_t d);

  // out[i] = dot(query, rows + i * d) for i in [0, n): one query against rows in memory.
  void (*dot_rows)(const float* query, const float* rows, std::size_t n, std::size_t d, float* out);

  // out[i] = sum_j code_j(planes[i]) * query_j for four planes of `groups` groups.
  // query (groups * GROUP,) in [-127, 127]. The sums are exact below 2^20 groups.
  void (*dot_planes)(const std::int8_t* query, const std::uint8_t* const planes[WIDTH],
                     std::size_t groups, std::int32_t out[WIDTH]);

  // The inner block of an integer product: mc queries against nc rows of codes.
  //   queries (steps, mc, 4) and codes (steps, nc, 4) are packed: bytes 4 s to 4 s + 3 of row r
  //   lie at [(s * nc + r) * 4]. out (mc, nc) = sum_j code_j query_j, exactly, for queries in
  //   [-query_limit, query_limit].
  void (*tile_codes)(const std::int8_t* queries, const std::uint8_t* codes, std::size_t steps,
                     std::int32_t* out);
  std::size_t mc, nc;
  int query_limit;  // at most 127; less where sums of products are kept in 16 bits

  // The inner block of a matrix product: mr queries against nr documents.
  //   Column j of step p lies at queries[p * query_step + j], with a step of mr if they are packed,
  //   and at documents[p * nr + j]. out (mr, nr) is overwritten, or added to if `accumulate`.
  // Each output is one chain of additions over p, so its bits do not depend on
  // which other rows share the block.
  void (*tile)(const float* queries, std::size_t query_step, const float* documents,
               std::size_t depth, float* out, bool accumulate);
  std::size_t mr, nr;

  // to (d,) += weight * row (d,)
  void (*add_scaled)(float* to, const float* row, float weight, std::size_t d);

  // sum_i a_i b_i in float64, with the same bits in each set.
  double (*wide_dot)(const float* a, const float* b, std::size_t d);

  // A step of Adam on `count` parameters x with their running means and squares.
  void (*adam)(float* x, float* mean, float* square, const float* gradient, std::size_t count,
               AdamFactors factors);

  // Of scores (n, nr), n >= 1, the highest of each column, and which are above the limit of their
  // column: bit j of a row's word is column j. limits and peaks (nr,), above (n,)
  void (*survey)(const float* scores, std::size_t n, const float* limits, float* peaks,
                 std::uint32_t* above);

  // peaks (COLUMNS,): the largest of each column of values (n, COLUMNS), n >= 1.
  void (*column_peaks)(const std::int32_t* values, std::size_t n, std::int32_t* peaks);

  // What at least k of the peaks (COLUMNS,) >= 0 reach, 1 <= k <= COLUMNS: the k-th largest, less
  // at most a thousandth of the largest.
  std::int32_t (*reached_by)(const std::int32_t* peaks, std::size_t k);

  // values (n, nr) become values * the factor of their column. factors (nr,)
  void (*scale_columns)(float* values, std::size_t n, const float* factors);

  // scores (n, nr) become exp((score - peak) * inverse) with the peak of their column; sums (nr,)
  void (*weigh)(float* scores, std::size_t n, const float* peaks, float inverse, float* sums);
};

// The set in use. Throws std::invalid_argument if RAGTUNE_SIMD names none that this CPU has.
const Kernels& kernels();

// Names of the sets that this CPU can run, slowest first.
std::vector<std::string> available_kernels();

// The set of that name, for tests. Throws std::invalid_argument if this CPU cannot run it.
const Kernels& kernels_named(const std::string& name);

}  // namespace ragtune
