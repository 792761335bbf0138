// Distance kernels in float32, chosen once at run time for the CPU at hand.
//
//   d dimensions. Pointers need no alignment.
//
// The module is compiled for the baseline of its architecture; each set below is
// compiled for its own instruction set in a file of its own (simd_avx2.cpp, ...).
// The environment variable RAGTUNE_SIMD = baseline | avx2 | avx512 | neon forces one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ragtune {

struct Kernels {
  const char* name;

  // sum_i a_i b_i
  float (*dot)(const float* a, const float* b, std::size_t d);

  // sum_i (a_i - b_i)^2
  float (*squared_distance)(const float* a, const float* b, std::size_t d);

  // out[i] = dot(query, rows + i * d) for i in [0, n): one query against rows in memory.
  void (*dot_rows)(const float* query, const float* rows, std::size_t n, std::size_t d, float* out);

  // The inner block of a matrix product: mr queries against nr documents.
  //   queries (depth, mr) and documents (depth, nr) are packed: column j of step p
  //   lies at [p * mr + j]. out (mr, nr) is overwritten, or added to if `accumulate`.
  // Each output is one chain of additions over p, so its bits do not depend on
  // which other rows share the block.
  void (*tile)(const float* queries, const float* documents, std::size_t depth, float* out,
               bool accumulate);
  std::size_t mr, nr;
};

// The set in use. Throws std::invalid_argument if RAGTUNE_SIMD names none that this CPU has.
const Kernels& kernels();

// Names of the sets that this CPU can run, slowest first.
std::vector<std::string> available_kernels();

// The set of that name, for tests. Throws std::invalid_argument if this CPU cannot run it.
const Kernels& kernels_named(const std::string& name);

}  // namespace ragtune
