#include "../topk.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_topk(py::module_& m) {
  m.def(
      "exact_search",
      [](const Array<float>& corpus, const Array<float>& queries, std::int64_t k, bool l2,
         int num_threads) {
        Ranking found = exact_search(rows(corpus, "corpus"), rows(queries, "queries"), k,
                                     {l2 ? Metric::l2 : Metric::inner_product, num_threads});
        return std::pair(std::move(found.scores), std::move(found.rows));
      },
      py::arg("corpus").noconvert(), py::arg("queries").noconvert(), py::kw_only(), py::arg("k"),
      py::arg("l2") = false, py::arg("num_threads") = 0, NoGil(),
      "Scores and rows of the k best, ties by row. -> (nq, k), (nq, k)");
}

}  // namespace ragtune
