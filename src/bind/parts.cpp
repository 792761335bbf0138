#include "../parts.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_parts(py::module_& m) {
  py::class_<Parts>(m, "Parts")
      .def(py::init<std::ptrdiff_t>(), py::arg("d"))
      .def(
          "add",
          [](Parts& self, const Array<float>& vectors, const Array<std::int64_t>& owners) {
            self.add(rows(vectors, "vectors"), flat(owners, "rows"));
          },
          py::arg("vectors").noconvert(), py::arg("rows").noconvert(), NoGil())
      .def(
          "remove",
          [](Parts& self, const Array<std::int64_t>& owners) {
            return self.remove(flat(owners, "rows"));
          },
          py::arg("rows").noconvert(), NoGil())
      .def("__len__", &Parts::size)
      .def_property_readonly("dimensions", &Parts::dimensions)
      .def_property_readonly("size_bytes", &Parts::size_bytes)
      .def(
          "best",
          [](const Parts& self, const Array<float>& queries, const Array<std::int64_t>& candidates,
             int num_threads) {
            return self.best(rows(queries, "queries"), ids(candidates, "candidates"), num_threads);
          },
          py::arg("queries").noconvert(), py::arg("candidates").noconvert(), py::kw_only(),
          py::arg("num_threads") = 0, NoGil())
      .def(
          "best_and_mean",
          [](const Parts& self, const Array<float>& queries, const Array<std::int64_t>& candidates,
             int num_threads) {
            BestAndMean out = self.best_and_mean(rows(queries, "queries"),
                                                 ids(candidates, "candidates"), num_threads);
            return std::pair(std::move(out.best), std::move(out.mean));
          },
          py::arg("queries").noconvert(), py::arg("candidates").noconvert(), py::kw_only(),
          py::arg("num_threads") = 0, NoGil())
      .def("stored",
           [](const Parts& self) {
             StoredParts stored = self.stored();
             return std::tuple(std::move(stored.codes),
                               Array<float>(std::ssize(stored.scales), stored.scales.data()),
                               Array<std::int64_t>(std::ssize(stored.rows), stored.rows.data()));
           })
      .def_static(
          "restored",
          [](std::ptrdiff_t d, const Array<std::uint8_t>& codes, const Array<float>& scales,
             const Array<std::int64_t>& owners) {
            const auto s = flat(scales, "scales");
            const auto r = flat(owners, "rows");
            return Parts::restored(
                d, {rows(codes, "codes"), {s.begin(), s.end()}, {r.begin(), r.end()}});
          },
          py::arg("d"), py::arg("codes").noconvert(), py::arg("scales").noconvert(),
          py::arg("rows").noconvert());
}

}  // namespace ragtune
