#include "../metrics.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_metrics(py::module_& m) {
  m.def(
      "evaluate_rankings",
      [](const Array<std::int64_t>& ids, const Array<std::int64_t>& offsets,
         const Array<std::int64_t>& relevant, const Array<float>& grades,
         const std::vector<std::pair<std::string, int>>& metrics) {
        std::vector<MetricAtK> wanted;
        for (const auto& [name, k] : metrics) wanted.push_back({metric_named(name), k});
        return evaluate_rankings(
            rows(ids, "ids"),
            {flat(offsets, "offsets"), flat(relevant, "relevant"), flat(grades, "grades")}, wanted);
      },
      py::arg("ids").noconvert(), py::arg("offsets").noconvert(), py::arg("relevant").noconvert(),
      py::arg("grades").noconvert(), py::kw_only(), py::arg("metrics"), NoGil(),
      "Score of each query under each (name, k). -> (metrics, nq)");
}

}  // namespace ragtune
