#include "../tiles.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_tiles(py::module_& m) {
  m.def(
      "multiply_transposed",
      [](const Array<float>& a, const Array<float>& b, int num_threads) {
        return multiply_transposed(rows(a, "a"), rows(b, "b"), num_threads);
      },
      py::arg("a").noconvert(), py::arg("b").noconvert(), py::kw_only(), py::arg("num_threads") = 0,
      NoGil(), "a (m, d) times b (n, d) transposed. -> (m, n)");
  m.def(
      "multiply",
      [](const Array<float>& a, const Array<float>& b, int num_threads) {
        return multiply(rows(a, "a"), rows(b, "b"), num_threads);
      },
      py::arg("a").noconvert(), py::arg("b").noconvert(), py::kw_only(), py::arg("num_threads") = 0,
      NoGil(), "a (m, k) times b (k, n). -> (m, n)");
  m.def(
      "multiply_first_transposed",
      [](const Array<float>& a, const Array<float>& b, int num_threads) {
        return multiply_first_transposed(rows(a, "a"), rows(b, "b"), num_threads);
      },
      py::arg("a").noconvert(), py::arg("b").noconvert(), py::kw_only(), py::arg("num_threads") = 0,
      NoGil(), "a (k, m) transposed times b (k, n). -> (m, n)");
}

}  // namespace ragtune
