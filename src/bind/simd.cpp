#include "../simd.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

void check_lengths(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size())
    throw std::invalid_argument("expected equal lengths, got " + std::to_string(a.size()) +
                                " and " + std::to_string(b.size()));
}

}  // namespace

void bind_simd(py::module_& m) {
  m.def("available_kernels", &available_kernels, "Kernel sets that this CPU runs, slowest first.");
  m.def("kernels_in_use", [] { return std::string(kernels().name); });

  // Each kernel of each set by name, so that tests reach those that dispatch does not choose.
  m.def(
      "dot",
      [](const std::string& set, const Array<float>& a, const Array<float>& b) {
        check_lengths(flat(a, "a"), flat(b, "b"));
        return kernels_named(set).dot(a.data(), b.data(), std::size_t(a.size()));
      },
      py::arg("set"), py::arg("a").noconvert(), py::arg("b").noconvert());
  m.def(
      "squared_distance",
      [](const std::string& set, const Array<float>& a, const Array<float>& b) {
        check_lengths(flat(a, "a"), flat(b, "b"));
        return kernels_named(set).squared_distance(a.data(), b.data(), std::size_t(a.size()));
      },
      py::arg("set"), py::arg("a").noconvert(), py::arg("b").noconvert());
  m.def(
      "dot_rows",
      [](const std::string& set, const Array<float>& query, const Array<float>& matrix) {
        const auto view = rows(matrix, "matrix");
        if (view.cols() != query.size())
          throw std::invalid_argument("matrix: expected " + std::to_string(query.size()) +
                                      " columns, got " + std::to_string(view.cols()));
        Eigen::VectorXf out(view.rows());
        kernels_named(set).dot_rows(query.data(), view.data(), std::size_t(view.rows()),
                                    std::size_t(view.cols()), out.data());
        return out;
      },
      py::arg("set"), py::arg("query").noconvert(), py::arg("matrix").noconvert());
}

}  // namespace ragtune
