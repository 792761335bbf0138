// numpy -> views. Nothing here copies or converts: the Python layer hands over
// C-contiguous arrays of the right dtype, and noconvert() makes anything else a
// TypeError.
#pragma once

#include <pybind11/eigen.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>

#include "../views.hpp"

namespace ragtune {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

// Everything that takes long runs without the GIL. The arguments are views of arrays that
// the caller's frame keeps alive.
using NoGil = py::call_guard<py::gil_scoped_release>;

template <class T>
Eigen::Map<const RowMajor<T>> rows(const Array<T>& a, const char* name) {
  if (a.ndim() != 2)
    throw std::invalid_argument(std::string(name) + ": expected 2 dimensions, got " +
                                std::to_string(a.ndim()));
  return {a.data(), a.shape(0), a.shape(1)};
}

inline IdsView ids(const Array<std::int64_t>& a, const char* name) {
  const auto view = rows(a, name);
  return {view.data(), view.rows(), view.cols()};
}

template <class T>
std::span<const T> flat(const Array<T>& a, const char* name) {
  if (a.ndim() != 1)
    throw std::invalid_argument(std::string(name) + ": expected 1 dimension, got " +
                                std::to_string(a.ndim()));
  return {a.data(), static_cast<std::size_t>(a.size())};
}

}  // namespace ragtune
