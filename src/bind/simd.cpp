#include "../simd.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

void check_lengths(std::size_t a, std::size_t b) {
  if (a != b)
    throw std::invalid_argument("expected equal lengths, got " + std::to_string(a) + " and " +
                                std::to_string(b));
}

// Scores (n, nr) of a block, and `count` numbers for its columns.
MatrixView columns_of(const Kernels& kernel, const Array<float>& scores, std::size_t count) {
  const MatrixView view = rows(scores, "scores");
  if (view.rows() < 1 || std::size_t(view.cols()) != kernel.nr || count != kernel.nr)
    throw std::invalid_argument("scores: expected rows and " + std::to_string(kernel.nr) +
                                " columns, got " + std::to_string(view.rows()) + " and " +
                                std::to_string(view.cols()) + " for " + std::to_string(count));
  return view;
}

using PairKernel = float (*Kernels::*)(const float*, const float*, std::size_t);
using WideKernel = double (*Kernels::*)(const float*, const float*, std::size_t);
using Bf16Kernel = float (*Kernels::*)(const float*, const std::uint16_t*, std::size_t);

// Each kernel of each set by name, so that tests reach those that dispatch does not choose.
template <class T, class Kernel>
void bind_pair(py::module_& m, const char* name, Kernel kernel) {
  m.def(
      name,
      [kernel](const std::string& set, const Array<float>& a, const Array<T>& b) {
        check_lengths(flat(a, "a").size(), flat(b, "b").size());
        return (kernels_named(set).*kernel)(a.data(), b.data(), std::size_t(a.size()));
      },
      py::arg("set"), py::arg("a").noconvert(), py::arg("b").noconvert());
}

}  // namespace

