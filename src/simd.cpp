#include "simd.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "simd_sets.hpp"

namespace ragtune {
namespace {

std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> sets{&baseline_kernels};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    sets.push_back(&avx2_kernels);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
    sets.push_back(&avx512_kernels);
#elif defined(__aarch64__)
  sets.push_back(&neon_kernels);  // part of the arm64 baseline
#endif
  return sets;
}

const Kernels& chosen() {
  const char* forced = std::getenv("RAGTUNE_SIMD");
  return forced && *forced ? kernels_named(forced) : *runnable().back();
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& set = chosen();
  return set;
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const Kernels* set : runnable()) names.emplace_back(set->name);
  return names;
}

const Kernels& kernels_named(const std::string& name) {
  std::string known;
  for (const Kernels* set : runnable()) {
    if (name == set->name) return *set;
    known += known.empty() ? set->name : std::string(", ") + set->name;
  }
  throw std::invalid_argument("RAGTUNE_SIMD: expected one of " + known + ", got " + name);
}

}  // namespace ragtune
