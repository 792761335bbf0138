#include "../isotonic.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_isotonic(py::module_& m) {
  m.def(
      "isotonic",
      [](const Array<float>& x, const Array<float>& y, const Array<float>& w) {
        const Knots knots = [&] {
          const py::gil_scoped_release release;
          return isotonic(flat(x, "x"), flat(y, "y"), flat(w, "w"));
        }();
        return std::pair(Array<double>(std::ssize(knots.x), knots.x.data()),
                         Array<double>(std::ssize(knots.y), knots.y.data()));
      },
      py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("w").noconvert(),
      "Knots (k,) of the rising function nearest to the points.");
}

}  // namespace ragtune
