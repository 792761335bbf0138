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
}

}  // namespace ragtune
