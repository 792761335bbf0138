#include "../adapter.hpp"

#include "arrays.hpp"
#include "matrices.hpp"

namespace ragtune {

void bind_adapter(py::module_& m) {
  py::class_<Adapter>(m, "Adapter")
      .def_static("identity", &Adapter::identity, py::arg("d"))
      .def_static(
          "linear", [](const Array<float>& w) { return Adapter::linear(rows(w, "w")); },
          py::arg("w").noconvert())
      .def_static(
          "residual",
          [](const std::string& kind, const std::map<std::string, Array<float>>& matrices) {
            return Adapter::residual(kind, copied(matrices));
          },
          py::arg("kind"), py::arg("matrices").noconvert(),
          "Of kind linear {m}, low_rank {a, b}, mlp {a, bias, b} or kernel {centres, shifts, "
          "sharpness, and perhaps m}.")
      .def_property_readonly("dimensions", &Adapter::dimensions)
      .def_property_readonly("is_identity", &Adapter::is_identity)
      .def_property_readonly("kind", &Adapter::kind)
      .def("matrix", &Adapter::matrix)
      .def("matrices", &Adapter::matrices, "What `residual` takes; empty for the identity.")
      .def("shrunk", &Adapter::shrunk, py::arg("alpha"), "q + alpha (u - q) in place of u.")
      .def(
          "moved",
          [](const Adapter& self, const Array<float>& queries, int num_threads) {
            return self.moved(rows(queries, "queries"), num_threads);
          },
          py::arg("queries").noconvert(), py::kw_only(), py::arg("num_threads") = 0, NoGil(),
          "Adapted queries before they are brought to unit length. -> (nq, d)")
      .def(
          "apply",
          [](const Adapter& self, const Array<float>& queries, int num_threads) {
            return self.apply(rows(queries, "queries"), num_threads);
          },
          py::arg("queries").noconvert(), py::kw_only(), py::arg("num_threads") = 0, NoGil());
}

}  // namespace ragtune
