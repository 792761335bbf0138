#include "../pointwise.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_pointwise(py::module_& m) {
  m.def(
      "candidate_scores",
      [](const Array<float>& corpus, const Array<float>& queries,
         const Array<std::int64_t>& candidates, int num_threads) {
        return candidate_scores(rows(corpus, "corpus"), rows(queries, "queries"),
                                ids(candidates, "candidates"), num_threads);
      },
      py::arg("corpus").noconvert(), py::arg("queries").noconvert(),
      py::arg("candidates").noconvert(), py::kw_only(), py::arg("num_threads") = 0, NoGil(),
      "q.x of each candidate, 0 where it is -1. -> (nq, c)");
  m.def(
      "united",
      [](const std::vector<Array<std::int64_t>>& proposals, int num_threads) {
        std::vector<IdsView> views;
        for (const auto& one : proposals) views.push_back(ids(one, "proposals"));
        const py::gil_scoped_release release;
        return united(views, num_threads);
      },
      py::arg("proposals").noconvert(), py::kw_only(), py::arg("num_threads") = 0,
      "Each question's rows once, ascending, -1 padded. -> (nq, c)");
}

}  // namespace ragtune