void bind_simd(py::module_& m) {
  m.def("available_kernels", &available_kernels, "Kernel sets that this CPU runs, slowest first.");
  m.def("kernels_in_use", [] { return std::string(kernels().name); });

  bind_pair<float>(m, "dot", PairKernel(&Kernels::dot));
  bind_pair<float>(m, "squared_distance", PairKernel(&Kernels::squared_distance));
  bind_pair<float>(m, "wide_dot", WideKernel(&Kernels::wide_dot));
  bind_pair<std::uint16_t>(m, "dot_bf16", Bf16Kernel(&Kernels::dot_bf16));
  bind_pair<std::uint16_t>(m, "squared_distance_bf16", Bf16Kernel(&Kernels::squared_distance_bf16));
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
  m.def(
      "dot_planes",
      [](const std::string& set, const Array<std::int8_t>& query,
         const Array<std::uint8_t>& planes) {
        const auto view = rows(planes, "planes");
        if (view.rows() != 4 || query.size() != 2 * view.cols() || query.size() % GROUP != 0)
          throw std::invalid_argument("planes: expected (4, query / 2), whole groups");
        const std::uint8_t* plane[4];
        for (std::ptrdiff_t i = 0; i < 4; ++i) plane[i] = view.data() + i * view.cols();
        Eigen::Vector4i out;
        kernels_named(set).dot_planes(query.data(), plane, std::size_t(query.size()) / GROUP,
                                      out.data());
        return out;
      },
      py::arg("set"), py::arg("query").noconvert(), py::arg("planes").noconvert());
  m.def(
      "add_scaled",
      [](const std::string& set, const Array<float>& to, const Array<float>& row, float weight) {
        check_lengths(flat(to, "to").size(), flat(row, "row").size());
        Eigen::VectorXf out = Eigen::Map<const Eigen::VectorXf>(to.data(), to.size());
        kernels_named(set).add_scaled(out.data(), row.data(), weight, std::size_t(row.size()));
        return out;
      },
      py::arg("set"), py::arg("to").noconvert(), py::arg("row").noconvert(), py::arg("weight"));
  m.def(
      "adam",
      [](const std::string& set, const Array<float>& x, const Array<float>& mean,
         const Array<float>& square, const Array<float>& gradient,
         const std::array<float, 6>& factors) {
        for (const auto* other : {&mean, &square, &gradient})
          check_lengths(flat(x, "x").size(), flat(*other, "mean, square, gradient").size());
        RowMajor<float> out(3, x.size());
        const float* from[] = {x.data(), mean.data(), square.data()};
        for (std::ptrdiff_t i = 0; i < 3; ++i) std::copy_n(from[i], x.size(), out.row(i).data());
        const auto [shrink, rate, correction, beta1, beta2, epsilon] = factors;
        kernels_named(set).adam(out.row(0).data(), out.row(1).data(), out.row(2).data(),
                                gradient.data(), std::size_t(x.size()),
                                {shrink, rate, correction, beta1, beta2, epsilon});
        return out;
      },
      py::arg("set"), py::arg("x").noconvert(), py::arg("mean").noconvert(),
      py::arg("square").noconvert(), py::arg("gradient").noconvert(), py::arg("factors"),
      "-> x, mean and square (3, p) after a step; factors as AdamFactors has them.");
  m.def(
      "scale_columns",
      [](const std::string& set, const Array<float>& values, const Array<float>& factors) {
        const Kernels& kernel = kernels_named(set);
        RowMajor<float> out = columns_of(kernel, values, flat(factors, "factors").size());
        kernel.scale_columns(out.data(), std::size_t(out.rows()), factors.data());
        return out;
      },
      py::arg("set"), py::arg("values").noconvert(), py::arg("factors").noconvert());
  m.def(
      "survey",
      [](const std::string& set, const Array<float>& scores, const Array<float>& limits) {
        const Kernels& kernel = kernels_named(set);
        const auto view = columns_of(kernel, scores, flat(limits, "limits").size());
        Eigen::VectorXf peaks(view.cols());
        Eigen::VectorX<std::uint32_t> above(view.rows());
        kernel.survey(view.data(), std::size_t(view.rows()), limits.data(), peaks.data(),
                      above.data());
        return std::pair(peaks, above);
      },
      py::arg("set"), py::arg("scores").noconvert(), py::arg("limits").noconvert());
  m.def(
      "column_peaks",
      [](const std::string& set, const Array<std::int32_t>& values) {
        if (values.ndim() != 2 || values.shape(0) < 1 || values.shape(1) != COLUMNS)
          throw py::value_error("values: expected rows and " + std::to_string(COLUMNS) +
                                " columns");
        Eigen::VectorX<std::int32_t> peaks(std::ptrdiff_t{COLUMNS});
        kernels_named(set).column_peaks(values.data(), std::size_t(values.shape(0)), peaks.data());
        return peaks;
      },
      py::arg("set"), py::arg("values").noconvert());
  m.def(
      "reached_by",
      [](const std::string& set, const Array<std::int32_t>& peaks, std::size_t k) {
        const auto given = flat(peaks, "peaks");
        if (given.size() != COLUMNS || k < 1 || k > COLUMNS)
          throw py::value_error("peaks, k: expected " + std::to_string(COLUMNS) +
                                " peaks, and k from 1 to as many");
        return kernels_named(set).reached_by(given.data(), k);
      },
      py::arg("set"), py::arg("peaks").noconvert(), py::arg("k"));
  m.def(
      "weigh",
      [](const std::string& set, const Array<float>& scores, const Array<float>& peaks,
         float inverse) {
        const Kernels& kernel = kernels_named(set);
        RowMajor<float> out = columns_of(kernel, scores, flat(peaks, "peaks").size());
        Eigen::VectorXf sums(out.cols());
        kernel.weigh(out.data(), std::size_t(out.rows()), peaks.data(), inverse, sums.data());
        return std::pair(out, sums);
      },
      py::arg("set"), py::arg("scores").noconvert(), py::arg("peaks").noconvert(),
      py::arg("inverse"));
  m.def(
      "columns", [](const std::string& set) { return kernels_named(set).nr; }, py::arg("set"),
      "Columns of a block of scores.");
}

}  // namespace ragtune