// Lists of str -> views of their UTF-8, without a copy for ASCII.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ragtune {

namespace py = pybind11;

// Holds on to the strings of a list while C++ reads them, whatever happens to the list.
// Made and destroyed under the GIL.
class BorrowedTexts {
 public:
  BorrowedTexts(const py::list& texts, const char* name) {
    for (const py::handle item : texts) {
      auto text = py::reinterpret_borrow<py::object>(item);
      if (!PyUnicode_Check(text.ptr()))
        throw py::type_error(std::string(name) + ": expected str, got " +
                             Py_TYPE(text.ptr())->tp_name + " at " + std::to_string(views_.size()));
      py::ssize_t size = 0;
      const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
      if (!data) {  // it has half of a surrogate pair, which ends a word as any other stray byte
        PyErr_Clear();
        text = py::reinterpret_steal<py::object>(
            PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
        if (!text) throw py::error_already_set();
        data = PyBytes_AS_STRING(text.ptr());
        size = PyBytes_GET_SIZE(text.ptr());
      }
      views_.emplace_back(data, std::size_t(size));
      owners_.push_back(std::move(text));
    }
  }

  const std::vector<std::string_view>& views() const { return views_; }

 private:
  std::vector<py::object> owners_;
  std::vector<std::string_view> views_;
};

}  // namespace ragtune
