#include "../ridge.hpp"

#include "../kernel_ridge.hpp"
#include "arrays.hpp"

namespace ragtune {
namespace {

using Update = void (RidgeStatistics::*)(MatrixView, MatrixView, std::span<const float>);

template <Update update>
void apply(RidgeStatistics& self, const Array<float>& queries, const Array<float>& documents,
           const Array<float>& weights) {
  (self.*update)(rows(queries, "queries"), rows(documents, "documents"), flat(weights, "weights"));
}

}  // namespace

void bind_ridge(py::module_& m) {
  using S = RidgeStatistics;
  py::class_<S>(m, "RidgeStatistics")
      .def(py::init<std::ptrdiff_t>(), py::arg("d"))
      .def("add", &apply<static_cast<Update>(&S::add)>, py::arg("queries").noconvert(),
           py::arg("documents").noconvert(), py::arg("weights").noconvert(), NoGil())
      .def("remove", &apply<static_cast<Update>(&S::remove)>, py::arg("queries").noconvert(),
           py::arg("documents").noconvert(), py::arg("weights").noconvert(), NoGil())
      .def("merge", py::overload_cast<const S&>(&S::add), py::arg("other"), NoGil())
      .def("unmerge", py::overload_cast<const S&>(&S::remove), py::arg("other"), NoGil())
      .def_property_readonly("dimensions", &S::dimensions)
      .def_property_readonly("pairs", &S::pairs)
      .def("solve", &S::solve, py::arg("penalty"), NoGil());
  m.def(
      "ridge_adapted",
      [](const Array<float>& queries, const Array<float>& targets, const Array<float>& asked,
         const Array<double>& penalties, int num_threads) {
        return ridge_adapted(rows(queries, "queries"), rows(targets, "targets"),
                             rows(asked, "asked"), flat(penalties, "penalties"), num_threads);
      },
      py::arg("queries").noconvert(), py::arg("targets").noconvert(), py::arg("asked").noconvert(),
      py::arg("penalties").noconvert(), py::kw_only(), py::arg("num_threads") = 0, NoGil());
  m.def(
      "kernel_ridge",
      [](const Array<float>& queries, const Array<float>& targets, const Array<float>& centres,
         float sharpness, float linear, double penalty, int num_threads) {
        return kernel_ridge(rows(queries, "queries"), rows(targets, "targets"),
                            rows(centres, "centres"), {sharpness, linear}, penalty, num_threads);
      },
      py::arg("queries").noconvert(), py::arg("targets").noconvert(),
      py::arg("centres").noconvert(), py::kw_only(), py::arg("sharpness"), py::arg("linear") = 0.0f,
      py::arg("penalty"), py::arg("num_threads") = 0, NoGil());
  m.def(
      "kernel_ridge_adapted",
      [](const Array<float>& queries, const Array<float>& targets, const Array<float>& centres,
         const Array<float>& asked, float sharpness, float linear, const Array<double>& penalties,
         int num_threads) {
        return kernel_ridge_adapted(rows(queries, "queries"), rows(targets, "targets"),
                                    rows(centres, "centres"), rows(asked, "asked"),
                                    {sharpness, linear}, flat(penalties, "penalties"), num_threads);
      },
      py::arg("queries").noconvert(), py::arg("targets").noconvert(),
      py::arg("centres").noconvert(), py::arg("asked").noconvert(), py::kw_only(),
      py::arg("sharpness"), py::arg("linear") = 0.0f, py::arg("penalties").noconvert(),
      py::arg("num_threads") = 0, NoGil());
}

}  // namespace ragtune
