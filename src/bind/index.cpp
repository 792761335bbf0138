#include "../index.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_index(py::module_& m) {
  py::class_<Index>(m, "Index")
      .def(py::init<std::ptrdiff_t, const std::string&>(), py::arg("d"), py::kw_only(),
           py::arg("metric"))
      .def(
          "add",
          [](Index& self, const Array<float>& vectors, const Array<std::int64_t>& ids) {
            self.add(rows(vectors, "vectors"), flat(ids, "ids"));
          },
          py::arg("vectors").noconvert(), py::arg("ids").noconvert(), NoGil())
      .def(
          "remove",
          [](Index& self, const Array<std::int64_t>& ids) { return self.remove(flat(ids, "ids")); },
          py::arg("ids").noconvert(), NoGil())
      .def("compact", &Index::compact, NoGil())
      .def(
          "search",
          [](const Index& self, const Array<float>& queries, std::int64_t k, int num_threads) {
            Ranking found = self.search(rows(queries, "queries"), k, num_threads);
            return std::pair(std::move(found.scores), std::move(found.rows));
          },
          py::arg("queries").noconvert(), py::kw_only(), py::arg("k"), py::arg("num_threads") = 0,
          NoGil())
      .def_property_readonly("dimensions", &Index::dimensions)
      .def("__len__", &Index::size);
}

}  // namespace ragtune
