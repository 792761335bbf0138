#include "../ranks.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_ranks(py::module_& m) {
  m.def(
      "relevant_ranks",
      [](const Array<float>& corpus, const Array<float>& queries, const Array<float>& adapted,
         const Array<float>& alphas, const Array<std::int64_t>& offsets,
         const Array<std::int64_t>& relevant, const Array<float>& grades) {
        const std::vector<std::int32_t> ranks = [&] {
          const py::gil_scoped_release release;
          return relevant_ranks(
              rows(corpus, "corpus"), rows(queries, "queries"), rows(adapted, "adapted"),
              flat(alphas, "alphas"),
              {flat(offsets, "offsets"), flat(relevant, "relevant"), flat(grades, "grades")});
        }();
        const py::ssize_t adapters = adapted.shape(0) / queries.shape(0);
        return py::array_t<std::int32_t>({adapters, alphas.shape(0), relevant.shape(0)},
                                         ranks.data());
      },
      py::arg("corpus").noconvert(), py::arg("queries").noconvert(), py::arg("adapted").noconvert(),
      py::arg("alphas").noconvert(), py::arg("offsets").noconvert(),
      py::arg("relevant").noconvert(), py::arg("grades").noconvert(),
      "Rank (0 is best) of each judged document. -> (adapters, alphas, nnz)");
}

}  // namespace ragtune
