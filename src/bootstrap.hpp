// Is the difference between two systems more than chance? Paired, and by document.
//
//   nq paired differences (after - before), each in a group (its document) and a stratum
//   (seen or unseen); groups are numbered 0 .. n_groups - 1, strata 0 .. s - 1.
//
// The statistic is the weighted mean over strata of the mean difference within each.
// Questions about one document succeed and fail together, so whole groups are drawn and
// whole groups change sign. Each resample has a random stream of its own: the result
// depends on the seed alone.
// Sources: Efron & Tibshirani 1993, chapter 8 (cluster bootstrap); Smucker, Allan &
// Carterette 2007, doi:10.1145/1321440.1321528 (randomisation test).
#pragma once

#include "views.hpp"

namespace ragtune {

struct PairedDifferences {
  std::span<const double> differences;   // (nq,)
  std::span<const std::int32_t> groups;  // (nq,)
  std::span<const std::int32_t> strata;  // (nq,)
  std::span<const double> weights;       // (s,) >= 0, of each stratum
};

struct Interval {
  double mean, lower, upper;
};

// Percentile interval of the statistic; a stratum that a resample misses is left out of it.
// Throws std::invalid_argument if shapes differ, nq = 0, resamples < 1, a stratum number
// has no weight, or confidence is not in (0, 1).
Interval bootstrap_interval(const PairedDifferences& data, int resamples, double confidence,
                            std::uint64_t seed, int num_threads = 0);

// Two-sided p value: how often a random change of signs gives a statistic as far from 0.
// Throws as bootstrap_interval does.
double randomization_test(const PairedDifferences& data, int resamples, std::uint64_t seed,
                          int num_threads = 0);

}  // namespace ragtune
