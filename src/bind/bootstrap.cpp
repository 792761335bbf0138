#include "../bootstrap.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

PairedDifferences paired(const Array<double>& differences, const Array<std::int32_t>& groups,
                         const Array<std::int32_t>& strata, const Array<double>& weights) {
  return {flat(differences, "differences"), flat(groups, "groups"), flat(strata, "strata"),
          flat(weights, "weights")};
}

}  // namespace

void bind_bootstrap(py::module_& m) {
  m.def(
      "bootstrap_interval",
      [](const Array<double>& differences, const Array<std::int32_t>& groups,
         const Array<std::int32_t>& strata, const Array<double>& weights, int resamples,
         double confidence, std::uint64_t seed) {
        const Interval i = bootstrap_interval(paired(differences, groups, strata, weights),
                                              resamples, confidence, seed);
        return std::array<double, 3>{i.mean, i.lower, i.upper};
      },
      py::arg("differences").noconvert(), py::arg("groups").noconvert(),
      py::arg("strata").noconvert(), py::arg("weights").noconvert(), py::kw_only(),
      py::arg("resamples"), py::arg("confidence"), py::arg("seed"), NoGil(),
      "Mean, lower and upper bound of the clustered paired bootstrap.");

  m.def(
      "randomization_test",
      [](const Array<double>& differences, const Array<std::int32_t>& groups,
         const Array<std::int32_t>& strata, const Array<double>& weights, int resamples,
         std::uint64_t seed) {
        return randomization_test(paired(differences, groups, strata, weights), resamples, seed);
      },
      py::arg("differences").noconvert(), py::arg("groups").noconvert(),
      py::arg("strata").noconvert(), py::arg("weights").noconvert(), py::kw_only(),
      py::arg("resamples"), py::arg("seed"), NoGil(),
      "Two-sided p value of the clustered paired randomisation test.");
}

}  // namespace ragtune
