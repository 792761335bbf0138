#include "../parallel.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_parallel(py::module_& m) {
  m.def("thread_count", &thread_count, py::arg("requested") = 0,
        "Threads that a call asking for `requested` (0: all) gets.");
  m.def(
      "throw_in_parallel",
      [](std::ptrdiff_t n, std::ptrdiff_t bad) {
        parallel_for(
            n,
            [&](std::ptrdiff_t i) {
              if (i == bad) throw std::out_of_range("step " + std::to_string(i));
            },
            0, 1);
      },
      py::arg("n"), py::arg("bad"), NoGil(), "Fails in step `bad` of a parallel loop, for tests.");
}

}  // namespace ragtune
