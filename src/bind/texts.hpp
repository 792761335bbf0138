// Lists of str -> views of their UTF-8, without a copy for ASCII.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ragtune {

namespace py = pybind11;

// Holds on to a string while C++ reads it. Made and destroyed under the GIL.
class BorrowedText {
 public:
  // `at` is told in the error, if it is the place of the text in a list.
  BorrowedText(py::handle item, const char* name, const std::size_t* at = nullptr)
      : owner_(py::reinterpret_borrow<py::object>(item)) {
    if (!PyUnicode_Check(item.ptr()))
      throw py::type_error(std::string(name) + ": expected str, got " +
                           Py_TYPE(item.ptr())->tp_name +
                           (at ? " at " + std::to_string(*at) : std::string()));
    py::ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(item.ptr(), &size);
    if (!data) {  // it has half of a surrogate pair, which ends a word as any other stray byte
      PyErr_Clear();
      owner_ = py::reinterpret_steal<py::object>(
          PyUnicode_AsEncodedString(item.ptr(), "utf-8", "surrogatepass"));
      if (!owner_) throw py::error_already_set();
      data = PyBytes_AS_STRING(owner_.ptr());
      size = PyBytes_GET_SIZE(owner_.ptr());
    }
    view_ = {data, std::size_t(size)};
  }

  std::string_view view() const { return view_; }
  py::object& owner() { return owner_; }

 private:
  py::object owner_;
  std::string_view view_;
};

// Holds on to the strings of a list while C++ reads them, whatever happens to the list.
// Made and destroyed under the GIL.
class BorrowedTexts {
 public:
  BorrowedTexts(const py::list& texts, const char* name) {
    for (const py::handle item : texts) {
      const std::size_t at = views_.size();
      BorrowedText text(item, name, &at);
      views_.push_back(text.view());
      owners_.push_back(std::move(text.owner()));
    }
  }

  const std::vector<std::string_view>& views() const { return views_; }

 private:
  std::vector<py::object> owners_;
  std::vector<std::string_view> views_;
};

}  // namespace ragtune
